"""One clip under the microscope: choose it, see what the model says of it, and play it with the model's attention."""

from __future__ import annotations

import streamlit as st

from app import choose, export, notebook, services, session
from app.player import player
from app.progress import finished
from app.verdict import heading, verdict
from core.errors import UserError


def answered(clip: services.Clip, model: str, explain: str | None) -> services.Result | None:
    """The analysis, once there is one. While another class is explained, the clip plays on with the explanation before."""
    found = services.result(clip, model, explain)
    slot = st.container()
    if found is None:
        with slot:
            done = finished(services.analyse(clip, model, explain))
        found = services.result(clip, model, explain if done else None)
    return found


@st.fragment
def microscope(clip: services.Clip, model: str, result: services.Result) -> None:
    """What follows the player: only this part runs again when a person seeks or moves a slider."""
    url = services.timeline_url(result)
    explain = session.current().explain
    seen = player(
        services.media_url(clip),
        url,
        key="player",
        title=clip.title,
        view=session.view(),
        truth=clip.label,
        explained=result.explained,
    )
    if session.keep_view(seen, url) and session.current().explain != explain:
        st.rerun()
    with st.container(horizontal=True):
        notebook.popover(clip, model, notebook.said_of(services.verdicts(result, model)))
        export.popover(clip, result)


model = choose.model()
try:
    clip = choose.clip(model)
    if model and clip:
        heading(clip.title, choose.facts(clip), choose.caution(model))
        if said := services.without_media(clip, model):
            verdict(services.verdicts(said, model), clip.label)
            st.info(clip.missing, icon=":material/videocam_off:")
        elif result := answered(clip, model, choose.explained(model)):
            verdict(services.verdicts(result, model), clip.label)
            microscope(clip, model, result)
except UserError as error:
    st.error(str(error))

with st.sidebar:
    choose.sidebar(model)
