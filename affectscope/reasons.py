"""Why a model predicts what it predicts for a clip, and how far its explanations can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from affectscope.core.errors import UserError
from affectscope.core.perturbation import Imputation, Perturbation
from affectscope.core.text import signed
from affectscope.core.trust.measure import Measured
from affectscope.core.trust.tables import rows
from affectscope.core.trust.trust import COLUMNS, Request
from affectscope.core.trust.trust import Trust as CoreTrust
from affectscope.core.trust.verdict import verdict
from affectscope.core.why import Why as CoreWhy
from affectscope.core.why import in_words
from affectscope.core.why.words import sentence

if TYPE_CHECKING:
    from affectscope.one import Model

__all__ = ["Trust", "Why", "trust", "why"]


@dataclass(frozen=True)
class Why:
    """The contributions behind an answer. Tables have a row per head, "decision" first, unless stated; numbers are log-odds.

    Attributes:
        model: the model.
        media: the clip's file.
    """

    model: Model
    media: Path
    _core: CoreWhy

    @property
    def target(self) -> str:
        """The explained class or attribute."""
        return self._core.target

    @property
    def sentence(self) -> str:
        """The answer in words; every clause is supported by numbers in the tables."""
        return in_words(self._core)

    @property
    def clauses(self) -> Mapping[str, Mapping[str, float | str]]:
        """Each clause -> the numbers that support it, by their path in ``to_json``."""
        clauses = sentence(self._core)
        parts = {clause.text: {".".join(map(str, path)): value for path, value in clause.rests} for clause in clauses}
        return MappingProxyType({text: MappingProxyType(rests) for text, rests in parts.items()})

    @cached_property
    def modalities(self) -> pd.DataFrame:
        """Shapley values of modalities, which sum to "answer" minus "nothing"; each contribution alone, and the interaction."""
        shares = self._core.modality
        columns: dict[tuple[str, str], object] = {("shapley", name): shares.shapley[:, i] for i, name in enumerate(shares.names)}
        columns |= {("alone", name): shares.alone[:, i] for i, name in enumerate(shares.names)}
        columns |= {("together", "+".join(names)): values for names, values in shares.together.items()}
        columns |= {("score", "nothing"): shares.scores[:, 0], ("score", "answer"): shares.scores[:, -1]}
        return _by_head(columns, self._core)

    @cached_property
    def moments(self) -> pd.DataFrame:
        """A row per window, by its start in seconds; columns (away or alone, modality, head)."""
        windows = self._core.moments
        parts = {"away": windows.away, "alone": windows.alone}
        columns = {
            (measure, name, head): values[h]
            for measure, by_name in parts.items()
            for name, values in by_name.items()
            for h, head in enumerate(self._core.heads)
        }
        frame = pd.DataFrame(columns, index=pd.Index(windows.edges[:-1], name="seconds"))
        frame.columns = pd.MultiIndex.from_tuples(columns, names=("measure", "modality", "head"))
        return frame

    @cached_property
    def groups(self) -> pd.DataFrame | None:
        """Groups of descriptors: Shapley values, and the effect of removing each; None for a model without descriptors."""
        shares = self._core.groups
        if shares is None:
            return None
        parts = {"shapley": shares.shapley, "away": shares.away}
        return _by_head({(m, name): v[:, i] for m, v in parts.items() for i, name in enumerate(shares.names)}, self._core)

    @cached_property
    def face(self) -> pd.DataFrame | None:
        """A row per region: its share of the face's box and of each head's heatmap, and how much the scores fall without it."""
        regions = self._core.face
        if regions is None:
            return None
        columns: dict[tuple[str, str], object] = {("area", ""): regions.area}
        columns |= {("heatmap", head): values for head, values in regions.shares.items()}
        columns |= {("away", head): regions.away[h] for h, head in enumerate(self._core.heads)}
        frame = pd.DataFrame(columns, index=pd.Index(regions.names, name="region"))
        frame.columns = pd.MultiIndex.from_tuples(columns, names=("measure", "head"))
        return frame

    def to_json(self) -> str:
        """All numbers as JSON."""
        return self._core.to_json()

    def to_csv(self) -> str:
        """All numbers as CSV, a row each."""
        return self._core.to_csv()

    def _repr_html_(self) -> str:
        shares = self._core.modality
        cells = "".join(f"<td>{signed(value)}</td>" for value in (*shares.shapley[0], shares.scores[0, 0], shares.scores[0, -1]))
        heads = "".join(f"<th>{escape(name)}</th>" for name in (*shares.names, "nothing", "answer"))
        return (
            f"<p>{escape(self.sentence)}</p><table><caption>{escape(self._core.unit)}, the decision</caption>"
            f"<tr>{heads}</tr><tr>{cells}</tr></table>"
        )

    def __repr__(self) -> str:
        return f"Why({self.media.name!r}, model={self.model.name!r}: {self.sentence})"


def why(
    model: Model,
    clip: str | Path,
    target: str = "",
    *,
    against: str = "",
    label: str = "",
    imputation: Imputation = "absent",
    track: int | None = None,
    method: str | None = None,
    face: int | None = None,
) -> Why:
    """Why a model predicts what it predicts for a clip: which modality, when, what in the sound, where in the face.

    Args:
        target: the class to explain; default: the model's own prediction.
        against: another class: why the one and not the other.
        label: the clip's true class; the sentence then says what is right.
        imputation: replacement of removed frames, as in ``mask``.
        track: the audio track, counted from 1; default: the first that has sound.
        method: method of the heatmap whose shares are computed by region, as in ``Model.analyze``.
        face: which person's face is analysed, as in ``Model.analyze``.

    Raises:
        UserError: when the clip cannot be decoded, or there is no such class.

    >>> import affectscope as afs
    >>> found = afs.why(afs.load("unimodal-attention"), afs.corpus("demo").media("held_s2026_00000"))
    >>> found.modalities.shapley.columns.tolist()
    ['audio']
    """
    change = Perturbation(imputation=imputation)
    explained = model.analyzer.why(
        Path(clip), target=target, against=against, change=change, label=label, track=track, explanation=method, face=face
    )
    return Why(model, Path(clip), explained)


@dataclass(frozen=True)
class Trust:
    """How far the explanations of a clip can be trusted; the first is the heatmap, if there is one.

    Attributes:
        model: the model.
        media: the clip's file.
    """

    model: Model
    media: Path
    _core: CoreTrust

    @property
    def level(self) -> str:
        """``high``, ``medium`` or ``low``, for the first explanation.

        Raises:
            UserError: when the clip has no explanation.
        """
        return verdict(self._first).level

    @property
    def reasons(self) -> str:
        """One or two sentences about the first explanation, from its measures alone."""
        return verdict(self._first).reasons

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per explanation, formatted for display."""
        return pd.DataFrame(rows(self._core))

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """Every number, a row each."""
        return pd.DataFrame(list(self._core.rows()), columns=list(COLUMNS))

    def to_json(self) -> str:
        """All numbers as JSON."""
        return self._core.to_json()

    def to_csv(self) -> str:
        """All numbers as CSV, a row each."""
        return self._core.to_csv()

    @property
    def _first(self) -> Measured:
        if not self._core.measured:
            raise UserError("There is no map to measure: the model explains nothing of this clip.")
        return self._core.measured[0]

    def __repr__(self) -> str:
        return f"Trust({self.media.name!r}, model={self.model.name!r}: {self.level}. {self.reasons})"


