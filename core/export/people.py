"""Boxes and numbers of the other people in the picture, drawn as in the player."""

from __future__ import annotations

import cv2
import numpy as np

from affectscope.core.timeline.timeline import Timeline

_INK, _SHADE = (235, 238, 242), (20, 22, 26)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def with_others(picture: np.ndarray, timeline: Timeline, index: int) -> np.ndarray:
    """An RGB picture [H, W, 3] with thin boxes around the other people of frame ``index``, and everybody's number.

    Unchanged if there is nobody else.
    """
    people = timeline.people
    if len(people) < 2 or not 0 <= index < people.shape[1]:
        return picture
    height, width = picture.shape[:2]
    painted, scale = np.ascontiguousarray(picture).copy(), max(0.4, width / 1400)
    for number, box in enumerate(people[:, index], 1):
        if not np.isfinite(box).all():
            continue
        left, top, right, bottom = (round(float(v)) for v in box * (width, height, width, height))
        if number != timeline.face:
            cv2.rectangle(painted, (left, top), (right, bottom), _INK, 1)
        at = right - round(22 * scale * len(str(number))), max(top - 4, round(22 * scale))
        for colour, thick in ((_SHADE, 3), (_INK, 1)):
            cv2.putText(painted, str(number), at, _FONT, scale, colour, thick, cv2.LINE_AA)
    return painted
