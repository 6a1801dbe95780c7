"""The selection shared by all pages and bound to the URL, so that a reload or a shared link opens the same view."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NoReturn

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from affectscope.app.common import address, press, reports
from affectscope.core.player import DEFAULT_VIEW
from affectscope.core.player.tone import SCALES

STRONGEST: float = DEFAULT_VIEW["time"]
"""Value of the player's time for the moment with the strongest heatmap."""
_STATE = "selection"
_WRITTEN = "selection_in_url"
# Previous URL queries, newest last. A browser that has not received the newest yet sends one of these.
_OLDER = "selections_before"
_MOST_OLDER = 100
# Page -> the query that the user opened it with.
_BROUGHT = "selection_brought"
_TURN = "turn"
_DRAWN = "drawn_turn"
_SEEN = "last_report"

# The player's view: field, URL parameter, parser. Defaults are omitted.
_IN_URL = {
    "time": "t", "map": "map", "heat": "heat", "scale": "scale", "opacity": "opacity", "threshold": "below", "speed": "speed",
    "loop": "loop", "muted": "muted", "layer": "layer", "head": "head", "matrix": "matrix",
}  # fmt: skip
_VIEW: dict[str, tuple[str, Any]] = {name: (short, DEFAULT_VIEW[name]) for name, short in _IN_URL.items()}
_RANGES = {
    "opacity": (0, 1), "threshold": (0, 1), "speed": (0.25, 2), "time": (STRONGEST, 1e6), "layer": (-1, 99), "head": (-1, 99),
}  # fmt: skip
_WORDS = {"scale": SCALES}
_SOURCE = "lane."
_OPTION = "o."
_PAGE = "page"
# Options of the current clip, which do not apply to another.
TRACK = "clip.track"
FACE = "clip.face"
_MOST_FACES = 99
_OF_ONE_CLIP = ("masking.spans", TRACK, FACE)
# Options with a short URL parameter.
_SHORT = {FACE: "face"}
# The heatmap method; not every model supports every one.
EXPLANATION = "clip.explanation"
SOUND_EXPLANATION = "clip.sound_explanation"
_PLACES = ("corpus", "clip", "model", "explain")


@dataclass(frozen=True)
class Selection:
    """What is being looked at.

    Attributes:
        corpus, clip, model: names; empty for the default.
        explain: the class to explain; empty for the predicted one.
        options: further choices on pages, "page.name" -> value; defaults are left out.
        view: the player's fields, as described in app/player.
    """

    corpus: str = ""
    clip: str = ""
    model: str = ""
    explain: str = ""
    options: dict[str, str] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)


def current() -> Selection:
    """The session's selection.

    The URL takes precedence if the user came by a link or went back. Before the browser has received the last choice, it sends
    one of our older URLs, which is ignored.
    """
    asked = st.query_params.to_dict()
    if _STATE not in st.session_state:
        _take(asked)
    elif asked != st.session_state.get(_WRITTEN):
        if _went_back():
            _take(asked or st.session_state[_BROUGHT].get(st.session_state.get(_PAGE), asked))
        elif asked in st.session_state[_OLDER]:
            _write()
        else:
            _take(asked)
    return st.session_state[_STATE]


def _take(query: dict[str, str]) -> None:
    address.came(query)
    before, selection = st.session_state.get(_STATE), from_query(query)
    st.session_state[_STATE] = replace(selection, view=_numbered(selection.view, before.view)) if before else selection
    st.session_state[_TURN] = turn() + 1
    _write()


def _went_back() -> bool:
    """Whether the URL comes from the browser's Back or Forward button."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def turn() -> int:
    """A counter that increases with every choice of corpus, clip or model.

    Components send it back with user actions, which tells whether these are about what is still shown.
    """
    return st.session_state.get(_TURN, 0)


def enter(page: str) -> None:
    """Enter a page. Streamlit clears the URL on page changes; the selection is kept."""
    came_from = st.session_state.get(_PAGE)
    st.session_state[_PAGE] = page
    if came_from != page:
        press.forget()
    brought = came_from not in (None, page) and _STATE in st.session_state and not st.query_params.to_dict()
    if brought and not _went_back():
        _write()
        st.session_state[_BROUGHT][page] = st.session_state[_WRITTEN]
        # Until the browser receives the new URL, it sends the cleared one.
        st.session_state[_OLDER].append({})


def drawn() -> None:
    """Record that the page is drawn for the current selection."""
    current()
    st.session_state[_DRAWN] = turn()


def moved_on() -> bool:
    """Whether the selection has changed since the page was drawn.

    If a browser sends a choice together with a fragment's report, only the fragment reruns: the choice is stored, but the page
    still shows the one before.
    """
    return st.session_state.get(_DRAWN, turn()) != turn()


def go(page: str) -> NoReturn:
    """Switch to another page, by its file's name; the selection is kept."""
    st.switch_page(f"../pages/{page}.py")


def option(name: str, default: str = "") -> str:
    """A choice on a page, "page.name"; in the URL unless it is the default."""
    return current().options.get(name, default)


def with_option(name: str, value: str, default: str = "") -> dict[str, str]:
    """All options, with one changed."""
    options = {k: v for k, v in current().options.items() if k != name}
    return options | ({name: value} if value != default else {})


def with_face(options: dict[str, str], face: object) -> dict[str, str]:
    """Options with the face that a player reports; the first is the default, and 0 means no choice."""
    if not isinstance(face, int) or not 0 < face <= _MOST_FACES:
        return options
    rest = {name: value for name, value in options.items() if name != FACE}
    return rest | ({FACE: str(face)} if face > 1 else {})


