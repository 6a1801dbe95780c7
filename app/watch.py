"""A clip in the player with what a model makes of it; what a person does there is kept in the selection."""

from __future__ import annotations

import streamlit as st

from app import services, session
from app.player import player
from app.progress import finished
from core.perturbation import Perturbation


def answered(clip: services.Clip, model: str, explain: str | None, change: Perturbation | None = None) -> services.Result | None:
    """The analysis, once there is one. While another class is explained, the clip plays on with the explanation before."""
    found = services.result(clip, model, explain, change)
    slot = st.container()
    if found is None:
        with slot:
            done = finished(services.analyse(clip, model, explain, change))
        found = services.result(clip, model, explain if done else None, change)
    return found


def play(clip: services.Clip, found: services.Result, key: str) -> None:
    """The player; the page runs again when a person has another class explained.

    Args:
        key: Streamlit's element key.
    """
    url = services.timeline_url(found)
    explain = session.current().explain
    seen = player(
        services.media_url(clip),
        url,
        key=key,
        title=clip.title,
        view=session.view(),
        truth=clip.label,
        explained=found.explained,
    )
    if session.keep_view(seen, url) and session.current().explain != explain:
        st.rerun()
