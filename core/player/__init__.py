"""The player's browser code: a video, its heatmap and its lanes on one clock, drawn from a Timeline's bytes.

It needs no server and no framework. A page that holds ``html()`` and ``css()`` runs, in one module,

    const player = mount(element)                 // any element around the html
    player.report = (view) => …                   // called when a person changed what is shown; may be left out
    follow(player, { clip_url, timeline_url, timeline, view, options })

``timeline``, an ArrayBuffer or Uint8Array, stands for what would be fetched from ``timeline_url``, which is then only its
name; ``clip_url`` may be a data: or blob: URL. ``view`` and ``options`` are those of ``app.player.player``. ``follow`` may be
called again with other data at any time, ``unmount(player)`` ends it. Colours are Streamlit's theme where there is one; elsewhere
they follow the page's ``color-scheme``.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent
_SCRIPTS = (
    "text.js",
    "timeline.js",
    "colours.js",
    "overlay.js",
    "lanes.js",
    "legends.js",
    "panels.js",
    "controls.js",
    "player.js",
)


def html() -> str:
    """The player's elements."""
    return _read("player.html")


def css() -> str:
    """Its style sheet."""
    return _read("player.css")


def js(*names: str) -> str:
    """Its scripts, to be run as one module: they share its scope. With names, only those."""
    return "\n".join(map(_read, names or _SCRIPTS))


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
