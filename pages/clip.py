"""One clip under the microscope: choose it, see what the model says of it, and play it with the model's attention."""

from __future__ import annotations

import streamlit as st

from app import choose, export, services, session
from app.player import player
from app.progress import finished
from app.verdict import heading, verdict
from core.errors import UserError


@st.fragment
def microscope(clip: services.Clip, model: str) -> None:
    """What follows the player: only this part runs again when a person seeks or moves a slider."""
    explain = choose.explained(model)
    result = services.result(clip, model, explain)
    slot = st.container()
    if result is None:
        with slot:
            done = finished(services.analyse(clip, model, explain))
        # Another class takes a moment to explain; the clip plays on with the last explanation until then.
        result = services.result(clip, model, explain if done else None)
    if result is None:
        return
    verdict(services.verdicts(result, model), clip.label)
    url = services.timeline_url(result)
    seen = player(
        services.media_url(clip),
        url,
        key="player",
        title=clip.title,
        view=session.view(),
        truth=clip.label,
        explained=result.explained,
    )
    if session.keep_view(seen, url) and choose.explained(model) != explain:
        st.rerun(scope="fragment")
    export.popover(clip, result)


try:
    model = choose.model()
    clip = choose.clip()
    if model and clip:
        heading(clip.title, choose.facts(clip), choose.caution(model))
        microscope(clip, model)
except UserError as error:
    st.error(str(error))
    model = None

with st.sidebar:
    choose.sidebar(model)
