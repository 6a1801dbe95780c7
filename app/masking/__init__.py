"""The masking board: sliders, strips, the answer that follows the hand, and the response surface; drawn in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from core import masking, player

_COMPONENT = (Path(__file__).parent / "component.js").read_text(encoding="utf-8")

# One module in the browser, as the player is; colours and the clock's arithmetic are the player's own.
_BOARD = st.components.v2.component(
    "affectscope_masking",
    html=masking.html(),
    css=masking.css(),
    js="\n".join((player.js("colours.js", "timeline.js"), masking.scripts(), _COMPONENT)),
)


def board(
    grid_url: str,
    state: Mapping[str, Any],
    exact: Mapping[str, list[float]] | None,
    *,
    key: str,
    subject: str,
    title: str,
    heads: Sequence[tuple[str, str]],
    patterns: Sequence[str],
    fillings: Sequence[str],
    truth: str | None = None,
) -> dict[str, Any] | None:
    """Mount the board and return what a person did on it last, or None.

    Args:
        grid_url: where the browser finds the answers at every share; empty while nobody has reckoned them.
        state: what to show: keep, pattern, filling, seed, burst, spans, head, class, and ``stamp``, the board's own mark where
            it is what the board itself reported.
        exact: what each head says to exactly this state.
        key: Streamlit's element key.
        subject: of which clip and model this is; with another one the board forgets what it could undo.
        title: the clip's name, for the files that are saved.
        heads: (name, title), the system's decision first.
        truth: the true class, where it is known.

    Returns:
        The same fields as ``state``, with ``stamp`` and ``serial``.
    """
    options = {
        "subject": subject, "title": title, "heads": [{"id": name, "title": shown} for name, shown in heads],
        "patterns": list(patterns), "fillings": list(fillings), "truth": truth,
    }  # fmt: skip
    data = {"grid_url": grid_url, "state": dict(state), "exact": exact, "options": options}
    return _BOARD(key=key, data=data, on_state_change=lambda: None).state
