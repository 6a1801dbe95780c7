"""Choosing one of a file's audio tracks; the choice is in the URL."""

from __future__ import annotations

from math import inf
from pathlib import Path

from affectscope.app.common import pick, session
from affectscope.app.own.store import OwnClip
from affectscope.core import media


def menu(clip_id: str, file: Path | None) -> None:
    """A select box of the audio tracks; nothing with fewer than two."""
    if file is None or media.probe(file, inf).sound_tracks < 2:
        return
    options = {"": f"The first with sound: track {media.heard_track(file)}"}
    options |= {str(track.number): f"Track {track}" for track in media.listed_tracks(file)}
    pick.pick("Sound", session.TRACK, options, turn=clip_id, width=320)


def chosen(own: OwnClip | None) -> int | None:
    """The chosen audio track of the user's own file; None for the first that has sound."""
    number = session.option(session.TRACK)
    count = media.probe(own.original, inf).sound_tracks if own else 0
    return int(number[:6]) if number.isascii() and number.isdigit() and 1 <= int(number[:6]) <= count else None
