"""The numbers of an answer as people read them in a table: in a terminal, and in the page that is taken home."""

from __future__ import annotations

from dataclasses import dataclass

from affectscope.core.text import percent, shown, signed
from affectscope.core.timeline.lanes import head_title
from affectscope.core.why.why import Why
from affectscope.core.why.words import noun, seconds


@dataclass(frozen=True)
class Table:
    """Texts: a title, what columns are called, and the cells of each row, the first of them the row's name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(why: Why, every: bool = False) -> tuple[Table, ...]:
    """Which modality, by head; when, what in the sound, where in the face, and what would change the answer.

    Args:
        every: all but the modalities of every head, as files have them; else of the decision alone.
    """
    found = [_modality(why)]
    for h, head in enumerate(why.heads if every else why.heads[:1]):
        of = f"{head_title(head)}: " if every else ""
        found.append(_moments(why, h, of))
        found += _groups(why, h, of) + _face(why, h, head, of)
    return (*found, *_flip(why))


def _modality(why: Why) -> Table:
    modality = why.modality
    names = tuple(map(noun, modality.names))
    both = tuple("only together" if len(names) == 2 else f"only {' + '.join(map(noun, who))}" for who in modality.together)
    columns = ("head", *names, *(f"{name} alone" for name in names), *both, "nothing", "answer")
    rows = tuple(
        (head_title(head), *map(signed, (*modality.shapley[h], *modality.alone[h],
                                         *(values[h] for values in modality.together.values()),
                                         modality.scores[h, 0], modality.scores[h, -1])))
        for h, head in enumerate(why.heads)
    )  # fmt: skip
    return Table(f"Which modality ({why.unit})", columns, rows)


def _moments(why: Why, h: int, of: str) -> Table:
    moments = why.moments
    parts = {"taken away": moments.away, "alone": moments.alone}
    columns = [f"{noun(m)} {measure}" for measure, by_name in parts.items() for m in by_name]
    numbers = [values[h] for by_name in parts.values() for values in by_name.values()]
    if why.spectrum_windows is not None and h == 0:
        columns.append(f"{noun('audio')} by gradients")
        numbers.append(why.spectrum_windows)
    rows = tuple((_span(why, w), *(signed(values[w]) for values in numbers)) for w in range(len(moments.edges) - 1))
    return Table(_titled(of, f"when ({why.unit})"), ("window", *columns), rows)


def _groups(why: Why, h: int, of: str) -> list[Table]:
    if why.groups is None:
        return []
    groups = why.groups
    rows = tuple((name, signed(groups.shapley[h, i]), signed(groups.away[h, i])) for i, name in enumerate(groups.names))
    return [Table(_titled(of, f"what in the sound ({why.unit})"), ("group", "Shapley", "taken away"), rows)]


def _face(why: Why, h: int, head: str, of: str) -> list[Table]:
    if why.face is None:
        return []
    face = why.face
    # The decision has no heatmap of its own: those of all heads.
    shares = face.shares if h == 0 else {head: face.shares[head]} if head in face.shares else {}
    rows = tuple(
        (name, signed(face.away[h, i]), percent(face.area[i]), *(percent(values[i]) for values in shares.values()))
        for i, name in enumerate(face.names)
    )
    maps = (f"of the {head_title(name).lower()} heatmap" for name in shares)
    return [Table(_titled(of, f"where in the face ({why.unit})"), ("region", "blurred", "of the face's box", *maps), rows)]


def _flip(why: Why) -> list[Table]:
    if why.flip is None or not why.flip.found:
        return []
    rows = tuple((noun(m), _span(why, w)) for m, w in why.flip.windows)
    after = ", ".join(f"{shown(name)} {percent(p)}" for name, p in zip(why.labels, why.flip.after, strict=True))
    size = "the smallest change" if why.flip.smallest else "the smallest change found"
    return [Table(f"What would turn the answer: {size} (then {after})", ("gone", "window"), rows)]


def _span(why: Why, window: int) -> str:
    return f"{seconds(why.moments.edges[window])}–{seconds(why.moments.edges[window + 1])} s"


def _titled(of: str, text: str) -> str:
    return of + text if of else text[:1].upper() + text[1:]
