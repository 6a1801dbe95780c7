"""The Masking page: remove sound and picture interactively, and see the model's answer to the rest."""

from __future__ import annotations

import streamlit as st

from affectscope.app import notebook, services
from affectscope.app.common import choose, pick, say, session
from affectscope.app.common.progress import finished
from affectscope.app.common.watch import place, play
from affectscope.app.masking import bench, board, curves, grids, state
from affectscope.app.verdict import heading
from affectscope.core.errors import UserError
from affectscope.core.perturbation import IMPUTATIONS, PATTERNS, Perturbation, meaning
from affectscope.core.timeline.lanes import head_title
from affectscope.core.timeline.removed import removed

BOARD = "masking_board"
SHOWN = "masking_shown"
VIEWS = {"": "This clip", "corpus": "All clips: robustness"}


@st.fragment
def table(clip: services.Clip, model: str) -> None:
    """The board and the player: a fragment, so that only this reruns when the user releases a slider."""
    subject = f"{model} {clip.corpus} {clip.id}" + (f" face {clip.face}" if clip.face else "")
    state.keep(st.session_state.get(BOARD, {}).get("state"), subject)
    spec = grids.spec(model)
    change = state.current(spec.inputs)
    left, right, foot = bench()
    try:
        url = grids.grid_url(clip, model, change) or grids.grid_soon(clip, model, change)
        with left:
            board(
                url,
                state.for_browser(change, ("decision", *spec.heads), spec.labels),
                grids.answers(clip, model, change) if url else None,
                key=BOARD,
                subject=subject,
                title=clip.title,
                heads=[(head, head_title(head)) for head in ("decision", *spec.heads)],
                patterns=[name for name in PATTERNS if name != "attended" or spec.attention],
                meanings={name: meaning(name, spec) for name in IMPUTATIONS},
                truth=clip.label,
            )
        with foot:
            if not url and finished(grids.ask_grid(clip, model, change)):
                st.rerun()
            result = masked(clip, model, change) if url else None
            if result:
                remarks(result)
                note(clip, model, change, result)
        with right:
            watch(clip, model, change, result)
    except UserError as error:
        with foot:
            say.error(error)


def masked(clip: services.Clip, model: str, change: Perturbation) -> services.Result | None:
    """The analysis of the perturbed clip; None, with a progress bar, until it exists."""
    asked = (choose.explained(model), None if change.whole else change, *choose.methods())
    result = services.result(clip, model, *asked)
    if result is None and finished(services.analyse(clip, model, *asked)):
        result = services.result(clip, model, *asked)
    return result


def watch(clip: services.Clip, model: str, change: Perturbation, result: services.Result | None) -> None:
    """The perturbed clip with heatmap and lanes; the previous one until the new analysis exists."""
    about = (clip.corpus, clip.id, clip.face, model)
    if result is None:
        before, *asked = st.session_state.get(SHOWN, (None, None, None, None))
        result = services.result(clip, model, *asked) if before == about else None
    else:
        st.session_state[SHOWN] = (about, choose.explained(model), None if change.whole else change, *choose.methods())
    if result is not None:
        play(clip, result, "masking_player", notices=False)


def remarks(result: services.Result) -> None:
    """The analysis's notices, below the board, so that the picture does not move while a slider is dragged."""
    for notice in services.timeline(result).notices:
        say.info(notice)


def note(clip: services.Clip, model: str, change: Perturbation, result: services.Result) -> None:
    answers = notebook.answers_of(services.verdicts(result, model))
    if not change.whole:
        before = services.result(clip, model, choose.explained(model))
        whole = notebook.answers_of(services.verdicts(before, model)[:1]) if before else {}
        whole = {f"Unmasked {head.lower()}": text for head, text in whole.items()}
        answers = {**whole, "Masked": removed(change), **answers}
    notebook.popover(clip, model, answers, page="masking")


def look(model: str) -> None:
    """One clip interactively, or curves over the corpus; only the visible one is computed."""
    clip = choose.clip(model)
    shown = (clip.corpus, clip.id, str(clip.face or ""), model) if clip else ()
    top, choice, below = place("masking_top", *shown), st.container(), place("masking_below", *shown)
    with top:
        if clip and session.option("masking.view") != "corpus":
            heading(clip.title, choose.facts(clip), choose.caution(model, "masking"))
        else:
            heading("Masking", [model], choose.caution(model, "masking"))
    with choice:
        view = pick.tabs("What to look at", "masking.view", VIEWS)
    with below:
        if view == "corpus":
            curves.section(model)
        elif clip:
            table(clip, model)


model = choose.model()
try:
    if model and (sentence := services.unasked(model)):
        heading("Masking", [model])
        say.info(sentence)
    elif model:
        look(model)
except UserError as error:
    say.error(error)
