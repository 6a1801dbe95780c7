"""A clip's file as passed to user-defined feature sets. Everything is read lazily, and once."""

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
    """Names under which user files may refer to a clip: its id in the corpus, and its file's name without the extension."""
    return tuple(dict.fromkeys(name for name in (clip, Path(path).stem) if name))


class ClipFile:
    """One clip. All times are seconds on the clip's own clock.

    Attributes:
        id: the clip's id in its corpus; without a corpus, the file's name without the extension.
        path: the file.
    """

    def __init__(self, path: Path, id: str = "", faces: FaceTrack | None = None, track: int | None = None) -> None:
        """Nothing is read yet.

        Args:
            faces: the face track, if it is known.
            track: the audio track, counted from 1; default: the first that has sound.
        """
        self.path, self.id, self._track = Path(path), id or Path(path).stem, track
        if faces is not None:
            self._faces = faces

    @property
    def ids(self) -> tuple[str, ...]:
        """Names under which user files may refer to the clip: its id, and its file's name without the extension."""
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
        """The sound at its original rate: ``samples`` [channels, N] float32, ``rate`` in Hz, and ``start``."""
        return media.read_recorded(self.path, LONGEST, self._track)

    @cached_property
    def times(self) -> np.ndarray:
        """[F] seconds, the video frames."""
        return self._faces.times

    @property
    def face_boxes(self) -> np.ndarray:
        """[F, 4] float32: left, top, right, bottom of a square around the face, in fractions of the picture; NaN without."""
        return self._faces.boxes

    @property
    def face_present(self) -> np.ndarray:
        """[F] bool, whether a frame has the face."""
        return self._faces.present

    def faces(self, side: int, colour: Literal["rgb", "grey"] = "rgb") -> np.ndarray:
        """The face in every frame: [F, side, side, 3], or in grey [F, side, side], uint8; zeros where there is none.

        Raises:
            UserError: when the side is not 8 to 1024, or the colour is unknown.
        """
        if side not in _SIDES:
            raise UserError(f"Faces are {_SIDES[0]} to {_SIDES[-1]} pixels wide, not {side}.")
        if colour not in ("rgb", "grey"):
            raise UserError(f"Faces are cut in rgb or grey, not {colour}.")
        return cut_pictures(self.frames(DETECTION_SIDE), self._faces, side, colour == "rgb")

    def frames(self, max_side: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """(time, RGB picture [H, W, 3] uint8) of every frame, scaled down where a side exceeds ``max_side``."""
        return media.read_frames(self.path, max_side, LONGEST)

    @cached_property
    def _sound(self) -> tuple[np.ndarray, float]:
        sound = media.read_sound(self.path, LONGEST, track=self._track)
        return (sound.samples, sound.start) if sound is not None else (np.zeros(0, np.float32), 0.0)

    @cached_property
    def _faces(self) -> FaceTrack:
        return track_faces(self.path)
