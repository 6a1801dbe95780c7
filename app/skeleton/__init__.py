"""The page's skeleton, shown until there is content: in the first response of the server, and until a page can run.

The browser draws the server's HTML before loading scripts, and the server sends it before loading models.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from pathlib import Path

import streamlit as st
from streamlit import file_util

from affectscope.app.common.navigation import FIRST, PAGES
from affectscope.app.serving import starting
from affectscope.core import browser

_HERE = Path(__file__).parent
_ROOT = '<div id="root"></div>'
_AT_FIRST = "Starting"
_EVERY = 0.1
_SHEET = re.compile(r'<link rel="stylesheet"[^>]*>')
_CURRENT = ' aria-current="page"'
_COLOURS = ("backgroundColor", "textColor", "primaryColor")


def show_until_ready() -> None:
    """Show the player's frame and what is being loaded, until pages can run."""
    slot, stage = st.empty(), ""
    while not starting.ready(_EVERY):
        if stage != starting.stage():
            stage = starting.stage()
            slot.html(_style() + _frame(stage))


@lru_cache(maxsize=len(PAGES))
def document(here: str) -> str:
    """Streamlit's index page with the skeleton of one of ``PAGES``, which disappears when the app has content."""
    page = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    page = page.replace("<title>Streamlit</title>", "<title>AffectScope</title>")
    # A browser draws nothing before preceding style sheets are loaded; Streamlit's is only needed for scripted content.
    sheets = "".join(_SHEET.findall(page))
    return _SHEET.sub("", page).replace(_ROOT, f"{_ROOT}{_shell(here)}{sheets}")


def _shell(here: str) -> str:
    links = "".join(
        f'<a href="./{"" if name == FIRST else name}"{_CURRENT if name == here else ""}>{escape(title)}</a>'
        for name, (title, _) in PAGES.items()
    )
    nav = f'<nav aria-label="Pages">{links}</nav>'
    shell = f'<div id="shell"><aside><p>AffectScope</p></aside><main>{nav}{_frame(_AT_FIRST)}</main></div>'
    return f'{_style()}{shell}<script type="module">{script()}</script>'


def script() -> str:
    """The skeleton's own script, for the content security policy."""
    return browser.script(_HERE / "shell.js")


def _frame(stage: str) -> str:
    return _read("frame.html").replace("{stage}", escape(stage))


def _style() -> str:
    light, dark = (_colours(scheme) for scheme in ("light", "dark"))
    theme = f"#shell {{ {light} }} @media (prefers-color-scheme: dark) {{ #shell {{ {dark} }} }}"
    return f"<style>{theme}\n{_read('skeleton.css')}</style>"


def _colours(scheme: str) -> str:
    return " ".join(f"--{name}: {st.get_option(f'theme.{scheme}.{name}')};" for name in _COLOURS)


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
