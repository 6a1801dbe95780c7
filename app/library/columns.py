"""The form that assigns a corpus's table columns, for tables with unknown headings."""

from __future__ import annotations

import streamlit as st

from affectscope.app.common import reports
from affectscope.core.corpora import folder
from affectscope.core.text import markdown

_COLUMNS = "library.columns"
_FIELDS = {"clip": "Clip", "label": "Label", "speaker": "Speaker", "split": "Split"}
_BY_NAME = ""
_WIDTH = 190


def chosen(place: str) -> dict[str, str]:
    """Field -> column, as chosen for the table at a place; empty if not chosen."""
    return dict(st.session_state.get(_COLUMNS, {}).get(place, {}))


def offered(place: str) -> bool:
    """Whether there is a table whose columns can be assigned."""
    return bool(folder.headings(place))


def form(place: str, refused: bool) -> None:
    """Show the form for the table at a place, folded if it could be read; nothing without a table."""
    headings = folder.headings(place)
    if not headings:
        return
    own = chosen(place)
    panel = st.expander("Which columns say what", expanded=refused or bool(own), icon=":material/view_column:")
    with panel.container(horizontal=True, vertical_alignment="bottom"):
        for field, title in _FIELDS.items():
            options = list(dict.fromkeys([_BY_NAME, *headings, *([] if field == "clip" else [folder.NONE])]))
            shown = own.get(field, _BY_NAME)
            key = reports.shows(f"library.column-{field}", shown if shown in options else _BY_NAME)
            st.selectbox(
                markdown(title), options, key=key, width=_WIDTH, format_func=_called, on_change=_choose, args=(place, field, key)
            )


def _called(column: str) -> str:
    return {_BY_NAME: "by its name", folder.NONE: "none of them"}.get(column, column)


def _choose(place: str, field: str, key: str) -> None:
    if reports.news(key, st.session_state[key]):
        own = chosen(place) | {field: st.session_state[key]}
        # Not in the URL, like the folder.
        st.session_state[_COLUMNS] = {place: {name: column for name, column in own.items() if column}}
