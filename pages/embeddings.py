"""The Embeddings page: a map of any of a model's vectors, a lasso, the selected clips, and nearest neighbours."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.common import choose, say, session
from affectscope.app.common.progress import finished
from affectscope.app.embeddings import choices, maps, parts
from affectscope.app.embeddings.choices import Side
from affectscope.app.verdict import heading
from affectscope.core.errors import UserError


def asked(model: str) -> maps.Clips | None:
    """The model's clips, once it was run on all of them."""
    clips = maps.clips(model)
    if clips is None and finished(services.ask_all(model)):
        clips = maps.clips(model)
    return clips


@st.fragment
def explorer(model: str) -> None:
    """The maps and the selection: a fragment, so that only this reruns when the user draws a lasso."""
    if st.session_state.pop(parts.PLAY, False):
        session.go("clip")
    if st.session_state.pop("embeddings_new_clip", False):
        st.rerun()
    try:
        explore(model)
    except UserError as error:
        say.error(error)


def explore(model: str) -> None:
    clips = asked(model)
    if clips is None:
        return
    if not clips.predictions.embeddings:
        st.info("This model declares no vectors that a map could show: choose another in the sidebar.")
        return
    second = choices.beside()
    other = asked(second) if second else None
    choices.controls(clips, other)
    drawing, picked = choices.drawing(), choices.pick()
    sides = [(Side(clips, choices.embedding(clips)), "map")]
    if other is not None and other.predictions.embeddings:
        sides.append((Side(other, choices.embedding(other, "beside_of")), "map_beside"))
    slot, side_by_side, near, below = (st.container() for _ in range(4))
    main, mask = sides[0][0], choices.chosen(picked, clips)
    if mask is not None:
        # The map already shows its lasso, so the selected clips are drawn first.
        with below:
            parts.selection(main, picked, mask, drawing)
    shown = []
    with side_by_side:
        columns = st.columns(len(sides))
    for column, (side, key) in zip(columns, sides, strict=True):
        with column:
            shown.append(parts.draw_map(side, drawing, picked, key))
    with near:
        parts.neighbourhood(main)
    if mask is None:
        with below:
            parts.selection(main, picked, None, drawing)
    for panel in shown:
        parts.figures(panel)
    with slot:
        parts.wait_for_better(shown)
        parts.place_own_clips(main, drawing)
    maps.lend_thumbs(model, services.prediction_table_id(model), clips.ids)


model = choose.model()
if model:
    try:
        heading("Embeddings", [model], choose.caution(model, "embeddings"))
        session.current()
        explorer(model)
    except UserError as error:
        say.error(error)
