"""Announces the server's URL: one line in the terminal, and a browser opened on a desktop."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from threading import Thread
from urllib.parse import quote

import streamlit as st
from streamlit import cli_util

from affectscope.app.gate import hosts
from affectscope.app.gate.terms import Terms, terms

_EVERY, _PATIENCE = 0.05, 30.0


def announce() -> None:
    """Print the URL, and open it unless headless: Streamlit does neither for an app with custom routes."""
    on, address = terms(), str(st.get_option("server.address") or "")
    url = link("127.0.0.1" if on.everywhere else address, on)
    print(f"AffectScope is at {url} (Ctrl+C stops it).", flush=True)
    if on.everywhere:
        print(f"Everybody who can reach this machine and has the link can open it: {link(socket.gethostname(), on)}", flush=True)
    if on.token:
        print("The link lets in whoever has it, and can be read by who listens to the network: docs/security.md.", flush=True)
    if not st.get_option("server.headless") and _can_open():
        Thread(target=_open, args=(url, address, on.port), daemon=True, name="browser").start()


def link(host: str, on: Terms) -> str:
    """The URL that admits people."""
    return url_of(host, on.port) + (f"{on.base}/?token={quote(on.token, safe='')}" if on.token else on.base)


def url_of(host: str, port: int) -> str:
    """The URL of a server on a host, which may be IPv6."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _can_open() -> bool:
    # Without xdg-open, Python would look for text browsers that take over the terminal.
    return not sys.platform.startswith("linux") or shutil.which("xdg-open") is not None


def _open(url: str, address: str, port: int) -> None:
    """Open the browser as soon as the server responds."""
    host = "127.0.0.1" if address in hosts.EVERYWHERE else address
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(_EVERY)
        else:
            cli_util.open_browser(url)
            return
