"""The player's browser code: a video, its heatmap and its lanes on one clock, drawn from a Timeline's bytes.

It needs no server and no framework. A page that contains ``html()`` and ``css()`` runs, in one module,

    const player = mount(element)                 // any element around the html
    player.report = (view) => …                   // optional; called when the user changes the view
    follow(player, { clip_url, timeline_url, timeline, view, options })

``timeline``, an ArrayBuffer or Uint8Array, replaces the content of ``timeline_url``, which is then only its name; ``clip_url``
may be a data: or blob: URL. ``view`` and ``options`` are those of ``app.player.player``. ``follow`` may be called again with
other data at any time; ``unmount(player)`` ends it. Colours are Streamlit's theme if there is one; otherwise they follow the
page's ``color-scheme``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from affectscope.core import browser

_HERE = Path(__file__).parent
DEFAULT_VIEW: dict[str, Any] = json.loads((_HERE / "view.json").read_text(encoding="utf-8"))
"""The player's default view. A time below 0 means the heatmap's strongest moment."""
OPACITY: float = DEFAULT_VIEW["opacity"]
THRESHOLD: float = DEFAULT_VIEW["threshold"]
SCALE: str = DEFAULT_VIEW["scale"]


def html() -> str:
    """The player's elements."""
    return _read("player.html")


def css() -> str:
    """Its style sheet."""
    return _read("player.css")


def js() -> str:
    """Its scripts, joined into one module."""
    return browser.script(_HERE / "player.js")


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
