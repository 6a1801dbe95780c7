"""Why a model predicts what it predicts for one clip, and how far its explanations can be trusted."""

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
    """What a prediction depends on. Tables have one row per head, "decision" first, unless stated otherwise.

    Numbers are differences of log-odds, or of the value itself for regression.

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
        """The explanation in words; every clause is based on numbers of the tables."""
        return in_words(self._core)

    @property
    def clauses(self) -> Mapping[str, Mapping[str, float | str]]:
        """Clause of the sentence -> the numbers that it is based on, by their path in ``to_json``."""
        clauses = sentence(self._core)
        parts = {clause.text: {".".join(map(str, path)): value for path, value in clause.rests} for clause in clauses}
        return MappingProxyType({text: MappingProxyType(rests) for text, rests in parts.items()})

    @cached_property
    def modalities(self) -> pd.DataFrame:
        """Shapley values of whole modalities, which add up to "answer" minus "nothing"; and contributions alone and together."""
        shares = self._core.modality
        columns: dict[tuple[str, str], object] = {("shapley", name): shares.shapley[:, i] for i, name in enumerate(shares.names)}
        columns |= {("alone", name): shares.alone[:, i] for i, name in enumerate(shares.names)}
        columns |= {("together", "+".join(names)): values for names, values in shares.together.items()}
        columns |= {("score", "nothing"): shares.scores[:, 0], ("score", "answer"): shares.scores[:, -1]}
        return _by_head(columns, self._core)

    @cached_property
    def moments(self) -> pd.DataFrame:
        """One row per window; index: its start in seconds; columns (away or alone, modality, head)."""
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
        """Contributions of groups of audio descriptors: Shapley values, and losses without a group; None without descriptors."""
        shares = self._core.groups
        if shares is None:
            return None
        parts = {"shapley": shares.shapley, "away": shares.away}
        return _by_head({(m, name): v[:, i] for m, v in parts.items() for i, name in enumerate(shares.names)}, self._core)

    @cached_property
    def face(self) -> pd.DataFrame | None:
        """One row per face region: its share of the face box and of each heatmap, and each score's loss without it."""
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
    """Explain a prediction: which modality, when, what in the audio, where in the face.

    Args:
        model: the model to explain.
        clip: a file with video, audio or both, of at most one minute.
        target: the class to explain; by default, the model's own prediction.
        against: another class to compare with: why the one and not the other.
        label: the true label of the clip; the sentence then says what is correct.
        imputation: what replaces removed frames, as in ``mask``.
        track: the number of the audio track, from 1; by default, the first that is not silent.
        method: the explanation method of the heatmap whose regions are counted, as in ``Model.analyze``.
        face: the number of the face to analyse, as in ``Model.analyze``.

    Raises:
        UserError: if the clip cannot be read, or there is no such class.

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
    """How far the explanations of a clip can be trusted; the first explanation is the heatmap, if there is one.

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
            UserError: if the model gives no explanation for this clip.
        """
        return verdict(self._first).level

    @property
    def reasons(self) -> str:
        """One or two sentences about the first explanation, derived from its measures."""
        return verdict(self._first).reasons

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per explanation, with formatted values."""
        return pd.DataFrame(rows(self._core))

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """All numbers, one row each."""
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
            raise UserError("There is no map to measure: the model gives no explanation for this clip.")
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
    """Measure how far explanations can be trusted: do the marked places matter, depend on the weights, and stay stable?

    Args:
        model: the model to explain.
        clip: a file with video, audio or both, of at most one minute.
        target: the class to explain; by default, each head's own prediction.
        methods: the explanation methods to measure, as in ``Model.analyze``; by default, the default ones.
        head: the head whose heatmap is measured; by default, the first with visual input.
        lanes: whether to measure contributions and attention as well.
        seed: the random seed of marks, weights and noise.
        track, face: as in ``Model.analyze``.

    Raises:
        UserError: if the clip cannot be read, or there is no such class or method.
    """
    model._check(target or None)
    named = tuple(methods) if methods is not None else None
    asked = Request(target, head, named, named, lanes, seed=seed, track=track, face=face)
    return Trust(model, Path(clip), model.analyzer.trust(Path(clip), asked))


def _by_head(columns: Mapping[tuple[str, str], object], core: CoreWhy) -> pd.DataFrame:
    frame = pd.DataFrame(dict(columns), index=pd.Index(core.heads, name="head"))
    frame.columns = pd.MultiIndex.from_tuples(list(columns))
    return frame
