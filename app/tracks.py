"""Which of a clip's sound tracks is heard, where it has several."""

from __future__ import annotations

from math import inf

from app import pick, services, session
from core import media


def menu(clip: services.Clip) -> None:
    """A select box of the sound tracks; nothing where there is one, or none."""
    if clip.file is None or media.probe(clip.file, inf).sound_tracks < 2:
        return
    heard = media.heard_track(clip.file)
    options = {"": f"The first with sound: track {heard}"}
    options |= {str(track.number): f"Track {track}" for track in media.listed_tracks(clip.file)}
    pick.pick("Sound", session.TRACK, options, turn=f"{clip.corpus} {clip.id}", width=320)
