"""Buttons whose presses are not lost, for pages that act where they draw them: ``if press.button(…)``.

Streamlit reports a press only in the run that it starts. If that run ends before it reaches the button, because something else
was chosen or the page needed another run, the press is lost. Here a callback stores it before the run, and the first run that
reaches the button gets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_NOTED = "pressed"


def button(label: str, *, key: str, **how: Any) -> bool:
    """As ``st.button``, without a callback.

    Args:
        key: unique per action: another clip or model needs another key.
    """
    return _noted(st.button, label, key, how)


def form_submit_button(label: str, *, key: str, **how: Any) -> bool:
    """As ``st.form_submit_button``, without a callback."""
    return _noted(st.form_submit_button, label, key, how)


def forget() -> None:
    """Drop presses from the page before."""
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
