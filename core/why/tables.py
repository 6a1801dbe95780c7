"""The numbers of an answer as readable tables, for the terminal and for the exported page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affectscope.core.text import percent, shown, signed
from affectscope.core.timeline.lanes import head_title
from affectscope.core.why.label import ForLabel
from affectscope.core.why.why import Why
from affectscope.core.why.words import noun, seconds


@dataclass(frozen=True)
class Table:
    """A table of text: title, column names, and rows whose first cell is the row's name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(why: Why, every: bool = False) -> tuple[Table, ...]:
    """Which modality, by head; when, what in the sound, where in the face, what speaks for the label, what changes the answer.

    Args:
        every: include every head, as in files; default: the decision only, except for modalities.
    """
    found = [_modality(why, why.heads, "Which modality", why.unit)]
    for h, head in enumerate(why.heads if every else why.heads[:1]):
        of = f"{head_title(head)}: " if every else ""
        found.append(_moments(why, h, of, why.unit, why.spectrum_windows if h == 0 else None))
        found += _groups(why, h, of, why.unit) + _face(why, h, head, of, why.unit)
    if why.for_label is not None:
        found += _label(why, why.for_label, every)
    return (*found, *_flip(why))


def _label(why: Why, of: ForLabel, every: bool) -> list[Table]:
    """The same for the label; without ``every`` only modality and time."""
    unit, who = f"log-odds of {why.label} against {why.says}", f"For the label {shown(why.label)}"
    found = [_modality(of, why.heads, f"{who}: which modality", unit)]
    for h, head in enumerate(why.heads if every else why.heads[:1]):
        name = f"{who}, {head_title(head).lower()}: " if every else f"{who}: "
        found.append(_moments(of, h, name, unit))
        found += _groups(of, h, name, unit) + _face(of, h, head, name, unit)
    return found


def _modality(of: Why | ForLabel, heads: tuple[str, ...], title: str, unit: str) -> Table:
    modality = of.modality
    names = tuple(map(noun, modality.names))
    both = tuple("only together" if len(names) == 2 else f"only {' + '.join(map(noun, who))}" for who in modality.together)
    columns = ("head", *names, *(f"{name} alone" for name in names), *both, "nothing", "answer")
    rows = tuple(
        (head_title(head), *map(signed, (*modality.shapley[h], *modality.alone[h],
                                         *(values[h] for values in modality.together.values()),
                                         modality.scores[h, 0], modality.scores[h, -1])))
        for h, head in enumerate(heads)
    )  # fmt: skip
    return Table(f"{title} ({unit})", columns, rows)


def _moments(of: Why | ForLabel, h: int, who: str, unit: str, gradients: np.ndarray | None = None) -> Table:
    moments = of.moments
    parts = {"taken away": moments.away, "alone": moments.alone}
    columns = [f"{noun(m)} {measure}" for measure, by_name in parts.items() for m in by_name]
    numbers = [values[h] for by_name in parts.values() for values in by_name.values()]
    if gradients is not None:
        columns.append(f"{noun('audio')} by gradients")
        numbers.append(gradients)
    rows = tuple((_span(of, w), *(signed(values[w]) for values in numbers)) for w in range(len(moments.edges) - 1))
    return Table(_titled(who, f"when ({unit})"), ("window", *columns), rows)


def _groups(of: Why | ForLabel, h: int, who: str, unit: str) -> list[Table]:
    if of.groups is None:
        return []
    groups = of.groups
    rows = tuple((name, signed(groups.shapley[h, i]), signed(groups.away[h, i])) for i, name in enumerate(groups.names))
    return [Table(_titled(who, f"what in the sound ({unit})"), ("group", "Shapley", "taken away"), rows)]


def _face(of: Why | ForLabel, h: int, head: str, who: str, unit: str) -> list[Table]:
    if of.face is None:
        return []
    face = of.face
    # The decision has no heatmap of its own, so all heads' are listed.
    shares = face.shares if h == 0 else {head: face.shares[head]} if head in face.shares else {}
    rows = tuple(
        (name, signed(face.away[h, i]), percent(face.area[i]), *(percent(values[i]) for values in shares.values()))
        for i, name in enumerate(face.names)
    )
    maps = (f"of the {head_title(name).lower()} heatmap" for name in shares)
    return [Table(_titled(who, f"where in the face ({unit})"), ("region", "blurred", "of the face's box", *maps), rows)]


def _flip(why: Why) -> list[Table]:
    if why.flip is None or not why.flip.found:
        return []
    rows = tuple((noun(m), _span(why, w)) for m, w in why.flip.windows)
    after = ", ".join(f"{shown(name)} {percent(p)}" for name, p in zip(why.labels, why.flip.after, strict=True))
    size = "the smallest change" if why.flip.smallest else "the smallest change found"
    return [Table(f"What would change the answer: {size} (then {after})", ("gone", "window"), rows)]


def _span(of: Why | ForLabel, window: int) -> str:
    return f"{seconds(of.moments.edges[window])}–{seconds(of.moments.edges[window + 1])} s"


def _titled(of: str, text: str) -> str:
    return of + text if of else text[:1].upper() + text[1:]
