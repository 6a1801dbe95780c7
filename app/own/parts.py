"""The user's own clips on the page: drop zone, recorder, and actions on a clip."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from affectscope.app import services
from affectscope.app.common import say, session
from affectscope.app.common.component import component
from affectscope.app.gate.terms import base
from affectscope.app.library import drops
from affectscope.app.own import arrive, removal, store

_HERE = Path(__file__).parent
_TICKET = "own_ticket"
_RECORDING = "own_recording"
_ARRIVED = "own_arrived"
_MOVING = "own_moving"
_DELETED = "own_deleted"
_ZONE = component(_HERE, "zone", called="own_zone")
_RECORDER = component(_HERE, "recorder", called="own_recorder")


def uploader() -> None:
    """The drop zone, and the button that opens the recorder."""
    data = {"url": _url(), "limit": arrive.LIMIT_MB << 20}
    _ZONE(key="own_zone", data=data, on_arrived_change=lambda: _arrived("own_zone"), on_record_change=_record)
    if st.session_state.get(_RECORDING):
        _recorder()


@st.dialog("Record yourself", on_dismiss=lambda: st.session_state.pop(_RECORDING, None))
def _recorder() -> None:
    _RECORDER(key="own_recorder", data={"url": _url()}, on_arrived_change=lambda: _arrived("own_recorder"))
    if st.session_state.pop(_ARRIVED, False):
        st.rerun()


def _record() -> None:
    st.session_state[_RECORDING] = True


def _url() -> str:
    """This session's upload URL."""
    ticket = st.session_state.get(_TICKET, "")
    if not drops.usable(ticket):
        ticket = st.session_state[_TICKET] = drops.ticket()
    return f"{base()}/own/{ticket}"


def _arrived(key: str) -> None:
    """Select the clip that has arrived; the browser passes on the id that the server gave it."""
    clip_id = str((st.session_state[key].get("arrived") or {}).get("id", ""))
    if store.find(clip_id):
        st.session_state.pop(_RECORDING, None)
        st.session_state[_ARRIVED] = True
        session.update(corpus=services.UPLOADS, clip=clip_id, model=_who_can_look())


def _who_can_look() -> str:
    """The model for a new clip: another one if the current one is an import, which cannot be run."""
    chosen, others = session.current().model, services.askable()
    if chosen not in services.models() or not services.unasked(chosen) or not others:
        return chosen
    say.toast(f"{chosen} holds imported answers and cannot analyse new clips: {others[0]} analyses yours.")
    return others[0]


def menu(clip: services.Clip, model: str) -> None:
    """The actions for the user's own clip; nothing for other clips."""
    if told := st.session_state.pop(_DELETED, ""):
        say.toast(told, duration="long")
    own = store.find(clip.id) if clip.corpus == services.UPLOADS else None
    if own is None:
        return
    for sentence in own.notes:
        say.info(sentence, icon=":material/broken_image:")
    with st.popover("This clip", icon=":material/edit:", key="own_menu"):
        _name(own)
        _label(own, services.labels(model))
        if own.stretch:
            st.button("Move the stretch", icon=":material/content_cut:", width="stretch", on_click=_move, args=(own.id,))
        _delete(own)


def moving(clip_id: str) -> bool:
    """Whether another stretch of the clip is being chosen."""
    return st.session_state.get(_MOVING) == clip_id


def _move(clip_id: str) -> None:
    st.session_state[_MOVING] = clip_id


def stay() -> None:
    st.session_state.pop(_MOVING, None)


def _name(own: store.OwnClip) -> None:
    key = f"own_name_{own.id}"
    st.session_state[key] = own.name
    st.text_input("Name", key=key, on_change=lambda: store.rename(own.id, st.session_state[key]))


def _label(own: store.OwnClip, classes: tuple[str, ...]) -> None:
    """The label: a class of the model, or any other word."""
    key = f"own_label_{own.id}"
    st.session_state[key] = own.label
    st.selectbox(
        "True label",
        list(dict.fromkeys((*classes, *([own.label] if own.label else [])))),
        index=None,
        key=key,
        on_change=lambda: store.relabel(own.id, st.session_state[key]),
        accept_new_options=True,
        placeholder="Choose, or write",
        help="The label that you consider true; answers are marked right or wrong by it.",
    )


def _delete(own: store.OwnClip) -> None:
    key = f"own_delete_{own.id}"
    if not st.session_state.get(key):
        st.button("Delete", icon=":material/delete:", width="stretch", on_click=lambda: st.session_state.update({key: True}))
        return
    st.text("Delete the file and all that was made from it: features, analyses, pictures, exports? Notes stay as they are.")
    with st.container(horizontal=True):
        st.button("Delete for good", type="primary", on_click=_remove, args=(own.id,))
        st.button("Keep", on_click=lambda: st.session_state.pop(key, None))


def _remove(clip_id: str) -> None:
    st.session_state[_DELETED] = str(removal.remove(clip_id))
    session.update(corpus="", clip="")
