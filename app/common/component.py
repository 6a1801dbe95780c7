"""A component of the app: its markup, style and script, joined so that nothing of it can be pressed before its script hears."""

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
    """What mounts ``NAME.js``, with all that it imports, and ``NAME.css``.

    Args:
        folder: where the files lie.
        html: the markup that it begins with; ``NAME.html`` if left out.
        called: its own name among all components of the app, where that is not the files'.
    """

    def read(kind: str) -> str:
        return (folder / f"{name}.{kind}").read_text(encoding="utf-8")

    return mounts(called or name, read("html") if html is None else html, read("css"), folder / f"{name}.js")


def mounts(name: str, html: str, css: str, entry: Path) -> ComponentRenderer:
    """As ``component``, of markup and style that lie elsewhere.

    Args:
        name: its own among all components of the app.
        html: one element, with whatever it holds.
        entry: the script, whose ``export default function (…)`` Streamlit is to call.
    """
    return st.components.v2.component(
        f"affectscope_{name}", html=unheard(html), css=_UNHEARD + css, js=f"{_HEARD}\n{_run(browser.script(entry))}"
    )


def unheard(html: str) -> str:
    """Markup whose first element is inert until ``heard.js`` opens it.

    Raises:
        ValueError: for markup that does not begin with an element.
    """
    if not (tag := _FIRST_TAG.match(html)):
        raise ValueError(f"this begins with no element: {html[:40]!r}")
    return f"{html[: tag.end()]} inert data-unheard{html[tag.end() :]}"


def _run(script: str) -> str:
    """The script with ``heard`` around what it exports.

    Raises:
        ValueError: for a script that exports no function as the house writes it.
    """
    if script.count(_ENTRY) != 1:
        raise ValueError(f"a component's script has one line that begins with {_ENTRY!r}")
    return f"{script.replace(_ENTRY, 'function component(')}\nexport default heard(component)\n"
