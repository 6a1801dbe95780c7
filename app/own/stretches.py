"""Choosing which stretch of a long file is analysed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from affectscope.app import services
from affectscope.app.common import jobs, say, session, tracks
from affectscope.app.common.component import component
from affectscope.app.common.progress import finished
from affectscope.app.own import parts, removal, store
from affectscope.app.serving import lending
from affectscope.core import media
from affectscope.core.cache import sealed
from affectscope.core.errors import UserError
from affectscope.core.media import stretch

_PICKER = component(Path(__file__).parent, "picker", called="own_picker")
_SIDE = 64
_USUAL = 10.0
# Pictures and peaks: number per second, and maximum.
_TILES, _MOST_TILES = 0.2, 240
_PEAKS, _MOST_PEAKS = 20, 100_000
_CHOSEN = "own_chosen"


def wanted(clip: services.Clip) -> bool:
    """Whether a stretch has to be chosen before anything else can be shown about the clip."""
    return clip.corpus == services.UPLOADS and (clip.file is None or parts.moving(clip.id))


def choose(clip: services.Clip) -> None:
    """An overview of the file on which to choose the stretch, which is then cut out with a progress bar."""
    own = store.find(clip.id)
    if own is None:
        return
    if selection := _chosen(own):
        chosen, track = selection
        job = jobs.ensure(f"cut-{store.cut_path(own.id, chosen, track).stem}", partial(_cut, own, chosen, track))
        if not (job.done and job.error):
            if finished(job):
                _look(own)
            return
        # Another stretch may work.
        say.error(job.error)
        jobs.forget(job.id)
        st.session_state.pop(_CHOSEN, None)
    if not sealed.is_intact(_peaks_path(own)):
        if finished(jobs.ensure(f"afar-{own.id}", partial(_look_over, own))):
            st.rerun()
        return
    tracks.menu(own.id, own.original)
    _picker(own)
    if own.file:
        st.button("Keep the stretch as it is", type="tertiary", on_click=parts.stay)


def _look(own: store.OwnClip) -> None:
    st.session_state.pop(_CHOSEN, None)
    parts.stay()
    session.update(corpus=services.UPLOADS, clip=own.id)
    st.rerun()


def _picker(own: store.OwnClip) -> None:
    start, end = own.stretch or (0.0, min(_USUAL, own.seconds))
    strip = _strip_path(own)
    data = {
        "id": own.id, "name": own.name, "duration": own.seconds, "start": start, "end": end, "tiles": _tiles(own),
        "shortest": stretch.SHORTEST, "longest": stretch.LONGEST,
        "peaks": lending.lend("strips", _peaks_path(own).name, _peaks_path(own), own.owner),
        "strip": lending.lend("strips", strip.name, strip, own.owner) if sealed.is_intact(strip) else "",
    }  # fmt: skip
    _PICKER(key="own_picker", data=data, on_chosen_change=_choose)


def _choose() -> None:
    reported = st.session_state["own_picker"].get("chosen") or {}
    try:
        stretch = round(float(reported["start"]), 1), round(float(reported["end"]), 1)
        st.session_state[_CHOSEN] = str(reported["id"]), (stretch, tracks.chosen(store.find(str(reported["id"]))))
    except (KeyError, TypeError, ValueError):
        return


def _chosen(own: store.OwnClip) -> tuple[tuple[float, float], int | None] | None:
    """The stretch that the user confirmed, and the audio track; or the stored ones if their file is gone."""
    clip_id, chosen = st.session_state.get(_CHOSEN, ("", None))
    if clip_id == own.id:
        return chosen
    return (own.stretch, own.track) if own.file is None and own.stretch else None


def _cut(own: store.OwnClip, chosen: tuple[float, float], track: int | None, progress: jobs.Progress) -> None:
    out, remarks = store.cut_path(own.id, chosen, track), list(own.notes if chosen == own.stretch and track == own.track else ())
    if not sealed.is_intact(out):
        remarks.clear()
        if not store.intact(own.id, own.original, own.owner):
            raise UserError(f"{own.name} was damaged on the disk: choose its file again.")
        sealed.fill(
            out,
            lambda part: stretch.cut(
                own.original, part, *chosen, lambda done: progress("Cutting the stretch", done), track, remarks.append
            ),
            video=True,
        )
    if own.file and own.file not in (out, own.original):
        removal.forget([own.file])
    store.keep_stretch(own.id, chosen, track, remarks)


def _look_over(own: store.OwnClip, progress: jobs.Progress) -> None:
    picture = stretch.strip(own.original, own.seconds, _tiles(own), _SIDE, lambda done: progress("Reading the video", done / 2))
    if picture is not None:
        data = media.frame_jpeg(picture, max(picture.shape[:2]))
        sealed.write_cached(_strip_path(own), data)
    count = int(min(_MOST_PEAKS, max(1, own.seconds * _PEAKS)))
    peaks = media.loudness(own.original, count, own.seconds, lambda done: progress("Reading the sound", 0.5 + done / 2))
    loud = np.round(255 * np.sqrt(peaks / max(float(peaks.max(initial=0)), 1e-6))).astype(np.uint8)
    sealed.write_cached(_peaks_path(own), loud.tobytes())


def _tiles(own: store.OwnClip) -> int:
    return int(min(_MOST_TILES, max(24, own.seconds * _TILES)))


def _strip_path(own: store.OwnClip) -> Path:
    return own.original.with_name(f"{own.id}.strip.jpg")


def _peaks_path(own: store.OwnClip) -> Path:
    return own.original.with_name(f"{own.id}.peaks.bin")
