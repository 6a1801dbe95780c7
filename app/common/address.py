"""What an address says, before anybody believes it: whoever sends a link can write anything into it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

from affectscope.app.common import say
from affectscope.core.text import shown

# Of the query by which a person came, what has not been chosen anew since.
_CAME = "came_with"
_LONGEST, _MOST = 20_000, 100
_NAME = re.compile(r"[a-z]{1,20}(\.[A-Za-z0-9_.-]{1,60})?")


def readable(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that can be names and values of ours at all; the rest is passed over."""
    known = {name: value for name, value in query.items() if _NAME.fullmatch(name) and _text(value)}
    return dict(list(known.items())[:_MOST])


def _text(value: str) -> bool:
    # Half a character, which nothing can be written with, is none.
    return len(value) <= _LONGEST and "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def parsed(text: str) -> Any:
    """JSON of a parameter; None for what is none, or nests deeper than Python can follow."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def came(query: Mapping[str, str]) -> None:
    """Remember by which parameters a person came."""
    st.session_state[_CAME] = dict(query)


def told(name: str, value: str) -> bool:
    """Whether it was the address that named this, and no choice on a page: it may name what never was."""
    return bool(value) and st.session_state.get(_CAME, {}).get(name) == value


def doubt(what: str, instead: str) -> None:
    """Say that the address names something that is not here.

    Args:
        what: "a model".
        instead: the name of what is shown.
    """
    say.warning(f"The address names {what} that is not here: {shown(instead)} is shown.")
