"""Filters what Streamlit's widgets report.

With every message a browser sends the values of all its widgets, which may be outdated: a widget that was just given another
value still reports the old one, and so does a removed widget. Both look like a user's choice. A report counts only if it differs
from what that widget showed and reported before; a widget that should show something else gets a new key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

_TURNS = "widget_turns"
_KNOWN = "widget_values"
_MOST = 500


def shows(name: str, value: Any) -> str:
    """The key for a widget that shows ``value``: the current one if it shows that already, else a new one.

    Do not give the widget a value: it takes this one from the session.
    """
    turns, known = st.session_state.setdefault(_TURNS, {}), _known()
    key = _key(name, turns.get(name, 0))
    if st.session_state.get(key, known.get(key, value)) != value:
        turns[name] = turns.get(name, 0) + 1
        key = _key(name, turns[name])
    if key not in st.session_state:
        st.session_state[key] = value
    settle(key, value)
    return key


def news(key: str, value: Any) -> bool:
    """Whether the widget reports something other than it showed or reported before."""
    if key in _known() and _known()[key] == value:
        return False
    settle(key, value)
    return True


def unread(reported: Mapping[str, Any], seen: str) -> bool:
    """Whether a custom component reports this for the first time; ``seen`` is the session key of its last report."""
    mark = (reported.get("stamp"), reported.get("serial"))
    if st.session_state.get(seen) == mark:
        return False
    st.session_state[seen] = mark
    return True


def settle(key: str, value: Any) -> None:
    """Record what a widget shows."""
    known = _known()
    known.pop(key, None)
    known[key] = value
    for old in list(known)[:-_MOST]:
        del known[old]


def _known() -> dict[str, Any]:
    return st.session_state.setdefault(_KNOWN, {})


def _key(name: str, turn: int) -> str:
    return f"{name}.{turn}" if turn else name
