"""The map: thousands of clips as points, drawn and lassoed in the browser; Python hears only what was chosen."""

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
    """A clip that the map was not drawn from, and where it would lie, in the unit square."""

    corpus: str
    id: str
    title: str
    x: float
    y: float
    current: bool = False


@dataclass(frozen=True)
class Map:
    """What the map shows; its fields are what the browser reads.

    Attributes:
        points, table: where the browser finds what core/analysis/atlas.py and columns.py wrote.
        map: a name of what is drawn, which a test can wait for.
        colour, shape, facts: names of columns.
        chosen: the clips that are chosen, a bit a row in base64; None for all.
        picked: how they were chosen, where by a column: its name and values.
        outline: the lasso in thousandths of the unit square, where it was drawn on this map.
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
        # A lasso round points that another map has taken the place of chose none of these.
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
    """Pictures in a row, the first of them the clip that is selected; each can be selected, or played."""

    def pressed() -> None:
        # It need not be one of these: a quick hand presses what the browser still shows.
        act = st.session_state[key].get("act") or {}
        if act:
            on_clip(str(act.get("corpus", "")), str(act.get("id", "")), bool(act.get("play")))

    _STRIP(key=key, data={"title": title, "clips": [asdict(near) for near in shown]}, on_act_change=pressed)


@dataclass(frozen=True)
class Figure:
    """A number with its name, what to compare it to, and what it means."""

    name: str
    value: str
    beside: str = ""
    note: str = ""


def figures(title: str, shown: Sequence[Figure], *, key: str) -> None:
    """Numbers in a row."""
    _FIGURES(key=key, data={"title": title, "figures": [asdict(figure) for figure in shown]})
