"""Choosing the feature sets that a model takes; the choice applies to all pages and the terminal."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.common import reports
from affectscope.app.library import inventory
from affectscope.core.errors import UserError
from affectscope.core.text import markdown

TROUBLE = "library.trouble"
"""Session key of the last error, for the page to show."""


def offer(name: str) -> None:
    """A choice for each of the model's modalities."""
    try:
        card = inventory.card(name)
    except UserError:
        # Its card shows the reason.
        return
    with st.popover("Features", icon=":material/tune:", help="What the model takes of a clip."):
        for modality in card.spec.inputs:
            options = inventory.choices(name, modality)
            title = f"{modality.capitalize()}, {card.spec.inputs[modality]:,} a frame"
            key, told = reports.shows(f"features-{name}-{modality}", next(iter(options))), (name, modality)
            st.selectbox(
                markdown(title), list(options), key=key, format_func=options.__getitem__, on_change=_take, args=(*told, key)
            )


def _take(name: str, modality: str, key: str) -> None:
    if not reports.news(key, st.session_state[key]) or not st.session_state[key]:
        return
    try:
        services.take(name, modality, st.session_state[key])
    except UserError as error:
        st.session_state[TROUBLE] = str(error)
