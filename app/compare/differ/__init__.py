"""A row of pictures of the clips on which two models differ; a click selects one. All text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from affectscope.app.common.component import component

_ROW = component(Path(__file__).parent, "differ", '<div class="differ"></div>')
HEIGHT = 98
"""Height of the row in pixels, fixed, so that nothing below moves when its content arrives."""


@dataclass(frozen=True)
class Differing:
    """A clip, the predictions of A and B, and whether each is right; None if unknown."""

    id: str
    picture: str | None
    a: str
    b: str
    a_right: bool | None = None
    b_right: bool | None = None


def row(
    title: str, shown: Sequence[Differing], current: str, *, key: str, look: Callable[[str], None], empty: str = "",
    offer: tuple[str, str] = ("", ""), take: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Show the row; ``look(clip)`` is called when one is clicked.

    Args:
        current: the current clip.
        empty: text if there are none.
        offer: a suggestion and its reason; ``take`` is called when its button is pressed.
    """
    known = {clip.id for clip in shown}

    def pressed() -> None:
        clip = str((st.session_state[key].get("look") or {}).get("clip", ""))
        if clip in known:
            look(clip)

    data = {"title": title, "empty": empty, "clips": [asdict(clip) for clip in shown], "current": current, "offer": offer}
    _ROW(key=key, data=data, on_look_change=pressed, on_take_change=take)
