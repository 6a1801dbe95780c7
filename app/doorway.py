"""Where the server is found: one line for who started it, and a browser opened on a desktop."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from threading import Thread

import streamlit as st
from streamlit import cli_util

_EVERYWHERE = ("0.0.0.0", "::")
_EVERY, _PATIENCE = 0.05, 30.0


def announce() -> None:
    """Print the address, and open it unless the server is headless: Streamlit does neither for an app with routes of its own."""
    address, port = st.get_option("server.address"), int(st.get_option("server.port"))
    url = url_of("127.0.0.1" if address in _EVERYWHERE else address, port)
    print(f"AffectScope is at {url} (Ctrl+C stops it).", flush=True)
    if address in _EVERYWHERE:
        print(f"Everybody who can reach this machine can open it, at {url_of(socket.gethostname(), port)}.", flush=True)
    if not st.get_option("server.headless") and _can_open():
        Thread(target=_open, args=(url, port), daemon=True, name="browser").start()


def url_of(host: str, port: int) -> str:
    """The address of a server on a host, which may be written as IPv6."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _can_open() -> bool:
    # Without it, Python would look for browsers that take over the terminal.
    return not sys.platform.startswith("linux") or shutil.which("xdg-open") is not None


def _open(url: str, port: int) -> None:
    """Open the browser as soon as somebody answers there."""
    host = url.removeprefix("http://").rpartition(":")[0].strip("[]")
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(_EVERY)
        else:
            cli_util.open_browser(url)
            return
