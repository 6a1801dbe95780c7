"""What the answer rests on: take sound and picture away by hand, and see what the model says to the rest."""

from __future__ import annotations

import streamlit as st

from app import choose, notebook, services
from app.masking import board, curves, data, state
from app.progress import finished
from app.verdict import heading
from app.watch import answered, play
from core.errors import UserError
from core.lanes import head_title
from core.perturbation import FILLINGS, PATTERNS, Perturbation

BOARD = "masking_board"


@st.fragment
def bench(clip: services.Clip, model: str) -> None:
    """The board and the player: only this part runs again when a person lets go of a slider."""
    state.keep(st.session_state.get(BOARD, {}).get("state"))
    spec = data.spec(model)
    change = state.current(spec.inputs)
    try:
        url = data.grid_url(clip, model, change) or data.grid_soon(clip, model, change)
        board(
            url,
            state.for_browser(change),
            data.answers(clip, model, change) if url else None,
            key=BOARD,
            subject=f"{model} {clip.corpus} {clip.id}",
            title=clip.title,
            heads=[(head, head_title(head)) for head in ("decision", *spec.heads)],
            patterns=[name for name in PATTERNS if name != "attended" or spec.attention],
            fillings=FILLINGS,
            truth=clip.label,
        )
        if not url:
            if finished(data.ask_grid(clip, model, change)):
                st.rerun()
            return
        watch(clip, model, change)
    except UserError as error:
        st.error(str(error))


def watch(clip: services.Clip, model: str, change: Perturbation) -> None:
    """The clip as the model is given it, with heatmap and lanes."""
    found = answered(clip, model, choose.explained(model), None if change.whole else change)
    if found is None:
        return
    play(clip, found, "masking_player")
    said = notebook.said_of(services.verdicts(found, model))
    if not change.whole:
        before = services.result(clip, model, choose.explained(model))
        whole = notebook.said_of(services.verdicts(before, model)[:1]) if before else {}
        whole = {f"Untouched {head.lower()}": text for head, text in whole.items()}
        said = {**whole, "Masked": notebook.masked(change), **said}
    notebook.popover(clip, model, said, page="masking")


model = choose.model()
try:
    if model and (sentence := services.unasked(model)):
        heading("Masking", [model])
        st.info(sentence)
    elif model:
        clip = choose.clip(model)
        if clip:
            heading(clip.title, choose.facts(clip), choose.caution(model))
            bench(clip, model)
        curves.section(model)
except UserError as error:
    st.error(str(error))
