"""Custom components: joins markup, style and scripts, and keeps them inert until the script is ready."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from affectscope.core import browser

_HEARD = browser.script(Path(__file__).parent / "heard.js")
_UNHEARD = "[data-unheard] :is(button, a, label, input, select, summary, [tabindex]) { visibility: hidden; }\n"
_ENTRY = "export default function ("
_FIRST_TAG = re.compile(r"<[a-z]+\b")


def component(folder: Path, name: str, html: str | None = None, called: str = "") -> ComponentRenderer:
    """The function that mounts ``NAME.js``, with its imports, and ``NAME.css``.

    Args:
        folder: of the files.
        html: initial markup; default: ``NAME.html``.
        called: unique component name, if it differs from the files'.
    """

    def read(kind: str) -> str:
        return (folder / f"{name}.{kind}").read_text(encoding="utf-8")

    return mounts(called or name, read("html") if html is None else html, read("css"), folder / f"{name}.js")


def mounts(name: str, html: str, css: str, entry: Path) -> ComponentRenderer:
    """As ``component``, for markup and style from elsewhere.

    Args:
        name: unique component name.
        html: one element and its content.
        entry: the script, whose ``export default function (…)`` Streamlit calls.
    """
    return st.components.v2.component(
        f"affectscope_{name}", html=unheard(html), css=_UNHEARD + css, js=f"{_HEARD}\n{_run(browser.script(entry))}"
    )


def unheard(html: str) -> str:
    """Markup whose first element is inert until ``heard.js`` enables it.

    Raises:
        ValueError: for markup that does not begin with an element.
    """
    if not (tag := _FIRST_TAG.match(html)):
        raise ValueError(f"this begins with no element: {html[:40]!r}")
    return f"{html[: tag.end()]} inert data-unheard{html[tag.end() :]}"


def _run(script: str) -> str:
    """The script with ``heard`` wrapped around its exported function.

    Raises:
        ValueError: for a script that does not export a function in the house style.
    """
    if script.count(_ENTRY) != 1:
        raise ValueError(f"a component's script has one line that begins with {_ENTRY!r}")
    return f"{script.replace(_ENTRY, 'function component(')}\nexport default heard(component)\n"
