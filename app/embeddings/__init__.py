"""The map: thousands of clips as points, drawn and lassoed in the browser; Python only receives the selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from affectscope.app.common.component import component
from affectscope.app.gate.terms import base

_HERE = Path(__file__).parent
_SCATTER = component(_HERE, "scatter")
_STRIP = component(_HERE, "strip", '<div class="strip"></div>')
_FIGURES = component(_HERE, "figures", '<dl class="figures"></dl>')


@dataclass(frozen=True)
class Own:
    """A clip that was not used to compute the map, and its position, in the unit square."""

    corpus: str
    id: str
    title: str
    x: float
    y: float
    current: bool = False


@dataclass(frozen=True)
class Map:
    """The map's content; its fields are read by the browser.

    Attributes:
        points, table: URLs of the files written by core/analysis/atlas.py and columns.py.
        map: identifies the drawing, for tests to wait for.
        colour, shape, facts: names of columns.
        chosen: the selected clips as base64 of a bit per row; None for all.
        picked: the column and its values, if they were selected by a column.
        outline: the lasso in thousandths of the unit square, if it was drawn on this map.
        current, neighbours: rows to ring; -1 for none.
        height: in pixels.
    """

    points: str
    table: str
    title: str
    subtitle: str
    alt: str
    map: str
    corpus: str
    colour: str
    shape: str
    facts: Sequence[str]
    chosen: str | None
    picked: Mapping[str, Any] | None
    outline: Sequence[Sequence[int]] | None
    current: int
    neighbours: Sequence[int]
    own: Sequence[Own]
    height: int


def scatter(
    shown: Map, *, key: str, on_pick: Callable[[dict[str, Any]], None], on_clip: Callable[[str, str, bool], None]
) -> None:
    """Mount the map.

    Args:
        on_pick: called with {"kind": "lasso", "corners"}, {"kind": "values", "column", "values"} or {"kind": ""}.
        on_clip: called with corpus, clip, and whether to play it.
    """

    def heard(name: str) -> dict[str, Any]:
        return dict(st.session_state[key].get(name) or {})

    def pick() -> None:
        picked = heard("pick")
        # A lasso around points of a map that has been replaced selects nothing.
        if picked and (picked.get("kind") != "lasso" or picked.get("on") == shown.points):
            on_pick(picked)

    def clip(name: str, play: bool) -> None:
        pressed = heard(name)
        if pressed:
            on_clip(str(pressed.get("corpus", "")), str(pressed.get("id", "")), play)

    _SCATTER(
        key=key,
        data=asdict(shown) | {"base": base()},
        on_pick_change=pick,
        on_open_change=lambda: clip("open", True),
        on_choose_change=lambda: clip("choose", False),
    )


@dataclass(frozen=True)
class Near:
    """A clip on the strip."""

    corpus: str
    id: str
    title: str
    picture: str | None
    lines: tuple[str, ...]
    right: bool | None = None


def strip(title: str, shown: Sequence[Near], *, key: str, on_clip: Callable[[str, str, bool], None]) -> None:
    """A row of pictures, starting with the current clip; each can be selected or played."""

    def pressed() -> None:
        # It may not be one of these: the browser may still show an older row.
        act = st.session_state[key].get("act") or {}
        if act:
            on_clip(str(act.get("corpus", "")), str(act.get("id", "")), bool(act.get("play")))

    _STRIP(key=key, data={"title": title, "clips": [asdict(near) for near in shown]}, on_act_change=pressed)


@dataclass(frozen=True)
class Figure:
    """A number with its name, a reference value, and its meaning."""

    name: str
    value: str
    beside: str = ""
    note: str = ""


def figures(title: str, shown: Sequence[Figure], *, key: str) -> None:
    """Numbers in a row."""
    _FIGURES(key=key, data={"title": title, "figures": [asdict(figure) for figure in shown]})
