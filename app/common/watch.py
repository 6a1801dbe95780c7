"""A clip in the player with what a model makes of it; what a person does there is kept in the selection."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from affectscope.app import services
from affectscope.app.common import address, say, session
from affectscope.app.common.progress import finished
from affectscope.app.player import player
from affectscope.core.errors import UserError
from affectscope.core.perturbation import Perturbation
from affectscope.core.text import shown
from affectscope.core.timeline.timeline import Timeline

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
    seen = (f"face {clip.face}",) if clip.face else ()
    return clip.corpus, clip.id, *heard, *seen, *(name for name in models if not _known(clip, name))


def _known(clip: services.Clip, model: str) -> bool:
    with suppress(UserError):
        return bool(services.without_media(clip, model) or services.result(clip, model, None))
    return False


def answered(
    clip: services.Clip,
    model: str,
    explain: str | None,
    change: Perturbation | None = None,
    explanation: str | None = None,
    sound: str | None = None,
) -> services.Result | None:
    """The analysis, once there is one. While another class is explained, or otherwise, the clip plays on with the explanation
    before."""
    result = services.result(clip, model, explain, change, explanation, sound)
    # As empty after the wait as where there was none: nothing below moves.
    slot = st.empty()
    if result is None:
        with slot.container():
            done = finished(services.analyse(clip, model, explain, change, explanation, sound))
        if done:
            slot.empty()
        result = services.result(clip, model, *((explain, change, explanation, sound) if done else (None, change)))
    return result


def play(
    clip: services.Clip,
    result: services.Result,
    key: str,
    reasons_url: str = "",
    notices: bool = True,
    awaited: Mapping[str, str] | None = None,
) -> None:
    """The player; the page runs again when a person has another class explained.

    Args:
        key: Streamlit's element key.
        reasons_url: of lanes that join the timeline's.
        notices: whether the player says what is to be known of the answer; else the page does.
        awaited: group -> title of those lanes, which have their room before they come.
    """
    if session.moved_on():
        st.rerun()
    url = services.timeline_url(result, clip)
    view = _known_view(result, clip)
    asked = session.current().explain, session.option(session.FACE)
    seen = player(
        services.media_url(clip),
        url,
        key=key,
        title=clip.title,
        view=view,
        truth=clip.label,
        explained=result.explained,
        reasons_url=reasons_url,
        notices=notices,
        awaited=awaited,
    )
    if session.keep_view(seen, url) and (session.current().explain, session.option(session.FACE)) != asked:
        st.rerun()


def _known_view(result: services.Result, clip: services.Clip) -> dict[str, Any]:
    """What the player is to show. What only the address names and this clip does not have gives way to what is shown at first."""
    view = session.view()
    named = {"explain": "explain", "map": "map", "matrix": "matrix"}
    asked = {name: view[field] for name, field in named.items() if view.get(field) and address.told(name, str(view[field]))}
    lanes = {group: lane for group, lane in view.get("sources", {}).items() if address.told(f"lane.{group}", lane)}
    if not asked and not lanes:
        return view
    names = _names(result.timeline)
    names["explain"] = {*names["explain"], *result.explained.values()}
    for name, what in (("explain", "a class"), ("map", "a heatmap"), ("matrix", "a matrix")):
        if name in asked and asked[name] not in names[name]:
            view[name] = ""
            say.warning(f"The address names {what} that {shown(clip.title)} does not have: the default is shown.")
    # Contributions come after the answer.
    strange = [group for group, lane in lanes.items() if lane not in names["lanes"] and not group.startswith("contribution.")]
    if strange:
        view["sources"] = {group: lane for group, lane in view["sources"].items() if group not in strange}
        say.warning(f"The address names a lane that {shown(clip.title)} does not have: the default is shown.")
    return view


def _names(timeline: Path) -> dict[str, set[str]]:
    """What a timeline has to choose from."""
    read = Timeline.from_bytes(timeline.read_bytes())
    maps = {heatmap.id for heatmap in read.heatmaps} | {heatmap.id for heatmap in read.pairs}
    matrices, lanes = {drawn.id for drawn in read.matrices}, {drawn.id for drawn in read.lanes}
    return {"map": maps, "matrix": matrices, "lanes": lanes, "explain": set(read.classes)}
