"""What a file of media is, before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path

import av

from affectscope.core.errors import UserError
from affectscope.core.media.clock import GUESSED, Clock, clock_of
from affectscope.core.media.files import MAX_SECONDS, SLACK, names, opened, picture_track, sound_tracks
from affectscope.core.media.sounds import heard_track
from affectscope.core.text import percent, shown

# What Chromium, Firefox and Safari all play; anything else is encoded again before it is shown.
_BROWSER_VIDEO = {("h264", "yuv420p"), ("h264", "yuvj420p")}
_BROWSER_SOUND = {"aac", "mp3", "mp3float", None}
# Formats whose headers know how long each track is; and when a browser's clock is another than ours.
_TELLING = {"mp4", "matroska", "avi", "wav", "asf", "flv", "flac"}
_OFF = 0.5
# Raise it whenever files that are not plain are read otherwise.
_READING = 3


@dataclass(frozen=True)
class MediaInfo:
    """What is known of a file.

    Attributes:
        duration: seconds, measured where the header guesses or errs.
        start: the container's own time at which the clip's clock reads 0.
        width, height: of the pictures as they are seen, 0 without any.
        fps: frames a second, 0 without a picture.
        video_codec, sound_codec: of the picture and of the first sound track.
        sound_tracks: how many there are.
        browser_playable: whether every browser plays it as it is analysed.
    """

    duration: float
    start: float
    width: int
    height: int
    fps: float
    video_codec: str | None
    sound_codec: str | None
    sound_tracks: int
    browser_playable: bool


def probe(path: Path, longest: float = MAX_SECONDS, track: int | None = None) -> MediaInfo:
    """Look through a file's packets, and at its first frame.

    Args:
        longest: seconds.
        track: the sound track that is heard, counted from 1; the first with sound if left out.

    Raises:
        UserError: when the file is not a playable video or sound, or is too long or too large to analyse, or has no such track.
    """
    clock = clock_of(path)
    if clock.duration > longest + SLACK:
        raise UserError(f"{shown(path.name, 200)} lasts {clock.duration:.0f} s: cut it to {longest:g} s or less.")
    # Which track sounds takes decoding to find out: of a long file that is not analysed as it is, nobody asks.
    heard = heard_track(path, track) if track is not None or longest < inf else min(1, len(clock.sounds))
    sound = clock.sounds[heard - 1] if heard else None
    return MediaInfo(
        clock.duration, clock.start, clock.size[1], clock.size[0], clock.rate, clock.video, sound, len(clock.sounds),
        _plays(clock, sound, heard),
    )  # fmt: skip


def _plays(clock: Clock, sound: str | None, heard: int | None) -> bool:
    return (
        clock.video is not None
        and "mp4" in clock.format
        and (clock.video, clock.pixels) in _BROWSER_VIDEO
        and sound in _BROWSER_SOUND
        and heard in (None, 0, 1)
        and abs(clock.start) < 1e-3
        and clock.plain
        and clock.sizes < 2
        and clock.seen == 1
        and clock.turn.by_browsers
        and abs((clock.header or 0.0) - clock.duration) < _OFF
    )


def told_duration(path: Path) -> float | None:
    """How long a file is as its header says; None where it does not, or guesses.

    Raises:
        UserError: when it cannot be opened.
    """
    with opened(path) as container:
        return container.duration / av.time_base if container.duration and not names(container) & GUESSED else None


def told_frames(path: Path) -> int | None:
    """How many frames a file has as its header says; None where it does not.

    Raises:
        UserError: when it cannot be opened.
    """
    with opened(path) as container:
        video = picture_track(container)
        return video.frames or None if video is not None else None


def track_ends(path: Path) -> dict[str, tuple[float, bool]]:
    """``video`` and ``audio``, where there: the second at which the track ends by its header, and whether it says so itself.

    A track of a file that tells only of the whole ends with it, as far as one knows; where the header knows nothing, as it was
    measured.

    Raises:
        UserError: when the file cannot be opened.
    """
    clock = clock_of(path)
    with opened(path) as container:
        tracks = {"video": picture_track(container), "audio": next(iter(sound_tracks(container)), None)}
        there = {kind: track for kind, track in tracks.items() if track is not None}
        if not clock.plain or not clock.format & _TELLING:
            return {kind: (max(0.0, clock.ends[track.index]), False) for kind, track in there.items()}
        return {
            kind: (float(((track.start_time or 0) + track.duration) * track.time_base) - clock.start, True)
            if track.duration and track.time_base
            else (clock.header or clock.duration, False)
            for kind, track in there.items()
        }


def reading(path: Path) -> tuple[str, ...]:
    """Parts of every key of what is made from a file: how it is read, where that is not simply as its frames say.

    None for a plain file: what was made from it outlives any change to how others are read.

    Raises:
        UserError: when it cannot be read.
    """
    clock = clock_of(path)
    odd = [
        name
        for name, holds in {
            "clock": not clock.plain,
            "duration": clock.header != clock.duration,
            "sizes": clock.sizes > 1,
            "turned": not clock.turn.by_browsers,
            "unread": clock.unread > 0,
            f"picture {clock.seen}": clock.seen > 1,
        }.items()
        if holds
    ]
    return (f"reading {_READING}", *odd) if odd else ()


def hearing(path: Path, track: int | None = None) -> tuple[str, ...]:
    """The same of what is made from its sound: none for the first track.

    Raises:
        UserError: when it has no such track.
    """
    heard = heard_track(path, track)
    return (f"track {heard}",) if heard and heard > 1 else ()


def remarks(path: Path, track: int | None = None) -> tuple[str, ...]:
    """One sentence each, about what a person would not expect of the file: other sound tracks, a header that errs."""
    clock, sentences = clock_of(path), []
    if clock.header is not None and clock.header != clock.duration:
        sentences.append(
            f"The file's header says that it lasts {clock.header:.1f} s; {clock.duration:.1f} s are there, and these were read."
        )
    if clock.unread:
        sentences.append(
            f"Only the first {clock.duration:.1f} s were read: {percent(clock.unread)} of the file's bytes lie behind, as where "
            "several files were joined to one. Analyse these one by one, or join them with a video program."
        )
    if clock.pictures > 1:
        sentences.append(f"The file has {clock.pictures} tracks of pictures: number {clock.seen} is read.")
    if (count := len(clock.sounds)) > 1:
        heard = heard_track(path, track) or 1
        why = ", the first with sound" if track is None and heard > 1 else ""
        sentences.append(
            f"The file has {count} sound tracks: number {heard} is heard{why}. The menu Sound, or --audio-track, takes another."
        )
    return tuple(sentences)
