"""A component of the app, made of the files that lie beside its Python."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from affectscope.core import browser


def component(folder: Path, name: str, html: str | None = None, called: str = "") -> ComponentRenderer:
    """What mounts ``NAME.js``, with all that it imports, and ``NAME.css``.

    Args:
        folder: where the files lie.
        html: the markup that it begins with; ``NAME.html`` if left out.
        called: its own name among all components of the app, where that is not the files'.
    """

    def read(kind: str) -> str:
        return (folder / f"{name}.{kind}").read_text(encoding="utf-8")

    return st.components.v2.component(
        f"affectscope_{called or name}",
        html=read("html") if html is None else html,
        css=read("css"),
        js=browser.script(folder / f"{name}.js"),
    )
