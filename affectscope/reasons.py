"""Why a model says what it says of one clip, and how far its explanations can be trusted."""

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
    """What an answer rests on. Tables have a row a head, "decision" first, unless they say otherwise; numbers are log-odds.

    Attributes:
        model: which was asked.
        media: the clip's file.
    """

    model: Model
    media: Path
    _core: CoreWhy

    @property
    def target(self) -> str:
        """The class, or attribute, that is explained."""
        return self._core.target

    @property
    def sentence(self) -> str:
        """The answer in words; every clause stands for numbers of the tables."""
        return in_words(self._core)

    @property
    def clauses(self) -> Mapping[str, Mapping[str, float | str]]:
        """Each clause as it is read -> the numbers that it rests on, by their place in ``to_json``."""
        clauses = sentence(self._core)
        parts = {clause.text: {".".join(map(str, path)): value for path, value in clause.rests} for clause in clauses}
        return MappingProxyType({text: MappingProxyType(rests) for text, rests in parts.items()})

    @cached_property
    def modalities(self) -> pd.DataFrame:
        """Shapley values of whole modalities, which add up to "answer" less "nothing"; what each adds alone, and together."""
        shares = self._core.modality
        columns: dict[tuple[str, str], object] = {("shapley", name): shares.shapley[:, i] for i, name in enumerate(shares.names)}
        columns |= {("alone", name): shares.alone[:, i] for i, name in enumerate(shares.names)}
        columns |= {("together", "+".join(names)): values for names, values in shares.together.items()}
        columns |= {("score", "nothing"): shares.scores[:, 0], ("score", "answer"): shares.scores[:, -1]}
        return _by_head(columns, self._core)

    @cached_property
    def moments(self) -> pd.DataFrame:
        """A row a window, by its first second; columns (away or alone, modality, head)."""
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
        """Groups of descriptors, by Shapley values and taken away; None of a model that takes none."""
        shares = self._core.groups
        if shares is None:
            return None
        parts = {"shapley": shares.shapley, "away": shares.away}
        return _by_head({(m, name): v[:, i] for m, v in parts.items() for i, name in enumerate(shares.names)}, self._core)

    @cached_property
    def face(self) -> pd.DataFrame | None:
        """A row a region: its share of the face's box, of each head's heatmap, and what the scores lose without it."""
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
        """All numbers."""
        return self._core.to_json()

    def to_csv(self) -> str:
        """All numbers, a row each."""
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
    """Why a model says what it says of a clip: which modality, when, what in the sound, where in the face.

    Args:
        target: the class that is explained; the model's own answer if left out.
        against: another class: why the one and not the other.
        label: what the clip really is; the sentence then says what is right.
        imputation: what stands in place of what is taken away, as of ``mask``.
        track: the sound track that is heard, counted from 1; the first with sound if left out.
        method: how the heatmap is made whose shares are counted by region, as of ``Model.analyze``.
        face: of several people, whose face is read, as of ``Model.analyze``.

    Raises:
        UserError: when the clip cannot be played, or there is no such class.

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
    """How far the explanations of a clip can be trusted; the first is the heatmap, where there is one.

    Attributes:
        model: which was asked.
        media: the clip's file.
    """

    model: Model
    media: Path
    _core: CoreTrust

    @property
    def level(self) -> str:
        """``high``, ``medium`` or ``low``, of the first explanation.

        Raises:
            UserError: when the model gives no explanation for this clip.
        """
        return verdict(self._first).level

    @property
    def reasons(self) -> str:
        """One or two sentences on the first explanation, from its measures alone."""
        return verdict(self._first).reasons

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row an explanation, as people read it."""
        return pd.DataFrame(rows(self._core))

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """Every number, a row each."""
        return pd.DataFrame(list(self._core.rows()), columns=list(COLUMNS))

    def to_json(self) -> str:
        """All numbers."""
        return self._core.to_json()

    def to_csv(self) -> str:
        """All numbers, a row each."""
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
    """How far the explanations of a clip can be trusted: do the marks matter, do they hang on the weights, do they stay.

    Args:
        target: the class that is explained; each head's own answer if left out.
        methods: by which maps are made, as of ``Model.analyze``; the usual ones if left out.
        head: whose heatmap is measured; the first that sees, if left out.
        lanes: whether contributions and attention are measured too.
        seed: of random marks, random weights and noise.
        track, face: as of ``Model.analyze``.

    Raises:
        UserError: when the clip cannot be played, or there is no such class or method.
    """
    model._check(target or None)
    named = tuple(methods) if methods is not None else None
    asked = Request(target, head, named, named, lanes, seed=seed, track=track, face=face)
    return Trust(model, Path(clip), model.analyzer.trust(Path(clip), asked))


def _by_head(columns: Mapping[tuple[str, str], object], core: CoreWhy) -> pd.DataFrame:
    frame = pd.DataFrame(dict(columns), index=pd.Index(core.heads, name="head"))
    frame.columns = pd.MultiIndex.from_tuples(list(columns))
    return frame
