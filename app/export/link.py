"""The button that copies the URL of this view, and says who can open it."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import streamlit as st

from affectscope.app import services
from affectscope.app.common.component import component
from affectscope.app.gate.terms import terms

_LINK = component(Path(__file__).parent, "link")


def copy_link(clip: services.Clip, model: str) -> None:
    """Mount the button; it copies in the browser, without a server round trip.

    Args:
        clip, model: added to the link where the URL leaves them to a default that may change.
    """
    here = {"corpus": clip.corpus, "clip": clip.id, "model": model}
    on = terms()
    tunnel = {"user": _user(), "host": socket.gethostname(), "port": int(st.get_option("server.port"))}
    # The token is not included: the server's owner decides who gets it.
    data = {"here": here, "tunnel": tunnel, "token": bool(on.token), "others": on.everywhere}
    _LINK(key="copy-link", data=data, width="content")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"
