"""Buttons whose presses are not lost, for pages that act where they draw them: ``if press.button(…)``.

Streamlit says of a button that it was pressed in the one run that the press began. Where that run ends before it comes to the
button, since something else was chosen, or the page turned out to need another run, nobody ever hears of the press. Here it is
noted before the run, and told to the first run that comes to the button.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_NOTED = "pressed"


def button(label: str, *, key: str, **how: Any) -> bool:
    """As ``st.button``, without a callback.

    Args:
        key: one for each thing that a press does: another clip's or model's button is another one.
    """
    return _noted(st.button, label, key, how)


def form_submit_button(label: str, *, key: str, **how: Any) -> bool:
    """As ``st.form_submit_button``, without a callback."""
    return _noted(st.form_submit_button, label, key, how)


def forget() -> None:
    """On another page nobody waits for what was pressed on the one before."""
    st.session_state.pop(_NOTED, None)


def _noted(draw: Callable[..., bool], label: str, key: str, how: dict[str, Any]) -> bool:
    draw(label, key=key, on_click=_note, args=(key,), **how)
    noted: set[str] = st.session_state.get(_NOTED, set())
    if key not in noted:
        return False
    noted.discard(key)
    return True


def _note(key: str) -> None:
    st.session_state.setdefault(_NOTED, set()).add(key)
