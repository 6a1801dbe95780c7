"""From a decoded frame to the displayed picture: rotated or mirrored as the file says, square pixels, one size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type

# Pixel aspect ratios outside this range come from damaged headers.
_NARROWEST, _WIDEST = 0.25, 4.0
# Tolerance in pixels for rounding when picture shapes are compared.
_ROUNDED = 1.5


@dataclass(frozen=True)
class Turn:
    """One of the eight orientations of a picture: an optional transposition, then flips of rows and columns."""

    swapped: bool = False
    mirrored: bool = False
    upside_down: bool = False
    exact: bool = True

    @property
    def by_browsers(self) -> bool:
        """Whether browsers apply it by themselves: all rotate by right angles, not all mirror."""
        return self.exact and not (self.swapped ^ self.mirrored ^ self.upside_down)

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """A picture [H, W, ...] in display orientation."""
        if self.swapped:
            picture = picture.swapaxes(0, 1)
        return picture[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]


AS_IT_IS = Turn()


def turn_of(frame: av.VideoFrame) -> Turn:
    """The orientation in the display matrix; other angles are rounded to right angles."""
    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return AS_IT_IS
    # x' = a x + c y, y' = b x + d y, in 16.16.
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    straight, crossed = abs(a) + abs(d), abs(b) + abs(c)
    small = min(straight, crossed) > 1e-2 * max(straight, crossed)
    if crossed > straight:
        return Turn(True, c < 0, b < 0, not small)
    return Turn(False, a < 0, d < 0, not small)


def upright_size(frame: av.VideoFrame, aspect: Fraction | None, turn: Turn) -> tuple[int, int]:
    """(height, width) of the picture with square pixels.

    Args:
        aspect: a pixel's width to height ratio, before rotation.
    """
    stretch = min(max(float(aspect), _NARROWEST), _WIDEST) if aspect else 1.0
    width = max(1, round(frame.width * stretch))
    return (width, frame.height) if turn.swapped else (frame.height, width)


def picture_of(frame: av.VideoFrame, aspect: Fraction | None, size: tuple[int, int], max_side: int | None) -> np.ndarray:
    """RGB [H, W, 3] uint8; a frame of another shape is centred, with black bars.

    Args:
        size: (height, width) of all pictures; (0, 0) for the frame's own.
        max_side: of the picture, which is never enlarged.
    """
    turn = turn_of(frame)
    own = upright_size(frame, aspect, turn)
    full = size if all(size) else own
    scale = min(1.0, max_side / max(full)) if max_side else 1.0
    height, width = (max(2, round(side * scale)) for side in full)
    if own == full or _alike(own, (height, width)):
        return _drawn(frame, turn, height, width)
    fit = min(height / own[0], width / own[1])
    inner = _drawn(frame, turn, *(min(most, max(2, round(side * fit))) for side, most in zip(own, (height, width), strict=True)))
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    below, right = height - inner.shape[0] - top, width - inner.shape[1] - left
    return cv2.copyMakeBorder(inner, top, below, left, right, cv2.BORDER_CONSTANT)


def _alike(own: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether a picture fills a size up to rounding: 240x136 is 480x270 scaled down."""
    fit = min(size[0] / own[0], size[1] / own[1])
    return all(most - side * fit <= max(_ROUNDED, _ROUNDED * fit) for side, most in zip(own, size, strict=True))


def _drawn(frame: av.VideoFrame, turn: Turn, height: int, width: int) -> np.ndarray:
    if turn.swapped:
        height, width = width, height
    # By default each frame starts its own threads, which takes longer than the work; hundreds at once exhaust the system.
    picture = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA", threads=1)
    return turn.apply(picture) if turn != AS_IT_IS else picture
