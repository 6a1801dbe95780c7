"""Two models, one clip, one playhead: both heatmaps or their difference, both sets of lanes, both answers."""

from __future__ import annotations

import streamlit as st

from app import choose, compare, differ, export, second, services
from app.verdict import heading
from app.watch import play
from core.errors import UserError


@st.fragment
def microscope(clip: services.Clip, both: services.Result) -> None:
    """What follows the player: only this part runs again when a person seeks or moves a slider."""
    play(clip, both, "compare_player")
    export.popover(clip, both)


a = choose.model()
b = second.of(a) if a else None
try:
    clip = choose.clip(a, b)
    if a and b is None:
        st.info("Comparing takes two checkpoints, and only one is here: train a second one on the page Train.")
    elif a and b and clip:
        heading(clip.title, choose.facts(clip), compare.caution(a, b))
        compare.chooser(a, b)
        # Filled last, in a place of fixed height: the player neither waits for it nor moves when it comes.
        row = st.container(height=differ.HEIGHT, border=False, key="differ_row")
        found = compare.answered(clip, a, b)
        if found:
            compare.verdicts(*found, (a, b), clip.label)
            microscope(clip, compare.together(*found))
            with row:
                compare.differing(a, b, clip)
            compare.elsewhere(a, b)
except UserError as error:
    st.error(str(error))

with st.sidebar:
    choose.sidebar(a, b if a and b and services.unasked(b) else a)
