"""A clip's file for a user's own feature set: everything is computed on demand, and once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from affectscope.core import media
from affectscope.core.errors import UserError
from affectscope.core.features.extractors.faces import DETECTION_SIDE, FaceTrack, cut_pictures, track_faces
from affectscope.core.media import Recording

LONGEST = 1800.0
_SIDES = range(8, 1025)


def ids_of(path: Path, clip: str = "") -> tuple[str, ...]:
    """The names under which a clip is looked up: its id in the corpus, and its file name without extension."""
    return tuple(dict.fromkeys(name for name in (clip, Path(path).stem) if name))


class ClipFile:
    """One clip. All times are seconds on the clip's own clock.

    Attributes:
        id: the clip's id in the corpus; without a corpus, the file name without extension.
        path: the file.
    """

    def __init__(self, path: Path, id: str = "", faces: FaceTrack | None = None, track: int | None = None) -> None:
        """
        Args:
            faces: where the face that is read is, if that is known.
            track: the sound track that is heard, counted from 1; the first with sound if left out.
        """
        self.path, self.id, self._track = Path(path), id or Path(path).stem, track
        if faces is not None:
            self._faces = faces

    @property
    def ids(self) -> tuple[str, ...]:
        """The names under which the clip is looked up: its id, and its file name without extension."""
        return ids_of(self.path, self.id)

    @cached_property
    def duration(self) -> float:
        """The duration in seconds."""
        return media.probe(self.path, LONGEST, self._track).duration

    @property
    def sound(self) -> np.ndarray:
        """Mono samples [N] float32 at 16 kHz, -1..1; empty without an audio track. The first is at ``sound_start``."""
        return self._sound[0]

    @property
    def sound_start(self) -> float:
        """The time of the first sample in seconds, which may differ from 0."""
        return self._sound[1]

    @cached_property
    def recorded(self) -> Recording:
        """The audio as recorded: ``samples`` [channels, N] float32, ``rate`` samples per second, and ``start`` in seconds."""
        return media.read_recorded(self.path, LONGEST, self._track)

    @cached_property
    def times(self) -> np.ndarray:
        """[F] the times of the video frames in seconds."""
        return self._faces.times

    @property
    def face_boxes(self) -> np.ndarray:
        """[F, 4] float32: left, top, right, bottom of a square around the analysed face, as fractions of the picture; NaN
        without a face."""
        return self._faces.boxes

    @property
    def face_present(self) -> np.ndarray:
        """[F] bool, whether a frame has the face."""
        return self._faces.present

    def faces(self, side: int, colour: Literal["rgb", "grey"] = "rgb") -> np.ndarray:
        """The face in every frame: [F, side, side, 3] or, in grey, [F, side, side] uint8; zeros without a face.

        Raises:
            UserError: if the side is not 8 to 1024, or there is no such colour.
        """
        if side not in _SIDES:
            raise UserError(f"Faces are {_SIDES[0]} to {_SIDES[-1]} pixels wide, not {side}.")
        if colour not in ("rgb", "grey"):
            raise UserError(f"Faces are cut in rgb or grey, not {colour}.")
        return cut_pictures(self.frames(DETECTION_SIDE), self._faces, side, colour == "rgb")

    def frames(self, max_side: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """(time, RGB image [H, W, 3] uint8) of every frame; downscaled if a side is longer than ``max_side``."""
        return media.read_frames(self.path, max_side, LONGEST)

    @cached_property
    def _sound(self) -> tuple[np.ndarray, float]:
        sound = media.read_sound(self.path, LONGEST, track=self._track)
        return (sound.samples, sound.start) if sound is not None else (np.zeros(0, np.float32), 0.0)

    @cached_property
    def _faces(self) -> FaceTrack:
        return track_faces(self.path)
