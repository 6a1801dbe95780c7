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
    """Mount the player. Returns the view that the user left it in, or None if untouched.

    Args:
        clip_url: of the clip, with byte ranges.
        timeline_url: of the timeline's bytes.
        key: Streamlit's element key.
        title: the clip's name, for screen readers.
        view: initial view: any of time, heat, map, scale, opacity, threshold, speed, loop, muted, layer, head, matrix, sources,
            explain. A time below 0 means the strongest moment of the heatmap.
        reasons_url: of a timeline whose lanes are added; "" until it exists.
        truth: the class to mark as the true one.
        explained: heatmap id -> the class that it explains.
        notices: whether to show the analysis's notices; otherwise the page does.
        awaited: group -> title of the lanes in ``reasons_url``, for which space is reserved.

    Returns:
        The same fields, with ``timeline``: the URL of the timeline that they belong to, and ``stamp``: the player's own mark, by
            which it recognises its own report in ``view``.
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
