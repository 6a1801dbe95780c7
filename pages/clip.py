"""The Clip page: choose a clip, see the model's answer, and play it with the model's attention."""

from __future__ import annotations

from functools import partial

import streamlit as st

from affectscope.app import export, notebook, services, trust, why
from affectscope.app.common import choose, press, say, session, tracks
from affectscope.app.common.watch import about, answered, place, play, settle
from affectscope.app.own import parts as own
from affectscope.app.own import stretches
from affectscope.app.verdict import heading, verdict
from affectscope.core.errors import UserError


@st.fragment
def microscope(clip: services.Clip, model: str, result: services.Result, lanes: str, awaited: dict[str, str]) -> None:
    """Everything below the player: a fragment, so that only this reruns when the user seeks or moves a slider."""
    play(clip, result, "player", lanes, awaited=awaited)
    with st.container(horizontal=True):
        notebook.popover(clip, model, notebook.answers_of(services.verdicts(result, model)))
        target = choose.explained(model)
        measured = partial(trust.measured, clip, model, target, trust.head_of(result), choose.methods())
        against = session.option(why.AGAINST)
        export.popover(clip, result, {model: result}, target or "", measured, choose.explanation(), against)
        export.copy_link(clip, model)
        if press.button("Mask", key="mask", icon=":material/tune:", help="Take frames away and see the answer change"):
            session.go("masking")


def show_head(result: services.Result, head: str) -> None:
    """Show a head: its heatmap, if it has one, and its answer over time."""
    sources = session.current().view.get("sources", {})
    shown = {"map": head} if head in result.explained else {}
    session.choose_view(**shown, sources={**sources, "prediction": f"prediction.{head}"})


model = choose.model()
try:
    clip = choose.clip(model)
    if model and clip:
        with place("clip", *about(clip, model)):
            heading(clip.title, choose.facts(clip), choose.caution(model, "clip"))
            own.menu(clip, model)
            tracks.menu(clip.id, clip.file)
            if stretches.wanted(clip):
                stretches.choose(clip)
            elif answers := services.without_media(clip, model):
                verdict(services.verdicts(answers, model), clip.label)
                say.info(clip.missing, icon=":material/videocam_off:")
            elif result := answered(clip, model, choose.explained(model), None, *choose.methods()):
                verdict(services.verdicts(result, model), clip.label, look=partial(show_head, result))
                reasons = why.ask(clip, model, choose.explained(model), choose.explanation(), session.option(why.AGAINST))
                with st.container(key="clip_look", gap="small"):
                    why.sentence(reasons)
                    with st.container(key="clip_player"):
                        microscope(clip, model, result, why.lanes(reasons), why.awaited([reasons], [result]))
                        # Over all that grows: a list that is open shuts where what stands before it comes, goes or moves.
                        with st.container(key="explanations_row", horizontal=True):
                            why.against(reasons)
                            choose.explanations(result)
                        head = trust.head_of(result)
                        trust.chip(clip, model, choose.explained(model), head, choose.methods(), why.complete(reasons))
                with st.container(key="why_details_row"):
                    why.details(reasons)
        settle("clip", *about(clip, model))
except UserError as error:
    say.error(error)
