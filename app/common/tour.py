"""An introduction in five steps, each on the page that it describes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from affectscope.app.common import press, session
from affectscope.core.cache.roots import data_root
from affectscope.core.cache.store import write_atomically
from affectscope.core.text import markdown

_OPTION = "tour.step"


@dataclass(frozen=True)
class Step:
    """An instruction for one page, given by its URL path; the first page's is empty."""

    page: str
    title: str
    text: str


STEPS = (
    Step(
        "",
        "Play a clip",
        "Space plays. The heatmap shows what the model looks at, the lanes under the picture show when it looks and listens. "
        "Click a lane to go there; press `?` for all keys. The cards say what each head (a part of the model with an answer of "
        "its own) makes of the clip; Decision is the answer of all of them together.",
    ),
    Step(
        "masking",
        "Take frames away",
        "Press “No sound” or “No picture”, or drag a slider to the left: the bars are what the model would say with so much of "
        "the clip missing, the vertical mark what it says to all of it. Let go, and the heatmap and the lanes follow.",
    ),
    Step(
        "embeddings",
        "Find its neighbours",
        "Each point is a clip; clips that the model treats alike lie close together. Point at one to see it, click to play it, "
        "draw a line round some to count them. The figures beside the map say how far to trust it.",
    ),
    Step(
        "failures",
        "Find where it is wrong",
        "The clips that the model is most sure of, and wrong about, come first; a click on a cell of the matrix keeps only "
        "those. “Note” writes a case down, and all notes together become a report.",
    ),
    Step(
        "library",
        "Bring your own",
        "Drop a trained model (a checkpoint) here, or a video into the sidebar of the Clip page. What you see is in the address "
        "bar: a link copied from there opens the same view again.",
    ),
)


def show(here: str, pages: Mapping[str, StreamlitPage]) -> None:
    """This page's step of the tour, or for first-time visitors the offer of it."""
    number = _number()
    if number is None and here == STEPS[0].page and not _seen().exists():
        _offer(here, pages)
    elif number is None or STEPS[number].page != here:
        # An empty placeholder keeps the positions of elements below when the tour closes, and removes the previous page's step at
        # once, before this page is complete, so that nothing moves under the user's cursor.
        st.empty()
    else:
        _step(number, here, pages)


def _step(number: int, here: str, pages: Mapping[str, StreamlitPage]) -> None:
    step = STEPS[number]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour"):
        st.markdown(f"**{number + 1:d} of {len(STEPS)} · {markdown(step.title)}.** {step.text}", width="stretch")
        if number and press.button("Back", key="tour_back"):
            _go(number - 1, here, pages)
        if number + 1 < len(STEPS) and press.button("Next", key="tour_next", type="primary"):
            _go(number + 1, here, pages)
        st.button("Close" if number + 1 < len(STEPS) else "Done", key="tour_close", on_click=_close)


def again(here: str, pages: Mapping[str, StreamlitPage]) -> None:
    """The button to restart the tour, for the sidebar's footer."""
    if _number() is None and press.button("Tour", key="tour_again", icon=":material/explore:", type="tertiary"):
        _go(0, here, pages)


def _offer(here: str, pages: Mapping[str, StreamlitPage]) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour_offer"):
        st.markdown("**New here?** Five steps show what this microscope does.", width="stretch")
        if press.button("Show me", key="tour_start", type="primary"):
            _go(0, here, pages)
        st.button("No, thanks", key="tour_close", on_click=_close)


def _go(number: int, here: str, pages: Mapping[str, StreamlitPage]) -> None:
    _remember()
    session.choose_option(_OPTION, str(number + 1))
    # Switching to the current page would clear the URL, and with it the selection.
    if STEPS[number].page == here:
        st.rerun()
    st.switch_page(pages[STEPS[number].page])


def _close() -> None:
    _remember()
    session.choose_option(_OPTION, "")


def _number() -> int | None:
    step = session.option(_OPTION)
    return int(step) - 1 if step in {str(i + 1) for i in range(len(STEPS))} else None


def _seen() -> Path:
    return data_root() / "tour-seen"


def _remember() -> None:
    if not _seen().exists():
        # If this cannot be stored, the tour is offered again.
        with suppress(OSError):
            write_atomically(_seen(), lambda part: part.touch())
