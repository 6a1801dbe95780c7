"""The pointing game on ground truth: where the face moves, when, and which modality carries the emotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from affectscope.core.features.extractors.faces import FaceTrack

if TYPE_CHECKING:
    # Imports pandas.
    from affectscope.core.corpora import Truth

_CARRIERS = {"audio": "audio", "visual": "visual"}


@dataclass(frozen=True)
class Pointed:
    """Whether the maximum of a map agrees with the clip's ground truth, in place and time.

    Attributes:
        frames: number of apex frames used; 0 for a lane.
        place: share of them whose maximum is where the face moves for the emotion (the pointing game, Zhang et al. 2016); NaN
            without any.
        place_chance: that region's mean share of the face's box.
        time: whether the frame or window with the maximum is within the apex; None where there is no apex.
        time_chance: the share of frames or windows within the apex.
    """

    frames: int
    place: float
    place_chance: float
    time: bool | None
    time_chance: float


def pointed(maps: np.ndarray, frames: np.ndarray, faces: FaceTrack, truth: Truth) -> Pointed | None:
    """For a heatmap [P, h, w] on the face's box in these frames [P] of the video; None where the face shows no emotion."""
    span = apex(truth)
    if span is None or not len(frames):
        return None
    times = faces.times[frames]
    within = (times >= span[0]) & (times <= span[1])
    hits, shares = [], []
    for values, frame in zip(maps[within], frames[within], strict=True):
        mask = truth.mask[int(np.abs(truth.times - faces.times[frame]).argmin())]
        inside = region_in_crop(mask, faces.boxes[frame], *values.shape)
        # An empty map counts as a miss.
        hits.append(bool(values.any() and inside.flat[values.argmax()] > 0.5))
        shares.append(float(inside.mean()))
    totals = maps.sum((1, 2))
    when = bool(totals.any() and within[totals.argmax()]) if within.any() else None
    nan = float("nan")
    place, chance = (float(np.mean(hits)), float(np.mean(shares))) if hits else (nan, nan)
    return Pointed(len(hits), place, chance, when, float(within.mean()))


def pointed_lane(values: np.ndarray, middles: np.ndarray, truth: Truth) -> Pointed | None:
    """For a lane [W] of the picture, with window centres ``middles`` [W] in seconds."""
    span = apex(truth)
    if span is None or not len(values):
        return None
    within = (middles >= span[0]) & (middles <= span[1])
    when = bool(within[values.argmax()]) if within.any() else None
    return Pointed(0, float("nan"), float("nan"), when, float(within.mean()))


def carried(shapley: Mapping[str, float], truth: Truth) -> bool | None:
    """Whether the modality with the largest Shapley value carries the emotion; None where no single modality does."""
    carrier = _CARRIERS.get(truth.carrier)
    if carrier is None or carrier not in shapley or len(shapley) < 2:
        return None
    return max(shapley, key=lambda name: shapley[name]) == carrier


def apex(truth: Truth) -> tuple[float, float] | None:
    """When the face shows the full emotion, in seconds; None where it never moves for it."""
    return next(((start, end) for name, start, end in truth.phases if name == "apex"), None) if truth.mask.any() else None


def region_in_crop(mask: np.ndarray, box: np.ndarray, height: int, width: int, samples: int = 4) -> np.ndarray:
    """The share [height, width] of each cell of a face crop that a mask covers; 0 outside the picture.

    Args:
        mask: [H, W] bool over the whole picture.
        box: left, top, right, bottom of the crop in fractions of the picture.
    """
    left, top, right, bottom = box
    x = left + (right - left) * (np.arange(width * samples) + 0.5) / (width * samples)
    y = top + (bottom - top) * (np.arange(height * samples) + 0.5) / (height * samples)
    columns, rows = np.floor(x * mask.shape[1]).astype(int), np.floor(y * mask.shape[0]).astype(int)
    inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & ((columns >= 0) & (columns < mask.shape[1]))[None]
    picked = mask[np.clip(rows, 0, mask.shape[0] - 1)[:, None], np.clip(columns, 0, mask.shape[1] - 1)[None]] & inside
    return picked.reshape(height, samples, width, samples).mean((1, 3))
