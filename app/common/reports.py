"""What widgets of Streamlit's report, and whether it is news.

A browser sends the values of all its widgets with everything that it sends, and it is behind: of a widget that was just given
another value it still sends the old one, and so it does of one that is gone. Both look like a person's choice. A report counts
where it differs from what that widget showed and said before; a widget that is to show something else is a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

_TURNS = "widget_turns"
_KNOWN = "widget_values"
_MOST = 500


def shows(name: str, value: Any) -> str:
    """The key for a widget that shows ``value``: the one it had, if that is what it shows anyway, and else a new one.

    The widget is to have no value of its own: it takes this one from the session.
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
    """Whether the widget says something else than it showed, or said, before."""
    if key in _known() and _known()[key] == value:
        return False
    settle(key, value)
    return True


def unread(reported: Mapping[str, Any], seen: str) -> bool:
    """Whether a component of ours says this for the first time; ``seen`` is where the session keeps what it said last."""
    mark = (reported.get("stamp"), reported.get("serial"))
    if st.session_state.get(seen) == mark:
        return False
    st.session_state[seen] = mark
    return True


def settle(key: str, value: Any) -> None:
    """Take note of what a widget shows."""
    known = _known()
    known.pop(key, None)
    known[key] = value
    for old in list(known)[:-_MOST]:
        del known[old]


def _known() -> dict[str, Any]:
    return st.session_state.setdefault(_KNOWN, {})


def _key(name: str, turn: int) -> str:
    return f"{name}.{turn}" if turn else name
