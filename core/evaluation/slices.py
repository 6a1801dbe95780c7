"""Metrics per subgroup of a corpus, each with its count and an interval, so that small groups are not over-interpreted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import bootstrap

from affectscope.core.metrics.intervals import LEVEL, wilson
from affectscope.core.metrics.metrics import concordance

__all__ = ["LEVEL", "accuracy", "agreement", "parts", "wilson"]

_FEW = 6  # # Numbers with more distinct values are binned.
_BINS = 4
_MANY = 40  # # Texts with more distinct values identify clips instead of grouping them.
_DRAWS = 300


def parts(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The columns that define subgroups, as ordered categories of text; numbers with many values in bins of similar size.

    Columns with one value, or nearly one per clip, are left out. Missing values stay missing.
    """
    made = {name: _part(table[name]) for name in columns if name in table}
    kept = {name: part for name, part in made.items() if _parts_something(part)}
    return pd.DataFrame(kept, index=table.index)


def accuracy(part: pd.DataFrame, correct: pd.Series) -> pd.DataFrame:
    """Accuracy in every subgroup, and over all clips.

    Args:
        part: from ``parts``.
        correct: bool, with the same index.

    Returns:
        ``column``, ``value``, ``count``, ``right``, ``score`` (accuracy), ``low`` and ``high`` (Wilson, 95 %); "all" comes first.
    """
    rows = [_share("all", "", correct.to_numpy(bool))]
    for name in part:
        for value, chosen in correct.groupby(part[name], observed=True):
            rows.append(_share(str(name), str(value), chosen.to_numpy(bool)))
    return pd.DataFrame(rows)


def agreement(part: pd.DataFrame, truth: pd.Series, predicted: pd.Series) -> pd.DataFrame:
    """CCC and mean absolute error in every subgroup, and over all clips.

    Returns:
        ``column``, ``value``, ``count``, ``score`` (CCC) with ``low`` and ``high``, ``mae`` with ``mae_low`` and ``mae_high``: 95
        % of 300 draws of the group's clips (percentile bootstrap, seed 0); NaN below three clips.
    """
    pairs = pd.DataFrame({"truth": truth, "predicted": predicted})
    rows = [_agreement("all", "", pairs)]
    for name in part:
        for value, chosen in pairs.groupby(part[name].reindex(pairs.index), observed=True):
            rows.append(_agreement(str(name), str(value), chosen))
    return pd.DataFrame(rows)


def _part(values: pd.Series) -> pd.Series:
    known = values.dropna()
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values) and known.nunique() > _FEW:
        bins = pd.qcut(values, _BINS, duplicates="drop")
        names = [f"{max(b.left, known.min()):.4g} to {b.right:.4g}" for b in bins.cat.categories]
        return bins.cat.rename_categories(names)
    order = [_text(v) for v in sorted(known.unique(), key=lambda v: (isinstance(v, str), v))]
    return pd.Series(pd.Categorical(values.map(_text, na_action="ignore"), order, ordered=True), values.index)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _parts_something(part: pd.Series) -> bool:
    count = part.nunique()
    return 1 < count <= _MANY and count <= max(2, len(part) // 2)


def _share(column: str, value: str, correct: np.ndarray) -> dict[str, object]:
    right, count = int(correct.sum()), len(correct)
    low, high = wilson(right, count)
    score = right / count if count else float("nan")
    return {"column": column, "value": value, "count": count, "right": right, "score": score, "low": low, "high": high}


def _agreement(column: str, value: str, pairs: pd.DataFrame) -> dict[str, object]:
    predicted, true = np.array(pairs["predicted"], float), np.array(pairs["truth"], float)
    row: dict[str, object] = {"column": column, "value": value, "count": len(pairs)}
    row["score"] = concordance(torch.from_numpy(predicted), torch.from_numpy(true)) if len(pairs) else float("nan")
    row["low"], row["high"] = _interval(predicted, true, _ccc)
    row["mae"] = float(np.abs(predicted - true).mean()) if len(pairs) else float("nan")
    row["mae_low"], row["mae_high"] = _interval(predicted, true, lambda a, b, axis: np.abs(a - b).mean(axis))
    return row


def _ccc(predicted: np.ndarray, true: np.ndarray, axis: int) -> np.ndarray:
    """Lin's concordance along an axis, as ``metrics.concordance``; 0 for constant values."""
    centre = predicted.mean(axis), true.mean(axis)
    many = predicted.shape[axis]
    together = ((predicted * true).mean(axis) - centre[0] * centre[1]) * many / (many - 1)
    apart = predicted.var(axis, ddof=1) + true.var(axis, ddof=1) + (centre[0] - centre[1]) ** 2
    return np.divide(2 * together, apart, out=np.zeros_like(np.asarray(apart)), where=apart > 0)


def _interval(predicted: np.ndarray, true: np.ndarray, statistic: object) -> tuple[float, float]:
    if len(predicted) < 3:
        return float("nan"), float("nan")
    drawn = bootstrap(
        (predicted, true), statistic, n_resamples=_DRAWS, batch=50, vectorized=True, paired=True, confidence_level=LEVEL,
        method="percentile", rng=0,
    )  # fmt: skip
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)
