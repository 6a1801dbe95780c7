"""Matches media files to CMU-MOSEI's segments.

Labels number a video's segments in text order of their names (0, 1, 10, 11, 2, ...), with gaps: an index, not the number in the
file's name. Therefore a video's files and segments are both sorted by time, which is the order of the files' numbers, and matched
in sequence; if there are fewer files than segments, also by duration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from affectscope.core.corpora.lengths import length
from affectscope.core.corpora.tables import is_sound

CUT = "affectscope-segments"
"""The folder in which ``affectscope corpus cut`` puts segments by their clips' names."""
# Tolerance in seconds (a frame or two) between a segment's and its file's duration.
_NEAR = 0.1


def whole(paths: list[str], table: pd.DataFrame) -> dict[str, str]:
    """Video -> its recording, preferably a video file."""
    videos = set(table["speaker"])
    return {name: place for place in sorted(paths, key=is_sound, reverse=True) if (name := Path(place).stem) in videos}


def segments(paths: list[str], table: pd.DataFrame, root: Path, remarks: list[str], positions: bool) -> dict[str, str]:
    """Clip -> its file.

    Args:
        paths: media under ``root``: ``<video>_<number>``, ``<video>$_$<number>``, or ``<video>/<number>``; others are ignored.
        positions: whether clips are named by index in a table, not by the published files' numbers.
    """
    place_of: dict[str, str] = {}
    numbered: dict[str, dict[int, str]] = {}
    videos = set(table["speaker"])
    for place in sorted(paths, key=is_sound):
        name = Path(place).stem.replace("$_$", "_")
        if name in table.index and (not positions or CUT in PurePosixPath(place).parts):
            place_of.setdefault(name, place)
        elif own := _numbered(name, PurePosixPath(place).parent.name, videos):
            numbered.setdefault(own[0], {}).setdefault(own[1], place)
    moved = unknown = 0
    for video, own in table[table["speaker"].isin(list(numbered))].groupby("speaker"):
        files = numbered[str(video)]
        pairs = _by_time(files, own, root) if positions else {f"{video}_{number}": place for number, place in files.items()}
        pairs = {clip: place for clip, place in pairs.items() if clip in own.index}
        called = {place: f"{video}_{number}" for number, place in files.items()}
        moved += sum(called[place] != clip for clip, place in pairs.items())
        unknown += len(files) - sum(place_of.setdefault(clip, place) == place for clip, place in pairs.items())
    if moved:
        remarks.append(f"{moved:,} files have other numbers than the labels' positions, and were found by the order of time.")
    if unknown:
        remarks.append(f"{unknown:,} files of labelled videos could not be told to be one segment or another, and were left out.")
    return place_of


def _numbered(name: str, folder: str, videos: set[str]) -> tuple[str, int] | None:
    match = re.fullmatch(r"(.+)_(\d+)", name)
    if match and match[1] in videos:
        return match[1], int(match[2])
    return (folder, int(name)) if name.isdigit() and folder in videos else None


def _by_time(files: Mapping[int, str], own: pd.DataFrame, root: Path) -> dict[str, str]:
    ordered = own.sort_values("start")
    if len(files) == len(ordered):
        return {str(clip): files[number] for clip, number in zip(ordered.index, sorted(files), strict=True)}
    long = {number: length(root / place) for number, place in files.items()}
    if not any(long.values()) and own["start"].is_monotonic_increasing:
        return {f"{own['speaker'].iloc[0]}_{number}": place for number, place in files.items()}
    fits = {
        number: [str(clip) for clip, seconds in own["duration"].items() if abs(seconds - (long[number] or 0)) <= _NEAR]
        for number in files
    }
    claimed = [clips[0] for clips in fits.values() if len(clips) == 1]
    return {clips[0]: files[number] for number, clips in fits.items() if len(clips) == 1 and claimed.count(clips[0]) == 1}
