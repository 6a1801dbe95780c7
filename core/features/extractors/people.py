"""Groups face tracks into people: re-identification after a gap, a cut or a crossing, and what is uncertain about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from affectscope.core.features.extractors.tracks import (
    DETECTIONS_A_SECOND,
    LONGEST_GAP,
    NEVER,
    Detection,
    Track,
    link,
    mean_look,
    unlike,
)

SHORTEST_TRACK = 0.3
# A person other than the main face needs so many detections, and such confidence: patterns are sometimes detected as faces.
_SHORTEST_OTHER, _SUREST = 5, 0.95
# Hellinger distance between two tracks' colours (face, hair and collar). Halves of one track differ by .25 at most (67 clips); 95
# % of different people by more than .68. Below the first they are alike, above the second different.
ALIKE, UNLIKE = 0.45, 0.68
# Margin by which one of two continuations after a crossing has to look closer.
_SURE = 0.1
# Faces meet when their centres are closer than this many half sides; detections closer than the second are one face.
_MEETING, _ONE_PLACE = 1.5, 0.6
_MOST_LISTED = 5


@dataclass(frozen=True)
class People:
    """The people in a clip, in order of size and time on screen.

    Attributes:
        tracks: each person's detections, in order of time.
        remarks: one sentence each about how identities were decided.
    """

    tracks: tuple[list[Track], ...] = ()
    remarks: tuple[str, ...] = ()


def people(samples: Sequence[Sequence[Detection]]) -> People:
    """Group the detections of each sampled moment into people.

    Tracks that never overlap in time are one person unless they look different, so a face that leaves and returns, or continues
    after a cut, keeps its identity. Tracks shorter than ``SHORTEST_TRACK`` are discarded.
    """
    needed = min(SHORTEST_TRACK * DETECTIONS_A_SECOND, max(1, len(samples) // 2))
    tracks = [track for track in link(samples) if len(track) >= needed]
    tracks, alike = _part_at_meetings(tracks, needed)
    groups, doubts = _join(tracks, needed)
    groups.sort(key=lambda group: -sum(_weight(track) for track in group))
    least = min(_SHORTEST_OTHER, max(1, len(samples) // 2))
    persons = [group for number, group in enumerate(groups) if not number or _is_somebody(group, least)]
    persons = [sorted(group, key=lambda track: track[0].time) for group in persons]
    return People(tuple(persons), (*_told(samples, persons), *alike, *doubts))


def main_tracks(samples: Sequence[Sequence[Detection]]) -> list[Track]:
    """Detections of the main person (the largest and longest seen), in order of time."""
    tracks = people(samples).tracks
    return tracks[0] if tracks else []


def _part_at_meetings(tracks: Sequence[Track], needed: float) -> tuple[list[Track], list[str]]:
    """Split tracks that met another face and look like somebody else afterwards; also returns who was too alike to tell."""
    parted, alike = {n: [track] for n, track in enumerate(tracks)}, []
    for a, b in combinations(parted, 2):
        for start, end in _meetings(tracks[a], tracks[b]):
            sides = [_around(tracks[n], start, end) for n in (a, b)]
            for n, (before, after) in zip((a, b), sides, strict=True):
                if unlike(mean_look(before), mean_look(after)) > ALIKE:
                    parted[n] = [part for whole in parted[n] for part in _halves(whole, start, end, needed)]
            (first, _), (second, _) = sides
            # If only one of them continues, nothing can be confused.
            later = [track for track in tracks if track[-1].time > end + LONGEST_GAP and track[0].time < end + 1.5]
            if first and second and len(later) > 1 and unlike(mean_look(first), mean_look(second)) < ALIKE:
                alike.append(
                    f"Two faces meet at {start:.1f} s and look alike: who is who after it was told by their paths alone."
                )
    return [part for parts in parted.values() for part in parts], list(dict.fromkeys(alike))


def _halves(track: Track, start: float, end: float, needed: float) -> list[Track]:
    early, late = [d for d in track if d.time <= start], [d for d in track if d.time > end]
    return [early, late] if min(len(early), len(late)) >= needed else [track]


def _meetings(a: Track, b: Track) -> list[tuple[float, float]]:
    """Intervals in which two faces overlap; a face hidden there is assumed to be moving on."""
    first, last = max(a[0].time, b[0].time), min(a[-1].time, b[-1].time)
    if first > last:
        return []
    inside = np.unique([d.time for d in (*a, *b) if first <= d.time <= last])
    (ax, ay, ah), (bx, by, bh) = (_at(track, inside) for track in (a, b))
    close = inside[np.hypot(ax - bx, ay - by) < _MEETING * np.maximum(ah, bh)]
    spans: list[tuple[float, float]] = []
    for time in close.tolist():
        if spans and time - spans[-1][1] <= 2 * LONGEST_GAP:
            spans[-1] = spans[-1][0], time
        else:
            spans.append((time, time))
    return spans


def _at(track: Track, moments: np.ndarray) -> np.ndarray:
    """[3, T] centre and half side."""
    known = [d.time for d in track]
    return np.array([np.interp(moments, known, [getattr(d, name) for d in track]) for name in ("x", "y", "half")])


def _around(track: Track, start: float, end: float) -> tuple[Track, Track]:
    """A face's detections in the second before an interval, and in the second after it."""
    return [d for d in track if start - 1 <= d.time < start], [d for d in track if end < d.time <= end + 1]


