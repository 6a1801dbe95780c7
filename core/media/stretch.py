"""A stretch of a long file: an overview to find it (pictures and loudness), and cutting it out for analysis."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import inf, isfinite
from pathlib import Path

import cv2
import numpy as np

from affectscope.core import media
from affectscope.core.errors import UserError
from affectscope.core.text import shown

SHORTEST = 0.5
LONGEST = media.MAX_SECONDS
_MAX_SIDE = 1280
# File systems allow 255 bytes, and a character takes up to four.
_LONGEST_NAME = 50
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,3}):)?(\d+(?:\.\d*)?)", re.ASCII)

Report = Callable[[float], None]


def clock(seconds: float) -> str:
    """750.5 as 12:30.5."""
    whole, tenth = divmod(round(10 * seconds), 10)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{text}.{tenth}" if tenth else text


def named(stretch: tuple[float, float], name: str) -> str:
    """(750, 790) of interview.mp4 as 12:30–13:10 of interview.mp4."""
    return f"{clock(stretch[0])}–{clock(stretch[1])} of {name}"


def seconds_of(text: str) -> float:
    """12:30.5 or 750.5 as seconds.

    Raises:
        UserError: when it is neither.
    """
    matched = _CLOCK.fullmatch(text.strip())
    if not matched:
        raise UserError(f"{text!r} is no time: write seconds (750.5), or minutes and seconds (12:30.5).")
    hours, minutes, seconds = (float(part or 0) for part in matched.groups())
    return 3600 * hours + 60 * minutes + seconds


def checked(start: float, end: float, duration: float, name: str) -> tuple[float, float]:
    """The stretch, shortened to end with the file.

    Raises:
        UserError: when it lies outside the file, ends before it begins, or is too short or too long.
    """
    if not (isfinite(start) and isfinite(end)) or not 0 <= start < duration:
        raise UserError(f"{name} lasts {clock(duration)}: choose a stretch that begins before its end.")
    end = min(end, duration)
    if end - start < SHORTEST - media.ROUNDING:
        raise UserError(f"A stretch from {clock(start)} to {clock(end)} is too short: choose {SHORTEST:g} s or more.")
    if end - start > LONGEST + media.ROUNDING:
        raise UserError(f"A stretch from {clock(start)} to {clock(end)} is too long: choose {LONGEST} s or less.")
    return start, end


def cut(
    path: Path,
    out: Path,
    start: float,
    end: float,
    progress: Report | None = None,
    track: int | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Write the stretch as a separate file that browsers play. Its clock starts at 0, and sound and picture stay in sync.

    Its frames are those with ``start <= time < end``, seconds on the file's clock.

    Args:
        track: the audio track to keep, counted from 1; default: the first that has sound.
        tell: called with a sentence about each unreadable part of the stretch, in the file's own times.

    Raises:
        UserError: when the file cannot be read, has nothing there, or ``checked`` refuses the stretch.
    """
    info = media.probe(path, inf)
    start, end = checked(start, end, info.duration, shown(path.name))
    seen: list[float] = []

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        for time, picture in media.read_frames(path, _MAX_SIDE, end - media.ROUNDING, start):
            if progress:
                progress(min(1.0, (time - start) / (end - start)))
            seen.append(time)
            yield max(0.0, time - start), picture

    sound = _sound(path, start, end, track)
    media.encode(out, frames(), sound, info.fps or 25)
    for sentence in (*media.lost_pictures(path, np.array(seen), start, end - media.ROUNDING), *(sound.notices if sound else ())):
        tell(sentence)
    return out


def of_file(
    path: Path, start: str | None, end: str | None, out: Path, progress: Report | None = None, track: int | None = None
) -> tuple[Path, tuple[str, ...]]:
    """The file to analyse, as requested on the command line, and notices about it.

    Args:
        start, end: times as ``seconds_of`` reads them; default: the file's beginning, and one minute later or the file's end.
        out: the folder for the cut file, whose name tells the stretch.
        track: the audio track, counted from 1; default: the first that has sound.

    Raises:
        UserError: when the file is long and no stretch was chosen, or the stretch is invalid.
    """
    duration = media.probe(path, inf).duration
    if start is None and end is None:
        if duration > LONGEST + media.SLACK:
            raise UserError(
                f"{shown(path.name)} lasts {clock(duration)}: choose up to {LONGEST} s of it, as --start 0:30 --end 1:10."
            )
        return path, ()
    begin = seconds_of(start) if start is not None else 0.0
    until = seconds_of(end) if end is not None else min(begin + LONGEST, duration)
    chosen = checked(begin, until, duration, shown(path.name))
    out.mkdir(parents=True, exist_ok=True)
    # Not every file system allows colons.
    name = f"{shown(path.stem, _LONGEST_NAME)} {clock(chosen[0])}-{clock(chosen[1])}.mp4".replace(":", ".")
    lost: list[str] = []
    made = cut(path, out / name, *chosen, progress, track, lost.append)
    notice = f"This is {named(chosen, shown(path.name))}, kept as {name}: times count from {clock(begin)}."
    return made, (notice, *lost)


def strip(path: Path, duration: float, count: int, side: int, progress: Report | None = None) -> np.ndarray | None:
    """Square pictures from all over the file, side by side, RGB [side, count * side, 3] uint8; None if it has none."""
    moments = [(i + 0.5) * duration / count for i in range(count)]
    tiles: list[np.ndarray] = []
    for picture in media.glimpses(path, moments, 3 * side):
        tiles.append(_tile(picture, side))
        if progress:
            progress(len(tiles) / count)
    return np.hstack(tiles + [tiles[-1]] * (count - len(tiles))) if tiles else None


def _tile(picture: np.ndarray, side: int) -> np.ndarray:
    """The central square of a picture."""
    short = min(picture.shape[:2])
    top, left = ((length - short) // 2 for length in picture.shape[:2])
    return cv2.resize(picture[top : top + short, left : left + short], (side, side), interpolation=cv2.INTER_AREA)


def _sound(path: Path, start: float, end: float, track: int | None) -> media.Sound | None:
    sound = media.read_sound(path, end, start, track)
    if sound is None or sound.start >= end:
        return None
    rest = round((end - sound.start) * media.SAMPLE_RATE)
    return media.Sound(sound.samples[:rest], sound.start - start, sound.notices)
