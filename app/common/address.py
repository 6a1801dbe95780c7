"""Validates URL parameters, which are untrusted: anybody can send a link."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

from affectscope.app.common import say
from affectscope.core.text import shown

# Parameters of the link that the user came by, and has not changed since.
_CAME = "came_with"
_LONGEST, _MOST = 20_000, 100
_NAME = re.compile(r"[a-z]{1,20}(\.[A-Za-z0-9_.-]{1,60})?")


def readable(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that have a valid form; others are ignored."""
    known = {name: value for name, value in query.items() if _NAME.fullmatch(name) and _text(value)}
    return dict(list(known.items())[:_MOST])


def _text(value: str) -> bool:
    # Reject unpaired surrogates, which cannot be encoded.
    return len(value) <= _LONGEST and "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def parsed(text: str) -> Any:
    """A parameter's JSON; None if it is invalid, or nested too deeply for Python's parser."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def came(query: Mapping[str, str]) -> None:
    """Remember the parameters of the link that the user came by."""
    st.session_state[_CAME] = dict(query)


def told(name: str, value: str) -> bool:
    """Whether a value comes from the URL rather than a choice on a page, so that it may not exist."""
    return bool(value) and st.session_state.get(_CAME, {}).get(name) == value


def doubt(what: str, instead: str) -> None:
    """Tell the user that the URL names something that does not exist here.

    Args:
        what: "a model".
        instead: the name of what is shown instead.
    """
    say.warning(f"The address names {what} that is not here: {shown(instead)} is shown.")
