"""Joins discontinuous timestamps, as in MPEG-TS files concatenated by `cat`, into one continuous clock.

An epoch is a part of the file with one clock. Its picture and sound packets are shifted together, so that it begins where the
previous one ended and stays in sync.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Decoding times only increase; jitter and rounding may take them back by less than this.
_BACK = 0.1
# A pause in all tracks is a clock jump where the format allows discontinuities (broadcasts); a pause in one track is a pause.
_SHARED, _ALIKE, _ALONE = 1.0, 0.5, 10.0
_MOST = 1000
# Seconds by which tracks may be interleaved apart in a file.
_INTERLEAVED = 3.0


@dataclass(frozen=True)
class Track:
    """The packets of one track in file order.

    Attributes:
        places: [P] each packet's index among all packets of the file.
        decoding: [P] seconds, NaN where unknown.
        times: [P] seconds when it is shown, NaN where unknown.
        lasts: [P] duration in seconds.
    """

    places: np.ndarray
    decoding: np.ndarray
    times: np.ndarray
    lasts: np.ndarray


@dataclass(frozen=True)
class Shifts:
    """How a track is shifted: packets from index ``first[i]`` on by ``by[i]`` seconds."""

    first: np.ndarray
    by: np.ndarray

    def at(self, number: int) -> float:
        return float(self.by[np.searchsorted(self.first, number, "right") - 1])

    def of(self, count: int) -> np.ndarray:
        """The shift of every packet, [count] seconds."""
        return self.by[np.searchsorted(self.first, np.arange(count), "right") - 1]


def shifts(tracks: dict[int, Track], pieces: bool) -> dict[int, Shifts]:
    """The shifts of each track; empty where one clock runs through.

    Args:
        pieces: whether the format allows clocks to jump ahead.
    """
    starts = _boundaries(tracks, pieces)
    if not starts:
        return {}
    firsts = {name: [0] for name in tracks}
    moved = {name: [0.0] for name in tracks}
    for begin, following in zip(starts, [*starts, {}][1:], strict=True):
        by = _continued(tracks, firsts, moved, begin, following)
        for name, first in begin.items():
            firsts[name].append(first)
            moved[name].append(by)
    return {name: Shifts(np.array(firsts[name]), np.array(moved[name])) for name in tracks}


def _continued(
    tracks: dict[int, Track],
    firsts: dict[int, list[int]],
    moved: dict[int, list[float]],
    begin: dict[int, int],
    following: dict[int, int],
) -> float:
    """The shift of an epoch so that none of its tracks overlaps with what came before."""
    gains, ends, beginnings = [], [], []
    for name, track in tracks.items():
        first = begin.get(name, len(track.times))
        end = _latest(track, firsts[name][-1], first)
        if np.isfinite(end):
            ends.append(end + moved[name][-1])
        if name in begin:
            own = track.times[first : following.get(name, len(track.times))]
            start = float(np.nanmin(own)) if np.isfinite(own).any() else np.nan
            beginnings.append(start)
            if np.isfinite(end):
                gains.append(end + moved[name][-1] - start)
    finite = [gain for gain in gains if np.isfinite(gain)]
    if finite:
        return max(finite)
    known = [start for start in beginnings if np.isfinite(start)]
    return max(ends) - min(known) if ends and known else 0.0


def _latest(track: Track, first: int, last: int) -> float:
    ends = track.times[first:last] + track.lasts[first:last]
    return float(np.nanmax(ends)) if np.isfinite(ends).any() else np.nan


def _boundaries(tracks: dict[int, Track], pieces: bool) -> list[dict[int, int]]:
    """For each new epoch, the index of each track's first packet in it; tracks without one are left out."""
    jumps = [(int(track.places[i]), name, i) for name, track in tracks.items() for i in _back(track)]
    if pieces:
        jumps += _ahead(tracks)
    epochs: list[dict[int, int]] = []
    lead: tuple[int, int] | None = None
    for _, name, i in sorted(jumps):
        if lead is None or name in epochs[-1] or not _near(tracks, lead, int(tracks[name].places[i])):
            epochs.append({})
            lead = name, i
        epochs[-1][name] = i
    leads = [min(float(tracks[name].places[i]) for name, i in begin.items()) for begin in epochs]
    return [_complete(tracks, begin, *places) for begin, *places in zip(epochs, leads, [*leads, np.inf][1:], strict=True)]


def _back(track: Track) -> list[int]:
    known = np.flatnonzero(np.isfinite(track.decoding))
    return known[1:][np.diff(track.decoding[known]) < -_BACK].tolist()


def _ahead(tracks: dict[int, Track]) -> list[tuple[int, int, int]]:
    """Jumps ahead common to all tracks, as (place, track, packet)."""
    pauses = {}
    for name, track in tracks.items():
        known = np.flatnonzero(np.isfinite(track.decoding))
        steps = np.diff(track.decoding[known])
        pauses[name] = [(int(i), float(step)) for i, step in zip(known[1:], steps, strict=True) if step > _SHARED][:_MOST]
    jumps = set()
    for name, own in pauses.items():
        for i, step in own:
            place = int(tracks[name].places[i])
            others = [other for other, track in tracks.items() if other != name and _spans(track, place)]
            alike = {other: _like(tracks[other], pauses[other], tracks[name].decoding[i], step) for other in others}
            if all(j is not None for j in alike.values()) if others else step > _ALONE:
                jumps.add((place, name, i))
    return sorted(jumps)


def _like(track: Track, pauses: list[tuple[int, float]], moment: float, step: float) -> int | None:
    """The packet of a track that follows a pause of the same length."""
    near = (i for i, own in pauses if abs(own - step) < _ALIKE and abs(track.decoding[i] - moment) < _INTERLEAVED)
    return next(near, None)


def _spans(track: Track, place: int) -> bool:
    return len(track.places) > 0 and bool(track.places[0] < place < track.places[-1])


def _near(tracks: dict[int, Track], lead: tuple[int, int], place: int) -> bool:
    """Whether little enough of the leading track lies between its jump and ``place`` for both to be the same jump."""
    track, first = tracks[lead[0]], lead[1]
    passed = track.decoding[first : np.searchsorted(track.places, place)]
    return not np.isfinite(passed).any() or float(np.nanmax(passed) - track.decoding[first]) < _INTERLEAVED


def _complete(tracks: dict[int, Track], begin: dict[int, int], place: float, following: float) -> dict[int, int]:
    """Add the first packets of tracks whose own times show no jump: those nearer to the new clock than to the old one.

    Args:
        place: of the first packet of the new epoch; ``following``: of the one after.
    """
    track, first = next((tracks[name], i) for name, i in begin.items() if tracks[name].places[i] == place)
    old = track.decoding[:first][np.isfinite(track.decoding[:first])][-1]
    for name, other in tracks.items():
        if name in begin:
            continue
        for i in range(int(np.searchsorted(other.places, place)), int(np.searchsorted(other.places, following))):
            now = track.decoding[max(first, int(np.searchsorted(track.places, other.places[i])) - 1)]
            if abs(other.decoding[i] - now) < abs(other.decoding[i] - old):
                begin[name] = i
                break
    return begin
