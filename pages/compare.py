"""The Compare page: two models on one clip with one playhead: both heatmaps or their difference, lanes and answers."""

from __future__ import annotations

import streamlit as st

from affectscope.app import export, services, why
from affectscope.app.common import choose, say
from affectscope.app.common.watch import about, place, play, settle
from affectscope.app.compare import differ, second
from affectscope.app.compare import parts as compare
from affectscope.app.verdict import heading
from affectscope.core.errors import UserError


@st.fragment
def microscope(
    clip: services.Clip, both: services.Result, models: dict[str, services.Result], lanes: str, awaited: dict[str, str]
) -> None:
    """Everything below the player: a fragment, so that only this reruns when the user seeks or moves a slider."""
    play(clip, both, "compare_player", lanes, awaited=awaited)
    with st.container(horizontal=True):
        export.popover(clip, both, models, choose.explained(next(iter(models))) or "")
        export.copy_link(clip, next(iter(models)))


a = choose.model()
b = second.of(a) if a else None
try:
    clip = choose.clip(a, b)
    if a and b is None:
        st.info("Comparing takes two checkpoints, and only one is here: train a second one on the page Train.")
    elif a and b and clip:
        subject = about(clip, a, b)
        top, choice = place("compare_top", *subject), st.container()
        # Filled last, with a fixed height, so that the player neither waits for it nor moves.
        row = st.container(height=differ.HEIGHT, border=False, key="differ_row")
        below = place("compare_below", *subject)
        with choice:
            compare.chooser(a, b)
        with top:
            heading(clip.title, choose.facts(clip), compare.caution(a, b))
        with below:
            found = compare.answered(clip, a, b)
            if found:
                compare.verdicts(*found, (a, b), clip.label)
                reasons = {name: why.ask(clip, name, choose.explained(name), None) for name in (a, b)}
                with st.container(key="compare_look", gap="small"):
                    with st.container(key="why_sentences_row", gap="small"):
                        for side, asked in zip("AB", reasons.values(), strict=True):
                            why.sentence(asked, f"why_{side}", side)
                    with st.container(key="compare_player_row"):
                        models = dict(zip((a, b), found, strict=True))
                        room = why.awaited(list(reasons.values()), found)
                        microscope(clip, compare.together(*found), models, why.lanes(*reasons.values()), room)
                        with st.container(key="explanations_row", horizontal=True):
                            choose.explanations(*found)
                for side, asked in zip("AB", reasons.values(), strict=True):
                    with st.container(key=f"why_details_row_{side}"):
                        why.details(asked, f"why_{side}", side)
                with row:
                    compare.differing(a, b, clip)
                compare.elsewhere(a, b)
        for name in ("compare_top", "compare_below"):
            settle(name, *about(clip, a, b))
except UserError as error:
    say.error(error)

if a and b and services.unasked(b):
    choose.list_clips_of(b)
