"""The face itself as features: grey crops, small enough to be a stream."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from core.features.faces import FaceTrack, cut_crops
from core.streams import Stream


def face_pixels(path: Path, track: FaceTrack, side: int) -> np.ndarray:
    """The face of every frame, [F, side * side] uint8 grey; zeros where there is none."""
    crops = cut_crops(path, track)
    resized = [cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA) for crop in crops]
    return np.stack(resized).reshape(len(crops), -1) if resized else np.zeros((0, side * side), np.uint8)


def pixel_stream(pixels: np.ndarray, track: FaceTrack) -> Stream:
    """Pixels [F, D] uint8 as a stream in -1..1."""
    return Stream(pixels.astype(np.float32) / 127.5 - 1, track.times, track.present)
