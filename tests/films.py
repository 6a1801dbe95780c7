"""Films of several people, put together from the bundled demo clips: side by side, crossing, with a cut, one of them leaving."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from affectscope.core.corpora import bundled
from affectscope.core.media import read_frames, read_sound
from affectscope.core.media.write import encode

FPS = 25
WIDTH, HEIGHT = 640, 320
"""Of a film, in pixels."""

Way = Callable[[float], tuple[float, float, float]]
"""Seconds -> where the middle of a person's picture is, in pixels of the film, and its side; a side of 0 is out of sight."""


def still(x: float, side: float = 300, y: float = HEIGHT / 2) -> Way:
    return lambda time: (x, y, side)


def film(out: Path, people: dict[str, Way], seconds: float, sound: str = "") -> Path:
    """Write a film.

    Args:
        people: demo clip -> how its picture moves; later ones are in front.
        sound: the demo clip that is heard.
    """
    frames = ((i / FPS, _picture(people, i / FPS)) for i in range(round(seconds * FPS)))
    encode(out, frames, read_sound(_file(sound)) if sound else None, FPS)
    return out


def cut(out: Path, scenes: list[tuple[dict[str, Way], float]]) -> Path:
    """Write a film of several scenes, (people, seconds), one after the other."""

    def frames():
        start = 0.0
        for people, seconds in scenes:
            for i in range(round(seconds * FPS)):
                yield start + i / FPS, _picture(people, i / FPS)
            start += seconds

    encode(out, frames(), None, FPS)
    return out


def _picture(people: dict[str, Way], time: float) -> np.ndarray:
    canvas = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    for clip, way in people.items():
        x, y, side = way(time)
        if side <= 0:
            continue
        shown = _shown(clip)
        picture = shown[min(round(time * FPS), len(shown) - 1)]
        scale = side / picture.shape[0]
        matrix = np.array([[scale, 0, x - side / 2], [0, scale, y - side / 2]], np.float32)
        # The head and shoulders alone: a frame's corners would hide the person behind.
        pasted = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        oval = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(oval, (round(x), round(y)), (round(side * 0.36), round(side * 0.5)), 0, 0, 360, 255, -1)
        canvas[oval > 0] = pasted[oval > 0]
    return canvas


@lru_cache(maxsize=8)
def _shown(clip: str) -> list[np.ndarray]:
    return [picture for _, picture in read_frames(_file(clip), 640)]


def _file(clip: str) -> Path:
    return bundled().media(clip)


def shows(emotion: str, number: int) -> str:
    """The demo clip of the speaker with that number, from 0, whose face shows an emotion."""
    table = bundled().table
    speaker = sorted(table.speaker.unique())[number]
    return str(table.index[(table.speaker == speaker) & (table.visual_emotion == emotion)][0])
