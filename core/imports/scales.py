"""Detects the scale of a head's numbers from row sums, and converts them to posteriors."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import expit, softmax

from affectscope.core.errors import UserError
from affectscope.core.text import shown

Scale = Literal["auto", "probabilities", "percent", "log-probabilities", "log-odds", "logits", "attributes"]
Task = Literal["classification", "regression"]
SCALES: tuple[Scale, ...] = (
    "auto", "probabilities", "percent", "log-probabilities", "log-odds", "logits", "attributes",
)  # fmt: skip
TITLES = {"log-odds": "log odds", "percent": "per cents", "attributes": "attributes, as they are written"}
# Measured rather than classified: the dimensions of affect, as named in the field's corpora.
DIMENSIONS = frozenset(("valence", "arousal", "dominance"))
ATTRIBUTES = DIMENSIONS | {"activation", "pleasure", "sentiment", "expectancy", "potency", "val", "aro", "dom", "act"}
_BASES = {"": np.e, " to the base 10": 10.0, " to the base 2": 2.0}
_MOSTLY = 0.9
# Larger positive numbers are not logits: softmax would turn them into certainties.
_NO_LOGIT = 20.0
# Float32 rounding may make a probability of 0 slightly negative.
_SLIP = 1e-5


def tolerance(classes: int) -> float:
    """How far a row of probabilities may be from 1: each may be rounded to two decimals."""
    return max(0.01, 0.005 * classes) + 1e-6


def find(values: np.ndarray, column: str) -> Scale:
    """The scale of [R, C], from the rows without missing numbers.

    Raises:
        UserError: when it is ambiguous.
    """
    whole = values[~np.isnan(values).any(1) & (values < np.inf).all(1)]
    if not len(whole):
        return "logits"
    slack = tolerance(values.shape[1])
    sums = whole.sum(1)
    if _most(whole >= -_SLIP):
        if _half(np.abs(sums - 1) <= slack):
            return "probabilities"
        if _half(np.abs(sums - 100) <= 100 * slack):
            return "percent"
        if _most(whole <= 1 + _SLIP):
            raise UserError(
                f"The numbers of {shown(column)} lie between 0 and 1 but do not sum to one: "
                "divide each row by its sum, or say --scale logits."
            )
        if _base(-whole, slack, _MOSTLY) is not None:
            raise UserError(
                f"The numbers of {shown(column)} are logarithms of probabilities without their minus sign: "
                "write them with it, or say --scale logits."
            )
        if len(whole) > 1 and np.abs(sums - sums[0]).max() <= slack * sums[0]:
            raise UserError(
                f"The numbers of {shown(column)} are counts or shares that sum to {sums[0]:.3g} in each row: "
                "divide each row by its sum, or say --scale logits."
            )
        if values.shape[1] > 2 and (whole % 1 == 0).all() and whole.max() > 1:
            raise UserError(
                f"The numbers of {shown(column)} are counts, as of votes, whose sums differ: divide each row by its sum, or say "
                "--scale logits."
            )
        if whole.max() > _NO_LOGIT:
            raise UserError(
                f"The numbers of {shown(column)} lie between 0 and {whole.max():.3g} and sum neither to 1 nor to 100: "
                "divide each row by its sum, or say --scale logits."
            )
    if _base(whole, slack) is not None:
        return "log-probabilities"
    if values.shape[1] == 2 and len(whole) > 1 and (np.abs(whole.sum(1)) <= _SLIP * (1 + np.abs(whole[:, 0]))).all():
        raise UserError(
            f"The numbers of {shown(column)} are each other's negatives, which log odds and logits may be: "
            "say --scale log-odds or --scale logits."
        )
    return "log-odds" if _odds_base(whole) is not None else "logits"


def posteriors(values: np.ndarray, scale: str) -> tuple[np.ndarray, dict[int, str]]:
    """[R, C] probabilities, and row -> why it has none; attributes are unchanged."""
    if scale in ("probabilities", "percent"):
        return _shares(values, *((1.0, "probabilities") if scale == "probabilities" else (100.0, "per cents")))
    faults: dict[int, str] = {}
    if scale == "attributes":
        faults = dict.fromkeys(map(int, np.flatnonzero(np.isinf(values).any(1))), "a value that is infinite")
        return values, faults
    if scale == "log-odds":
        whole = values[~np.isnan(values).any(1)]
        return _shares(_expit(values, _odds_base(whole) or ""), 1.0, "probabilities")
    # A logit of minus infinity is a probability of zero; plus infinity, or only minus infinity, is invalid.
    for i in np.flatnonzero((values == np.inf).any(1) | (values == -np.inf).all(1)):
        faults[int(i)] = "a logit that is infinite"
    good = ~np.isnan(values).any(1)
    good[list(faults)] = False
    made = np.full(values.shape, np.nan)
    base = _base(values[good], tolerance(values.shape[1])) if scale == "log-probabilities" and good.any() else None
    made[good] = softmax(values[good] * np.log(_BASES[base or ""]), 1)
    return made, faults


def title(scale: str, values: np.ndarray) -> str:
    """A description for the user."""
    whole = values[~np.isnan(values).any(1)]
    if scale == "log-odds":
        return TITLES[scale] + (_odds_base(whole) or "")
    if scale != "log-probabilities":
        return TITLES.get(scale, scale)
    return scale + ((_base(whole, tolerance(values.shape[1])) or "") if len(whole) else "")


def _shares(values: np.ndarray, whole: float, called: str) -> tuple[np.ndarray, dict[int, str]]:
    slack, sums = whole * tolerance(values.shape[1]), values.sum(1)
    faults: dict[int, str] = {}
    singular = called.removesuffix("s").replace("probabilitie", "probability")
    slipped = (values < 0) & (values >= -_SLIP * whole)
    values = np.where(slipped, 0.0, values)
    for i in np.flatnonzero(((values < 0) | (values > whole + slack)).any(1)):
        faults[int(i)] = f"a {singular} outside 0 to {whole:g}"
    for i in np.flatnonzero(np.abs(sums - whole) > slack):
        faults.setdefault(int(i), f"its {called} sum to {sums[i]:.3g}, not to {whole:g}")
    with np.errstate(invalid="ignore", divide="ignore"):
        return values / sums[:, None], faults


def _base(values: np.ndarray, slack: float, least: float = 0.5) -> str | None:
    """The base of log-probabilities; None if fewer than the share ``least`` of rows fit."""
    if not _most(values <= 1e-6):
        return None
    return next((name for name, base in _BASES.items() if (np.abs((base**values).sum(1) - 1) <= slack).mean() >= least), None)


def _odds_base(values: np.ndarray) -> str | None:
    """The base of log-odds, from at least three classes and two rows; None if they do not fit."""
    if values.shape[1] < 3 or len(values) < 2:
        return None
    slack = max(0.002, 0.00125 * values.shape[1])
    return next((name for name in _BASES if (np.abs(_expit(values, name).sum(1) - 1) <= slack).mean() >= _MOSTLY), None)


def _expit(values: np.ndarray, base: str) -> np.ndarray:
    made: np.ndarray = expit(values * np.log(_BASES[base]))
    return made


def _most(cells: np.ndarray) -> bool:
    return bool(cells.all(1).mean() >= _MOSTLY)


def _half(rows: np.ndarray) -> bool:
    return bool(rows.mean() >= 0.5)
