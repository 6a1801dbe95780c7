"""The player with a model's analysis; the user's actions in it are stored in the selection."""

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

# Enough that a spot is reused only after the browser has learnt that it is empty.
_SPOTS = 6


def place(name: str, *subject: str) -> DeltaGenerator:
    """A place on the page for one subject, so that everything on the page is about the same clip.

    While another subject is prepared, the place is empty. A Streamlit block inherits its previous content, and a run may end
    before clearing it. So each subject has its own spot, and all others are cleared.

    Args:
        name: of the place; if it is redrawn for the same subject, it keeps its content.
    """
    key = f"place.{name}"
    before, spot = st.session_state.get(key, (None, 0))
    if before != subject:
        spot = (spot + 1) % _SPOTS
        st.session_state[key] = subject, spot
    with st.container(gap=None):
        return [st.container() if i == spot else st.empty() for i in range(_SPOTS)][spot]


def settle(name: str, *subject: str) -> None:
    """Mark a place as complete for its subject, so that answers that arrived while drawing do not trigger a redraw."""
    key = f"place.{name}"
    st.session_state[key] = subject, st.session_state[key][1]


def about(clip: services.Clip, *models: str) -> tuple[str, ...]:
    """The subject of a page for ``place``: the clip, and the models whose answers are still missing."""
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
    """The analysis, once it exists. While another class or method is computed, the previous explanation stays."""
    result = services.result(clip, model, explain, change, explanation, sound)
    # The placeholder is empty before and after the wait, so that nothing below moves.
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
    """Show the player; the page reruns when the user changes the explained class.

    Args:
        key: Streamlit's element key.
        reasons_url: of further lanes to add to the timeline.
        notices: whether the player shows the analysis's notices, instead of the page.
        awaited: group -> title of those lanes, for which space is reserved.
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
    """The view for the player, with defaults for values in the URL that this clip does not have."""
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
    """The choices that a timeline offers."""
    read = Timeline.from_bytes(timeline.read_bytes())
    maps = {heatmap.id for heatmap in read.heatmaps} | {heatmap.id for heatmap in read.pairs}
    matrices, lanes = {drawn.id for drawn in read.matrices}, {drawn.id for drawn in read.lanes}
    return {"map": maps, "matrix": matrices, "lanes": lanes, "explain": set(read.classes)}
