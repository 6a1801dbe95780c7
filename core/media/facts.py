"""Facts about a media file, without analysing it."""

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

# What Chromium, Firefox and Safari all play; anything else is transcoded before it is shown.
_BROWSER_VIDEO = {("h264", "yuv420p"), ("h264", "yuvj420p")}
_BROWSER_SOUND = {"aac", "mp3", "mp3float", None}
# Formats whose headers give the duration of each track; and the tolerance before a browser's clock counts as different from ours.
_TELLING = {"mp4", "matroska", "avi", "wav", "asf", "flv", "flac"}
_OFF = 0.5
# Raise it whenever files that are not plain are read otherwise.
_READING = 3


@dataclass(frozen=True)
class MediaInfo:
    """Facts about a media file.

    Attributes:
        duration: seconds, measured where the header is missing or wrong.
        start: the container's time at which the clip's clock reads 0.
        width, height: of the displayed pictures, 0 without any.
        fps: frames per second, 0 without a picture.
        video_codec, sound_codec: of the picture and of the first audio track.
        sound_tracks: number of audio tracks.
        browser_playable: whether every browser plays it with the timing used in the analysis.
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
    """Scan a file's packets and decode its first frame.

    Args:
        longest: limit in seconds.
        track: the audio track, counted from 1; default: the first that has sound.

    Raises:
        UserError: when the file is not a playable video or sound, or is too long or too large to analyse, or has no such track.
    """
    clock = clock_of(path)
    if clock.duration > longest + SLACK:
        raise UserError(f"{shown(path.name, 200)} lasts {clock.duration:.0f} s: cut it to {longest:g} s or less.")
    # Finding the first track that has sound requires decoding, so it is skipped for long files, of which only a part is analysed.
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
    """A file's duration according to its header; None where it has none, or a guess.

    Raises:
        UserError: when it cannot be opened.
    """
    with opened(path) as container:
        return container.duration / av.time_base if container.duration and not names(container) & GUESSED else None


def told_frames(path: Path) -> int | None:
    """A file's number of frames according to its header; None where it has none.

    Raises:
        UserError: when it cannot be opened.
    """
    with opened(path) as container:
        video = picture_track(container)
        return video.frames or None if video is not None else None


def track_ends(path: Path) -> dict[str, tuple[float, bool]]:
    """``video`` and ``audio``, if present: the track's end in seconds, and whether the header states it for this track.

    If the header only covers the whole file, tracks are assumed to end with it. Without a header, the end is measured.

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
    """Cache key parts for everything made from a file: how its times are read, if not simply from its frames.

    Empty for a regular file, so that its entries survive changes to how irregular files are read.

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
    """Cache key parts for everything made from a file's sound: empty for the first track.

    Raises:
        UserError: when it has no such track.
    """
    heard = heard_track(path, track)
    return (f"track {heard}",) if heard and heard > 1 else ()


def remarks(path: Path, track: int | None = None) -> tuple[str, ...]:
    """One sentence each about surprising facts: other audio tracks, a wrong header."""
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
