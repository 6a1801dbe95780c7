"""A clip in the player with what a model makes of it; what a person does there is kept in the selection."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import services, session
from app.player import player
from app.progress import finished
from core.errors import UserError
from core.perturbation import Perturbation

# Enough that no spot comes round again before the browser has heard that it is empty.
_SPOTS = 6


def place(name: str, *subject: str) -> DeltaGenerator:
    """A place on the page for what is said of a subject. Of another one, nothing stays standing there while this is made: what
    is on the page at any moment speaks of the same clip.

    A block takes over what stood in it before, and what a run says twice of one spot, or had not sent when the next one began,
    never reaches the browser. So each subject has a spot of its own, and all others are empty.

    Args:
        name: of the place; one that a page makes anew for the same subject keeps what it has.
    """
    key = f"place.{name}"
    before, spot = st.session_state.get(key, (None, 0))
    if before != subject:
        spot = (spot + 1) % _SPOTS
        st.session_state[key] = subject, spot
    with st.container(gap=None):
        return [st.container() if i == spot else st.empty() for i in range(_SPOTS)][spot]


def settle(name: str, *subject: str) -> None:
    """Say that a place shows all that there is of its subject: what was answered while the page was made is no news to it."""
    key = f"place.{name}"
    st.session_state[key] = subject, st.session_state[key][1]


def about(clip: services.Clip, *models: str) -> tuple[str, ...]:
    """The subject of a page, for ``place``: the clip, and the models whose answers have yet to be made."""
    heard = (f"track {clip.track}",) if clip.track else ()
    return clip.corpus, clip.id, *heard, *(name for name in models if not _known(clip, name))


def _known(clip: services.Clip, model: str) -> bool:
    with suppress(UserError):
        return bool(services.without_media(clip, model) or services.result(clip, model, None))
    return False


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
    if session.moved_on():
        st.rerun()
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
