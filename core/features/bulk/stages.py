"""The three stages of a clip on its way into a store: decode, detect, encode. What passes between them is a dict of arrays.

They know nothing of where they run: in this process, in processes that pass arrays through memory, or on a Ray cluster.
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

# Pictures of a clip that take more are not passed on, but decoded again; crops that do lie in a file while they are used.
MOST_PICTURES = 256 << 20
# Nobody attends over a whole recording here, as the dashboard does: Aff-Wild2 has videos of nearly half an hour.
LONGEST = 1800
# A track that reaches less of its length than this, and some more, was cut off. Of one that does not say its own length the
# file's is known, which may be another track's.
_WHOLE, _HALF, _SLACK = 0.9, 0.5, 0.5


@dataclass(frozen=True)
class Task:
    """What is to be made of one clip.

    Attributes:
        weights: feature set -> path, for the sets that need any.
    """

    clip: str
    path: Path
    sets: tuple[str, ...]
    weights: Mapping[str, Path]
    device: str = "cpu"

    @property
    def needs(self) -> frozenset[str]:
        """What the sets need of the clip: ``sound``, kinds of crops, ``file``, ``faces``, ``arrays``."""
        return frozenset(FEATURE_SETS[name].needs for name in self.sets)

    @property
    def crops(self) -> Sequence[str]:
        return sorted(self.needs - NO_CROPS)

    @property
    def faces(self) -> bool:
        """Whether the face has to be found."""
        return bool(self.crops) or "faces" in self.needs


def decode(task: Task) -> Arrays:
    """``duration``; ``sound`` and ``sound_start`` where asked for and there; ``pictures`` [F, H, W, 3] with ``moments`` [F].

    Raises:
        UserError: when the file cannot be played, or is cut short.
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
    """Instead of the pictures, ``times`` and ``boxes`` [F, 4] of the main face, and its crops where they are not too many."""
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
    """The crops that were too large to be passed on, in files that the system can write out when memory is short."""
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
    """The crops of a kind, of a file whose face is known."""
    return _crops(kind, media.read_frames(path, DETECTION_SIDE, LONGEST), track)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch and OpenCV: a worker has one core, and other numbers of threads give other last digits."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _check_whole(path: Path, kind: str, reached: float) -> None:
    """A download that was cut off plays to where it ends: nothing but its header knows of the rest.

    Raises:
        UserError: when a track ends long before it should.
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