def trust(
    model: Model,
    clip: str | Path,
    target: str = "",
    *,
    methods: Sequence[str] | None = None,
    head: str = "",
    lanes: bool = True,
    seed: int = 0,
    track: int | None = None,
    face: int | None = None,
) -> Trust:
    """How far the explanations of a clip can be trusted: do the marks matter, do they depend on the weights, are they stable.

    Args:
        target: the explained class; default: each head's own prediction.
        methods: explanation methods, as in ``Model.analyze``; default: the model's.
        head: whose heatmap is tested; default: the first that uses the picture.
        lanes: whether to test contributions and attention too.
        seed: of random controls, random weights and noise.
        track, face: as in ``Model.analyze``.

    Raises:
        UserError: when the clip cannot be decoded, or there is no such class or method.
    """
    model._check(target or None)
    named = tuple(methods) if methods is not None else None
    asked = Request(target, head, named, named, lanes, seed=seed, track=track, face=face)
    return Trust(model, Path(clip), model.analyzer.trust(Path(clip), asked))


def _by_head(columns: Mapping[tuple[str, str], object], core: CoreWhy) -> pd.DataFrame:
    frame = pd.DataFrame(dict(columns), index=pd.Index(core.heads, name="head"))
    frame.columns = pd.MultiIndex.from_tuples(list(columns))
    return frame
