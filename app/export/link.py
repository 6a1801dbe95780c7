"""The button that copies the address which opens this view, and says who can open it."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import streamlit as st

from affectscope.app import services
from affectscope.app.gate.terms import terms
from affectscope.core import browser

_HERE = Path(__file__).parent
_LINK = st.components.v2.component(
    "affectscope_link",
    html=(_HERE / "link.html").read_text(encoding="utf-8"),
    css=(_HERE / "link.css").read_text(encoding="utf-8"),
    js=browser.script(_HERE / "link.js"),
)


def copy_link(clip: services.Clip, model: str) -> None:
    """Mount the button; it copies in the browser at once.

    Args:
        clip, model: go into the link where the address leaves them to a default that may change.
    """
    here = {"corpus": clip.corpus, "clip": clip.id, "model": model}
    on = terms()
    tunnel = {"user": _user(), "host": socket.gethostname(), "port": int(st.get_option("server.port"))}
    # The token itself stays where it is: who is to have it is told by whoever started the server.
    data = {"here": here, "tunnel": tunnel, "token": bool(on.token), "others": on.everywhere}
    _LINK(key="copy-link", data=data, width="content")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"