def elsewhere(options: dict[str, str]) -> dict[str, str]:
    """Options without those specific to one clip."""
    return {name: value for name, value in options.items() if name not in _OF_ONE_CLIP}


def choose_option(name: str, value: str, default: str = "") -> None:
    """Store a choice in the selection and the URL."""
    update(options=with_option(name, value, default))


def view() -> dict[str, Any]:
    """The view for the player."""
    return {**current().view, "explain": current().explain}


def update(*, time: float = STRONGEST, head: str = "", **changes: Any) -> Selection:
    """Change the selection and the URL.

    Args:
        time: where another clip opens, in seconds.
        head: whose heatmap is shown over another clip; default: unchanged.
    """
    before = st.session_state[_STATE]
    selection = replace(before, **changes)
    selection = replace(selection, view=_numbered(selection.view, before.view))
    if {"clip", "corpus"} & changes.keys() and "view" not in changes:
        shown = {"map": head} if head else {}
        selection = replace(
            selection, explain=changes.get("explain", ""), view=_chosen(selection.view, time=time, stay=False, **shown)
        )
        selection = replace(selection, options=elsewhere(selection.options))
    if selection.model != before.model and "options" not in changes:
        selection = replace(selection, options={k: v for k, v in selection.options.items() if k != EXPLANATION})
    if selection.model != before.model and not {"clip", "corpus", "view"} & changes.keys():
        selection = replace(selection, view=_chosen(selection.view, stay=_stays(selection.view)))
    if any(getattr(selection, place) != getattr(before, place) for place in ("corpus", "clip", "model")):
        st.session_state[_TURN] = turn() + 1
    st.session_state[_STATE] = selection
    _write()
    return selection


def choose_view(**fields: Any) -> None:
    """Change what the player shows. Of its reports before it receives this, only the time counts."""
    update(view=_chosen(current().view, **fields, stay=_stays(current().view)))


def _stays(view: dict[str, Any]) -> bool:
    """Whether the player has shown this clip, so that the time it reports is this clip's."""
    return bool(view.get("stamp")) or view.get("stay", True)


def _chosen(before: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**before, **fields, "stamp": "", "choice": before.get("choice", 0) + 1}


def _numbered(view: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Number a view from a link, which has none, as a new choice."""
    return view if "choice" in view or "choice" not in before else {**view, "choice": before["choice"] + 1}


def keep_view(reported: dict[str, Any] | None, timeline: str) -> bool:
    """Accept a player's report about the timeline that it shows, each report once, so that an old one does not undo the URL.

    Returns:
        True when the report was new.
    """
    if not reported or reported.get("timeline") != timeline or not reports.unread(reported, _SEEN):
        return False
    known = current().view
    if reported.get("choice", 0) != known.get("choice", 0):
        if known.get("stay"):
            update(view={**known, "time": reported.get("time", 0.0)})
        return False
    kept = {name: reported[name] for name in (*_VIEW, "sources", "stamp", "choice") if name in reported}
    options = with_face(current().options, reported.get("face"))
    update(explain=str(reported.get("explain", "")), view=kept, options=options)
    return True


def from_query(query: dict[str, str]) -> Selection:
    """Parse URL parameters; missing or invalid ones get their default."""
    query = address.readable(query)
    view: dict[str, Any] = {}
    for name, (short, default) in _VIEW.items():
        if short in query:
            view[name] = _read(name, query[short], default)
    sources = {key.removeprefix(_SOURCE): value for key, value in query.items() if key.startswith(_SOURCE)}
    if sources:
        view["sources"] = sources
    options = {key.removeprefix(_OPTION): value for key, value in query.items() if key.startswith(_OPTION)}
    options |= {name: query[short] for name, short in _SHORT.items() if short in query}
    return Selection(**{place: query.get(place, "") for place in _PLACES}, options=options, view=view)


def to_query(selection: Selection) -> dict[str, str]:
    """The shortest parameters from which ``from_query`` restores the selection."""
    query = {place: value for place, value in asdict(selection).items() if place in _PLACES and value}
    for name, (short, default) in _VIEW.items():
        value = selection.view.get(name, default)
        if value != default:
            query[short] = value if isinstance(value, str) else json.dumps(value)
    query |= {_SOURCE + group: lane for group, lane in sorted(selection.view.get("sources", {}).items())}
    query |= {_SHORT.get(name, _OPTION + name): value for name, value in sorted(selection.options.items())}
    return query


def _read(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text if text in _WORDS.get(name, (text,)) else default
    value = address.parsed(text)
    if isinstance(default, bool) or isinstance(value, bool):
        return value if isinstance(default, bool) and isinstance(value, bool) else default
    # isfinite would overflow for huge integers; comparing them works.
    if not isinstance(value, int | float) or (isinstance(value, float) and not math.isfinite(value)):
        return default
    low, high = _RANGES[name]
    return type(default)(min(max(value, low), high))


def _write() -> None:
    query = to_query(st.session_state[_STATE])
    older = st.session_state.setdefault(_OLDER, [])
    st.session_state.setdefault(_BROUGHT, {})
    before = st.session_state.get(_WRITTEN, st.query_params.to_dict())
    if before != query:
        st.session_state[_OLDER] = [*(earlier for earlier in older if earlier not in (query, before)), before][-_MOST_OLDER:]
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
    st.session_state[_WRITTEN] = query
