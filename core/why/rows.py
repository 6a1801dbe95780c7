"""All numbers of an answer as rows of one table, and that table as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from affectscope.core.text import spreadsheet_cell
from affectscope.core.why.shapley import coalitions

if TYPE_CHECKING:
    from affectscope.core.why.label import ForLabel
    from affectscope.core.why.why import Why

COLUMNS = ("part", "measure", "head", "modality", "name", "start", "end", "value")
Row = tuple[str, str, str, str, str, float | None, float | None, float]
_LABEL = "label "


def rows(why: Why) -> Iterator[Row]:
    """A row per number, in the order of ``COLUMNS``; with start and end in seconds for windows.

    Rows that belong to no head leave it empty. Parts that speak for the label begin with "label". The pixels of ``Spectrum`` are
    left out; their sums per window are included.
    """
    for h, head in enumerate(why.heads):
        for who, row in zip(_members(why.modality.names), why.modality.answers[h], strict=True):
            for label, value in zip(why.labels, row, strict=True):
                yield "modality", f"answer {label}", head, "", who, None, None, float(value)
    yield from _parts(why, why.heads)
    yield from _once(why)
    if why.for_label is not None:
        for part, *rest in _parts(why.for_label, why.heads):
            yield (f"{_LABEL}{part}", *rest)  # type: ignore[misc]


def csv_of(why: Why) -> str:
    """``rows`` as CSV; names cannot become formulas."""
    lines = [",".join(COLUMNS)]
    for row in rows(why):
        cells = ["" if value is None else repr(value) if isinstance(value, float) else _cell(value) for value in row]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def _parts(of: Why | ForLabel, heads: tuple[str, ...]) -> Iterator[Row]:
    """The numbers of one class, head by head."""
    for h, head in enumerate(heads):
        yield from _modality(of, h, head)
        for measure, by_name in (("away", of.moments.away), ("alone", of.moments.alone)):
            for name, values in by_name.items():
                yield from _windows(of, measure, head, name, values[h])
        if of.groups is not None:
            yield "sound", "total", head, "audio", "", None, None, float(of.groups.total[h])
            for who, value in zip(_members(of.groups.names), of.groups.scores[h], strict=True):
                yield "sound", "score", head, "audio", who, None, None, float(value)
            for measure, values in (("shapley", of.groups.shapley[h]), ("away", of.groups.away[h])):
                yield from _named("sound", measure, head, "audio", of.groups.names, values)
        if of.face is not None:
            yield from _named("face", "away", head, "visual", of.face.names, of.face.away[h])
            if head in of.face.shares:
                yield from _named("face", "share", head, "visual", of.face.names, of.face.shares[head])


def _modality(of: Why | ForLabel, h: int, head: str) -> Iterator[Row]:
    modality = of.modality
    yield from _named("modality", "score", head, "", _members(modality.names), modality.scores[h])
    for measure, values in (("shapley", modality.shapley), ("alone", modality.alone), ("share", modality.shares)):
        for name, value in zip(modality.names, values[h], strict=True):
            yield "modality", measure, head, name, "", None, None, float(value)
    for names, values in modality.together.items():
        yield "modality", "together", head, "+".join(names), "", None, None, float(values[h])


def _once(why: Why) -> Iterator[Row]:
    """Numbers that are the same for all heads, or belong to the decision alone."""
    for name, frames in why.moments.frames.items():
        yield from _windows(why, "frames", "", name, frames)
    if why.spectrum is not None and why.spectrum_windows is not None:
        yield from _windows(why, "gradients", "decision", "audio", why.spectrum_windows)
        yield "sound", "gap of gradients", "decision", "audio", "", None, None, float(why.spectrum.gap)
    if why.face is not None:
        yield from _named("face", "area", "", "visual", why.face.names, why.face.area)
    if why.flip is not None:
        for m, w in why.flip.windows:
            yield "flip", "gone", "decision", m, "", *_span(why, w), 1.0
        for measure, answer in (("before", why.flip.before), ("after", why.flip.after)):
            yield from _named("flip", measure, "decision", "", why.labels, answer)
        yield "flip", "smallest", "decision", "", "", None, None, float(why.flip.smallest)
        yield "flip", "asked", "decision", "", "", None, None, float(why.flip.asked)


def _windows(of: Why | ForLabel, measure: str, head: str, modality: str, values: np.ndarray) -> Iterator[Row]:
    for w, value in enumerate(values):
        yield "time", measure, head, modality, "", *_span(of, w), float(value)


def _named(part: str, measure: str, head: str, modality: str, names: tuple[str, ...], values: np.ndarray) -> Iterator[Row]:
    for name, value in zip(names, values, strict=True):
        yield part, measure, head, modality, name, None, None, float(value)


def _members(names: tuple[str, ...]) -> tuple[str, ...]:
    """The name of each coalition."""
    found = coalitions(len(names))
    return tuple("+".join(n for n, there in zip(names, row, strict=True) if there) or "nothing" for row in found)


def _span(of: Why | ForLabel, window: int) -> tuple[float, float]:
    return float(of.moments.edges[window]), float(of.moments.edges[window + 1])


def _cell(text: str) -> str:
    safe = spreadsheet_cell(text)
    return '"' + safe.replace('"', '""') + '"' if any(c in safe for c in ',"\n\r') else safe
