"""The three stages of extraction: decode, detect, encode. They exchange dicts of arrays.

They do not depend on where they run: in one process, in several, or on a Ray cluster.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch

from affectscope.core import media
from affectscope.core.cache.store import Arrays, cache_root
from affectscope.core.errors import UserError
from affectscope.core.features.base import NO_CROPS
from affectscope.core.features.clipfile import ClipFile
from affectscope.core.features.extractors.faces import (
    DETECTION_SIDE,
    CropKind,
    FaceDetector,
    FaceTrack,
    Pictures,
    cut_pictures,
    track_pictures,
)
from affectscope.core.features.sets import FEATURE_SETS

# Larger clips are decoded again instead of being passed on. Crops beyond this are memory-mapped from a file.
MOST_PICTURES = 256 << 20
# Longer than the dashboard allows, because no model attends over a whole recording here: Aff-Wild2 has videos of half an hour.
LONGEST = 1800
# A track that ends before this share of its length, less some slack, was truncated. If a track does not state its length, the
# file's is used, which may be that of another track.
_WHOLE, _HALF, _SLACK = 0.9, 0.5, 0.5


@dataclass(frozen=True)
class Task:
    """What to extract from one clip.

    Attributes:
        weights: feature set -> path, for sets that need weights.
    """

    clip: str
    path: Path
    sets: tuple[str, ...]
    weights: Mapping[str, Path]
    device: str = "cpu"

    @property
    def needs(self) -> frozenset[str]:
        """What the sets need: ``sound``, kinds of crops, ``file``, ``faces``, ``arrays``."""
        return frozenset(FEATURE_SETS[name].needs for name in self.sets)

    @property
    def crops(self) -> Sequence[str]:
        return sorted(self.needs - NO_CROPS)

    @property
    def faces(self) -> bool:
        """Whether faces have to be detected."""
        return bool(self.crops) or "faces" in self.needs


def decode(task: Task) -> Arrays:
    """``duration``; ``sound`` and ``sound_start`` if needed and available; ``pictures`` [F, H, W, 3] and their ``moments`` [F].

    Raises:
        UserError: when the file cannot be decoded, or is truncated.
    """
    arrays: Arrays = {"duration": np.array(media.probe(task.path, LONGEST).duration)}
    if "sound" in task.needs:
        sound = media.read_sound(task.path, LONGEST)
        _check_whole(task.path, "audio", sound.start + len(sound.samples) / media.SAMPLE_RATE if sound else 0.0)
        if sound is not None:
            arrays |= {"sound": sound.samples, "sound_start": np.array(sound.start)}
    if task.faces:
        arrays |= _pictures(task.path)
    return arrays


def detect(task: Task, arrays: Arrays) -> Arrays:
    """Replace the pictures by ``times`` and ``boxes`` [F, 4] of the main face, and its crops unless they are too large."""
    if not task.faces:
        return arrays
    kept = {name: array for name, array in arrays.items() if name not in ("pictures", "moments")}
    track = track_pictures(_again(task.path, arrays), _detector())
    _check_whole(task.path, "video", float(track.times[-1]) if len(track.times) else 0.0)
    kept |= {"times": track.times, "boxes": track.boxes}
    for kind in task.crops:
        if _bytes(kind, track) <= MOST_PICTURES:
            kept[kind] = _crops(kind, _again(task.path, arrays), track)
    return kept


def encode(task: Task, arrays: Arrays) -> dict[str, Arrays]:
    """Feature set -> ``values``, ``times`` and ``present``, and the clip's ``duration``."""
    made = {}
    faces = FaceTrack(arrays["times"], arrays["boxes"]) if "boxes" in arrays else None
    clip = ClipFile(task.path, task.clip, faces)
    with _late_crops(task, arrays) as late:
        for name in task.sets:
            feature_set = FEATURE_SETS[name]
            stream = feature_set.make(clip, {**arrays, **late}, feature_set.load(task.weights.get(name), task.device))
            values = stream.values.astype(np.uint8 if feature_set.pixels else np.float32, copy=False)
            made[name] = {"values": values, "times": stream.times, "present": stream.present, "duration": arrays["duration"]}
    return made


@contextmanager
def _late_crops(task: Task, arrays: Arrays) -> Iterator[Arrays]:
    """Crops that were too large to pass on, in memory-mapped files, so that the system can swap them out."""
    late: Arrays = {}
    with ExitStack() as stack:
        for kind in task.crops:
            if kind in arrays or "boxes" not in arrays:
                continue
            track = FaceTrack(arrays["times"], arrays["boxes"])
            folder = cache_root()
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            room = np.memmap(file, np.uint8, "w+", shape=CropKind.of(kind).shape(track))
            late[kind] = _crops(kind, media.read_frames(task.path, DETECTION_SIDE, LONGEST), track, room)
        yield late


def cut(kind: str, path: Path, track: FaceTrack) -> np.ndarray:
    """Cut crops of a kind from a file whose face track is known."""
    return _crops(kind, media.read_frames(path, DETECTION_SIDE, LONGEST), track)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and OpenCV to one thread: each worker has one core, and other thread counts change the last digits."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _check_whole(path: Path, kind: str, reached: float) -> None:
    """Detect a truncated download. It plays up to its end, and only the header tells that more should follow.

    Raises:
        UserError: when a track ends long before its stated length.
    """
    end, surely = media.track_ends(path).get(kind, (0.0, False))
    if reached < (_WHOLE if surely else _HALF) * min(end, LONGEST) - _SLACK:
        raise UserError(f"{path.name} ends after {reached:.1f} of {end:.1f} s ({kind}): it is cut short; copy it again.")


def _pictures(path: Path) -> Arrays:
    moments: list[float] = []
    pictures: list[np.ndarray] = []
    size = 0
    for time, picture in media.read_frames(path, DETECTION_SIDE, LONGEST):
        size += picture.nbytes
        if size > MOST_PICTURES or (pictures and picture.shape != pictures[0].shape):
            return {}
        moments.append(time)
        pictures.append(picture)
    return {"moments": np.array(moments), "pictures": np.stack(pictures) if pictures else np.zeros((0, 2, 2, 3), np.uint8)}


def _again(path: Path, arrays: Arrays) -> Pictures:
    if "pictures" in arrays:
        return zip(arrays["moments"].tolist(), arrays["pictures"], strict=True)
    return media.read_frames(path, DETECTION_SIDE, LONGEST)


def _crops(name: str, pictures: Pictures, track: FaceTrack, out: np.ndarray | None = None) -> np.ndarray:
    kind = CropKind.of(name)
    return cut_pictures(pictures, track.within(kind.part), kind.side, kind.colour, out)


def _bytes(kind: str, track: FaceTrack) -> int:
    return math.prod(CropKind.of(kind).shape(track))


@lru_cache(maxsize=1)
def _detector() -> FaceDetector:
    return FaceDetector()
