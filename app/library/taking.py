"""Which feature set a model takes of each modality: what was chosen holds for all pages and the terminal."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.common import reports
from affectscope.app.library import inventory
from affectscope.core.errors import UserError
from affectscope.core.text import markdown

TROUBLE = "library.trouble"
"""In the session: what went wrong with the last press, for the page to say."""


def offer(name: str) -> None:
    """A choice for each modality of the model's."""
    try:
        card = inventory.card(name)
    except UserError:
        # Its card says why.
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
