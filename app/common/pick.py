"""Choices stored in the URL: ``o.page.name``. Options are shown as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from affectscope.app.common import address, reports, session
from affectscope.core.text import markdown


def pick(
    label: str,
    name: str,
    options: Mapping[str, str],
    default: str = "",
    width: int | Literal["stretch"] = "stretch",
    turn: str = "",
    help: str | None = None,
) -> str:
    """A select box. A URL value that is not in ``options`` counts as the default.

    Args:
        name: of the option, "page.name".
        options: value -> display name.
        default: "" for the first.
        turn: change it to redraw the same options: a closed box otherwise keeps its old labels.
        help: shown behind a question mark.
    """
    default = default or next(iter(options))
    key, chosen = _show(label, name, options, default, turn)
    st.selectbox(
        markdown(label), list(options), key=key, format_func=lambda v: options[v], on_change=_keep, args=(name, default, key),
        width=width, help=help and markdown(help),
    )  # fmt: skip
    return chosen


def tabs(label: str, name: str, options: Mapping[str, str], default: str = "") -> str:
    """As ``pick``, as a row of buttons."""
    default = default or next(iter(options))
    key, chosen = _show(label, name, options, default)
    st.segmented_control(
        markdown(label), list(options), key=key, format_func=lambda v: markdown(options[v]), on_change=_keep,
        args=(name, default, key), required=True, label_visibility="collapsed",
    )  # fmt: skip
    return chosen


def _show(label: str, name: str, options: Mapping[str, str], default: str, turn: str = "") -> tuple[str, str]:
    asked = session.option(name, default)
    chosen = asked if asked in options else default
    if asked != chosen and address.told(f"o.{name}", asked):
        address.doubt(f"a choice of “{label}”", options[chosen])
    return reports.shows(f"pick.{name}.{turn}" if turn else f"pick.{name}", chosen), chosen


def _keep(name: str, default: str, key: str) -> None:
    chosen = st.session_state[key] or default
    if reports.news(key, chosen):
        session.choose_option(name, chosen, default)
