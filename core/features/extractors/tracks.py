"""Links face detections into tracks.

Our own implementation on SciPy's assignment solver (Jonker and Volgenant) with a constant-velocity model. Rejected alternatives:
`boxmot` is AGPL; `supervision` no longer has a tracker, and `trackers` installs opencv-python over the headless one; `norfair`
requires rich below 15, and assigns a face to the first track that asks, not the best; `laptrack` requires scikit-image and has no
velocity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from affectscope.core.features.extractors.cuts import apart, colour_shares

DETECTIONS_A_SECOND = 10.0
LONGEST_GAP = 0.5
# Between detections, a tenth of a second apart, one face's colours change by .4 at most on the same clips.
_AT_ONCE = 0.55
_LOOK_BINS, _LOOK_SIZE = (6, 20, 20), (32, 32)
_VELOCITY_LOOKS = 4
NEVER = 1e3

Track = list["Detection"]


@dataclass(frozen=True)
class Detection:
    """A face at one moment: centre and half side of its square, in pixels of the detector's picture.

    Attributes:
        shot: index of the shot.
        look: the colours of face, hair and collar, see ``look_of``; None if not computed.
    """

    time: float
    x: float
    y: float
    half: float
    confidence: float
    shot: int = 0
    look: np.ndarray | None = field(default=None, compare=False, repr=False)


def look_of(picture: np.ndarray, x: float, y: float, half: float) -> np.ndarray:
    """Colour histogram of a face with its hair, and of the collar below it, in an RGB picture; norm 1."""
    height, width = picture.shape[:2]
    parts = []
    for down, across, tall in ((0.0, 0.8, 1.0), (1.5, 1.0, 0.35)):
        left, right = np.clip([x - across * half, x + across * half], 0, width - 1).astype(int)
        top, bottom = np.clip([y + (down - tall) * half, y + (down + tall) * half], 0, height - 1).astype(int)
        step = max(1, (right - left) // (2 * _LOOK_SIZE[0]))
        part = picture[top : bottom + 1 : step, left : right + 1 : step]
        parts.append(colour_shares(cv2.resize(part, _LOOK_SIZE, interpolation=cv2.INTER_AREA), _LOOK_BINS))
    return np.concatenate(parts) / np.sqrt(len(parts))


def link(samples: Sequence[Sequence[Detection]]) -> list[Track]:
    """Link the detections of each sampled moment into tracks, which end at cuts and at gaps above ``LONGEST_GAP``.

    A longer interval without samples, as in a video with one frame per second, is not a gap.
    """
    # Imported late: SciPy is slow to import, and not needed for cached features.
    from scipy.optimize import linear_sum_assignment

    tracks: list[Track] = []
    for before, moment in pairwise(((), *samples)):
        if not moment:
            continue
        now, shot = moment[0].time, moment[0].shot
        just_seen = set(map(id, before))
        free = [
            track for track in tracks
            if track[-1].shot == shot and (now - track[-1].time <= LONGEST_GAP or id(track[-1]) in just_seen)
        ]  # fmt: skip
        costs = np.array([[_cost(track, face) for face in moment] for track in free]).reshape(len(free), len(moment))
        taken = set()
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            if costs[row, column] < NEVER:
                free[row].append(moment[column])
                taken.add(column)
        tracks += [[face] for number, face in enumerate(moment) if number not in taken]
    return tracks


def _cost(track: Track, face: Detection) -> float:
    last = track[-1]
    x, y = _predicted(track, face.time)
    size = max(last.half, face.half)
    off, moved = np.hypot(x - face.x, y - face.y) / size, np.hypot(last.x - face.x, last.y - face.y) / size
    apartness = unlike(last.look, face.look)
    if min(off, moved) >= 1 or not 0.5 < last.half / face.half < 2 or apartness > _AT_ONCE:
        return NEVER
    return float(off + abs(np.log(last.half / face.half))) + apartness


def _predicted(track: Track, time: float) -> tuple[float, float]:
    """Position extrapolated at constant velocity."""
    recent = track[-_VELOCITY_LOOKS:]
    last = recent[-1]
    if len(recent) < 2:
        return last.x, last.y
    moments = np.array([d.time for d in recent])
    centred = moments - moments.mean()
    slopes = centred @ np.array([(d.x, d.y) for d in recent]) / (centred @ centred)
    return last.x + slopes[0] * (time - last.time), last.y + slopes[1] * (time - last.time)


def mean_look(track: Track) -> np.ndarray | None:
    looks = [d.look for d in track if d.look is not None]
    if not looks:
        return None
    mean = np.mean(looks, 0)
    return mean / max(1e-9, float(np.linalg.norm(mean)))


def unlike(a: np.ndarray | None, b: np.ndarray | None) -> float:
    """Dissimilarity of two appearances; 0 if one is unknown."""
    return apart(a, b) if a is not None and b is not None else 0.0
