"""The player of ``core.player`` as a Streamlit component."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affectscope.app.common.component import mounts
from affectscope.core import player as core_player

_PLAYER = mounts("player", core_player.html(), core_player.css(), Path(__file__).parent / "mounting.js")


def player(
    clip_url: str,
    timeline_url: str,
    *,
    key: str,
    title: str = "",
    view: dict[str, Any] | None = None,
    truth: str | None = None,
    explained: Mapping[str, str] | None = None,
    reasons_url: str = "",
    notices: bool = True,
    awaited: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """Mount the player and return the view that a person left it in, or None while nobody has touched it.

    Args:
        clip_url: where the browser finds the clip, by byte ranges.
        timeline_url: where it finds the timeline's bytes.
        key: Streamlit's element key.
        title: the clip's name, for those who hear the page.
        view: what to show first: any of time, heat, map, scale, opacity, threshold, speed, loop,
            muted, layer, head, matrix, sources, explain. A time below 0 is when the heatmap has most in it.
        reasons_url: where it finds the bytes of a timeline with lanes that join it; "" while there are none.
        truth: the class to mark as the true one.
        explained: heatmap id -> the class that it explains.
        notices: whether it says what is to be known of the answer; else the page says it, where nothing moves for it.
        awaited: group -> title of the lanes that ``reasons_url`` will have: they have their room before they come.

    Returns:
        The same fields, with ``timeline``: the URL of the timeline that they belong to, and ``stamp``: the player's own
        mark, by which it knows its words when they come back in ``view``.
    """
    named = {"explained": dict(explained or {}), "awaited": dict(awaited or {})}
    options = {"title": title, "truth": truth, "notices": notices, **named}
    result = _PLAYER(
        key=key,
        data={
            "clip_url": clip_url,
            "timeline_url": timeline_url,
            "reasons_url": reasons_url,
            "view": view or {},
            "options": options,
        },
        on_view_change=lambda: None,
    )
    return result.view