@dataclass
class _Group:
    """Tracks of one person, and the sum of their appearances."""

    tracks: list[Track]
    looks: np.ndarray | float

    @classmethod
    def of(cls, track: Track) -> _Group:
        return cls([track], sum((d.look for d in track if d.look is not None), 0.0))

    @property
    def look(self) -> np.ndarray | None:
        return self.looks / max(1e-9, float(np.linalg.norm(self.looks))) if isinstance(self.looks, np.ndarray) else None

    def take(self, other: _Group, needed: float) -> None:
        for track in other.tracks:
            rest = [d for d in track if not any(t[0].time <= d.time <= t[-1].time for t in self.tracks)]
            if len(rest) >= needed:
                self.tracks.append(rest)
        self.looks = self.looks + other.looks


def _join(tracks: Sequence[Track], needed: float) -> tuple[list[list[Track]], list[str]]:
    """Groups of tracks, one per person, merged closest first; and what was uncertain about it."""
    groups = [_Group.of(track) for track in sorted(tracks, key=_weight, reverse=True)]
    costs = np.full((len(groups), len(groups)), np.inf)
    for i, j in combinations(range(len(groups)), 2):
        costs[i, j] = costs[j, i] = _between(groups[i], groups[j])
    doubts: list[str] = []
    while costs.size:
        i, j = sorted(divmod(int(costs.argmin()), len(costs)))
        cost = costs[i, j]
        if cost >= UNLIKE:
            break
        # Seen beside one of the two, and about as close to the other.
        if ((np.maximum(costs[i], costs[j]) == NEVER) & (np.minimum(costs[i], costs[j]) < cost + _SURE)).any():
            first = max(min(track[0].time for track in groups[n].tracks) for n in (i, j))
            doubts.append(f"From {first:.1f} s on faces look alike: who is who was told by their places alone.")
        groups[i].take(groups.pop(j), needed)
        costs = np.delete(np.delete(costs, j, 0), j, 1)
        for k in range(len(groups)):
            costs[i, k] = costs[k, i] = _between(groups[i], groups[k]) if k != i else np.inf
    return [group.tracks for group in groups], list(dict.fromkeys(doubts))


def _between(a: _Group, b: _Group) -> float:
    """Dissimilarity of two groups of tracks; they are two people if both are seen at once in two places."""
    at_once = [
        (of_a, of_b) for of_a in a.tracks for of_b in b.tracks if of_a[0].time <= of_b[-1].time and of_b[0].time <= of_a[-1].time
    ]
    if at_once:
        return NEVER if any(_two_places(of_a, of_b) for of_a, of_b in at_once) else 0.0
    first, second = sorted((max(a.tracks, key=_end), min(b.tracks, key=_end)), key=_end)
    way = np.hypot(first[-1].x - second[0].x, first[-1].y - second[0].y) / max(first[-1].half, second[0].half)
    return unlike(a.look, b.look) + 0.02 * min(float(way), 5.0)


def _two_places(a: Track, b: Track) -> bool:
    first, last = max(a[0].time, b[0].time), min(a[-1].time, b[-1].time)
    moments = np.unique([first, last, *(d.time for d in a if first <= d.time <= last)])
    (ax, ay, half), (bx, by, _) = _at(a, moments), _at(b, moments)
    return bool(np.median(np.hypot(ax - bx, ay - by) / half) > _ONE_PLACE)


def _end(track: Track) -> float:
    return track[-1].time


def _told(samples: Sequence[Sequence[Detection]], persons: Sequence[Sequence[Track]]) -> list[str]:
    """Remarks about cuts that have faces on both sides, and about faces that return looking different."""
    begins: dict[int, float] = {}
    for moment in samples:
        for d in moment:
            begins.setdefault(d.shot, d.time)
    goes_on: dict[str, list[float]] = {}
    before: dict[int, Track] = {}
    returns = []
    for shot, time in sorted(begins.items()):
        now = {n: [track for track in group if track[0].shot == shot] for n, group in enumerate(persons, 1)}
        now = {n: tracks for n, tracks in now.items() if tracks}
        if kept := now.keys() & before.keys():
            doubt = any(unlike(mean_look(before[n]), mean_look(now[n][0])) > ALIKE for n in kept)
            whose = "the face" if len(persons) == 1 else numbered(kept)
            who = "is taken to be the same person's" if len(kept) == 1 else "are taken to be the same people's"
            how = "though it looks somewhat unlike the one before" if doubt else "by colours alone"
            goes_on.setdefault(f"{whose} after it {who}, {how}", []).append(time)
        if before and (new := now.keys() - before.keys()):
            who = "is taken to be another person" if len(new) == 1 else "are taken to be other people"
            goes_on.setdefault(f"{numbered(new)} after it {who}", []).append(time)
        for number, tracks in now.items():
            returns += [
                f"Face {number} comes back at {later[0].time:.1f} s and looks somewhat unlike before: it may be another's."
                for earlier, later in pairwise(tracks)
                if unlike(mean_look(earlier), mean_look(later)) > ALIKE
            ]
            before[number] = tracks[-1]
    cuts = [f"The picture cuts at {_listed([f'{t:.1f} s' for t in times])}: {what}." for what, times in goes_on.items()]
    return [*cuts, *returns]


def numbered(numbers: Iterable[int]) -> str:
    """Faces by number, in words: ``face 2``, ``faces 1 and 2``."""
    names = [str(n) for n in sorted(numbers)]
    return f"face{'s' if len(names) > 1 else ''} {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_LISTED:
        names = [*names[:_MOST_LISTED], f"{len(names) - _MOST_LISTED} more times"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _is_somebody(group: Sequence[Track], least: int) -> bool:
    sure = [d.confidence for track in group for d in track]
    return len(sure) >= least and float(np.mean(sure)) >= _SUREST


def _weight(track: Track) -> float:
    return sum(d.half**2 * d.confidence for d in track)
