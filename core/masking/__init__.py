"""The masking board's browser code, used by the app's component and by exported files.

A script that imports ``board.js`` has::

    const board = mountBoard(parent, { report: (state) => … })    // parent contains ``html()``; state: a user action
    board.follow({ grid | grid_url, state, exact, options })      // whenever something changes
    board.close()

``grid`` is the object of ``core.evaluation.grid.Grid.to_json``. ``state``: keep (modality -> percent), pattern, imputation, seed,
burst (seconds), spans (modality -> [[start, end]] in seconds), head, class, and ``stamp``: the board's own mark if it reported
this state. ``exact``: head -> values for exactly this state, or null. ``options``: subject (the clip and model: if it changes,
the board clears its undo history), title, heads [{id, title}], patterns [{id, title}], imputations [{id, title, meaning}], truth
(a class or null), and ``alone``, without a server: then only the shares can be changed.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def html() -> str:
    return (_HERE / "board.html").read_text(encoding="utf-8")


def css() -> str:
    return (_HERE / "board.css").read_text(encoding="utf-8")
