"""The masking board as the browser has it, whoever mounts it: the app's component, or a file that is taken home.

A script that imports ``board.js`` has::

    const board = mountBoard(parent, { report: (state) => … })    // parent holds ``html()``; state: what a hand did
    board.follow({ grid | grid_url, state, exact, options })      // as often as there is something new
    board.close()

``grid`` is the object of ``core.evaluation.grid.Grid.to_json``. ``state``: keep (modality -> percent), pattern, imputation, seed,
burst (seconds), spans (modality -> [[start, end]] in seconds), head, class, and ``stamp``: the board's own, where it is what the
board itself reported. ``exact``: head -> values for exactly this state, or null. ``options``: subject (of which clip and model
all this is: with another one the board forgets what it could undo), title, heads [{id, title}], patterns [{id, title}],
imputations [{id, title, meaning}], truth (a class or null), and ``alone``, where nobody can be asked: then the shares move and
nothing else can be changed.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def html() -> str:
    return (_HERE / "board.html").read_text(encoding="utf-8")


def css() -> str:
    return (_HERE / "board.css").read_text(encoding="utf-8")
