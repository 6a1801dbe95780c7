"""The one selection that all pages share, bound to the URL: a reload or a shared link opens the same view."""

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
"""As the player's time: the moment that the heatmap makes most of."""
_STATE = "selection"
_WRITTEN = "selection_in_url"
# What was in the URL before, newest last: a browser that has not heard of the newest sends one of these.
_OLDER = "selections_before"
_MOST_OLDER = 100
# Page -> the query that a person brought to it.
_BROUGHT = "selection_brought"
_TURN = "turn"
_DRAWN = "drawn_turn"
_SEEN = "last_report"

# The player's view: its field, its name in the URL, how to read it. What is at its default is not written.
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
# What was drawn on a clip's lanes says nothing of another's.
TRACK = "clip.track"
FACE = "clip.face"
_MOST_FACES = 99
_OF_ONE_CLIP = ("masking.spans", TRACK, FACE)
# Options that have a short name in the URL.
_SHORT = {FACE: "face"}
# How heatmaps are made: not every model can be looked through in every way.
EXPLANATION = "clip.explanation"
SOUND_EXPLANATION = "clip.sound_explanation"
_PLACES = ("corpus", "clip", "model", "explain")


@dataclass(frozen=True)
class Selection:
    """What is being looked at.

    Attributes:
        corpus, clip, model: names; empty means the app's first choice.
        explain: the class to explain; empty means the predicted one.
        options: what the pages let a person choose beyond that, "page.name" -> value; what is at its default is left out.
        view: the player's fields, as app/player describes them.
    """

    corpus: str = ""
    clip: str = ""
    model: str = ""
    explain: str = ""
    options: dict[str, str] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)


def current() -> Selection:
    """The selection of this session. The URL wins where a person came by link, or went back; what the browser sends before it
    has heard of the last choice is an older URL of ours, and says nothing."""
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
    """Whether the browser's Back or Forward brought this URL."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def turn() -> int:
    """The number of what is looked at: it rises with every choice of corpus, clip or model. What a component shows belongs to
    one turn; sent along and returned with what a person did, it tells whether that is about what is still there."""
    return st.session_state.get(_TURN, 0)


def enter(page: str) -> None:
    """Come to a page. Streamlit empties the URL on the way from page to page; the selection goes along all the same."""
    came_from = st.session_state.get(_PAGE)
    st.session_state[_PAGE] = page
    if came_from != page:
        press.forget()
    brought = came_from not in (None, page) and _STATE in st.session_state and not st.query_params.to_dict()
    if brought and not _went_back():
        _write()
        st.session_state[_BROUGHT][page] = st.session_state[_WRITTEN]
        # Until the browser hears of that, it sends what Streamlit left.
        st.session_state[_OLDER].append({})


def drawn() -> None:
    """Take note that the page is being made for what is looked at now."""
    current()
    st.session_state[_DRAWN] = turn()


def moved_on() -> bool:
    """Whether something else is looked at than what the page was made for. A browser that sends a choice together with a report
    of a fragment has only the fragment run again: the choice is taken, and the page still shows the one before."""
    return st.session_state.get(_DRAWN, turn()) != turn()


def go(page: str) -> NoReturn:
    """Turn to another page, by its file's name; the selection goes along."""
    st.switch_page(f"../pages/{page}.py")


def option(name: str, default: str = "") -> str:
    """What a person chose on a page, "page.name"; in the URL as long as it is not the default."""
    return current().options.get(name, default)


def with_option(name: str, value: str, default: str = "") -> dict[str, str]:
    """All options, with another choice of one."""
    options = {k: v for k, v in current().options.items() if k != name}
    return options | ({name: value} if value != default else {})


def with_face(options: dict[str, str], face: object) -> dict[str, str]:
    """Options with the face that a player reports; the first needs no saying, and 0 says that there is no choice."""
    if not isinstance(face, int) or not 0 < face <= _MOST_FACES:
        return options
    rest = {name: value for name, value in options.items() if name != FACE}
    return rest | ({FACE: str(face)} if face > 1 else {})


def elsewhere(options: dict[str, str]) -> dict[str, str]:
    """Options without those that mean one clip alone."""
    return {name: value for name, value in options.items() if name not in _OF_ONE_CLIP}


def choose_option(name: str, value: str, default: str = "") -> None:
    """Remember a choice in the selection and its URL."""
    update(options=with_option(name, value, default))


def view() -> dict[str, Any]:
    """What the player is to show."""
    return {**current().view, "explain": current().explain}


def update(*, time: float = STRONGEST, head: str = "", **changes: Any) -> Selection:
    """Change the selection and the URL with it.

    Args:
        time: where another clip opens, in seconds.
        head: whose heatmap is shown over another clip; the one before if left out.
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
    """Have the player show something else, where it is. Of what it reports before it knows of this, only the time counts."""
    update(view=_chosen(current().view, **fields, stay=_stays(current().view)))


def _stays(view: dict[str, Any]) -> bool:
    """Whether the player has shown this clip: the time that it reports is this clip's."""
    return bool(view.get("stamp")) or view.get("stay", True)


def _chosen(before: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**before, **fields, "stamp": "", "choice": before.get("choice", 0) + 1}


def _numbered(view: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """A view that came by link has no number yet: it is another choice than the one before."""
    return view if "choice" in view or "choice" not in before else {**view, "choice": before["choice"] + 1}


def keep_view(reported: dict[str, Any] | None, timeline: str) -> bool:
    """Take over what the player reports of the timeline that it shows, each report once: an old one must not undo the URL.

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
    """Read a URL's parameters; what is missing or makes no sense is left at its default."""
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
    """The shortest parameters that ``from_query`` reads back as the same selection."""
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
    # Of a whole number, however long, Python can tell what is less; not whether it is finite.
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
