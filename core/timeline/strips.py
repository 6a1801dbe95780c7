"""Renders lanes as pictures, with one painter per kind."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from affectscope.core.player import tone
from affectscope.core.timeline.colours import EVIDENCE, MODALITIES, class_colour
from affectscope.core.timeline.timeline import Lane

_GROUND, _GREY, _ZERO = (26, 31, 38), (150, 158, 168), (52, 58, 66)


def strip(lane: Lane, duration: float, width: int, height: int, ground: tuple[int, int, int] = _GROUND) -> np.ndarray:
    """A lane as RGB [height, width, 3] uint8, time from left to right; ``ground`` is the background colour."""
    area = np.full((height, width, 3), ground, np.uint8)
    if len(lane.times):
        _PAINTERS.get(lane.kind, _paint_line)(area, lane, duration)
    return area


def _paint_weights(area: np.ndarray, lane: Lane, duration: float) -> None:
    """Bars: the mean over layers and heads; nothing where frames are absent."""
    height, width = area.shape[:2]
    there = np.isfinite(lane.values)
    mean = np.where(there, lane.values, 0).sum(0) / np.maximum(there.sum(0), 1)
    index = _nearest(lane.times, duration, width)
    tall = np.where(there.any(0), 0.06 + 0.94 * mean / max(float(mean.max()), 1e-12), 0)[index]
    area[np.arange(height)[:, None] >= height * (1 - tall[None])] = MODALITIES.get(lane.group.split(".")[-1], _GREY)


def _paint_evidence(area: np.ndarray, lane: Lane, duration: float) -> None:
    """Bars with the height of the heatmap's opacity."""
    height, width = area.shape[:2]
    tall = tone.shown(lane.values[0])[_nearest(lane.times, duration, width)]
    area[np.arange(height)[:, None] >= height * (1 - tall[None])] = EVIDENCE


def _paint_stack(area: np.ndarray, lane: Lane, duration: float) -> None:
    height, width = area.shape[:2]
    moments = np.linspace(0, duration, width)
    edges = np.cumsum([np.interp(moments, lane.times, row) for row in lane.values], 0) * height
    rows = np.arange(height)[:, None]
    for index in reversed(range(len(edges))):
        area[rows < edges[index][None]] = class_colour(lane.series[index], index)


def _paint_wave(area: np.ndarray, lane: Lane, duration: float) -> None:
    height, width = area.shape[:2]
    low, high = np.nan_to_num(lane.values)[:, _nearest(lane.times, duration, width)]
    loud = max(float(np.abs(lane.values[np.isfinite(lane.values)]).max(initial=0)), 1e-6)
    rows = (0.5 - (np.arange(height)[:, None] + 0.5) / height) * 2 * loud
    area[(rows <= high + loud / height) & (rows >= low - loud / height)] = _GREY


def _paint_line(area: np.ndarray, lane: Lane, duration: float) -> None:
    """A curve per series, zero in the middle."""
    height, width = area.shape[:2]
    reach = max(float(np.abs(lane.values[np.isfinite(lane.values)]).max(initial=0)), 1e-6)
    image = Image.fromarray(area)
    pen = ImageDraw.Draw(image)
    pen.line([(0, height / 2), (width, height / 2)], _ZERO)
    moments = np.linspace(0, duration, width)
    for index, (name, row) in enumerate(zip(lane.series, lane.values, strict=True)):
        rows = height / 2 * (1 - 0.92 * np.interp(moments, lane.times, np.nan_to_num(row)) / reach)
        pen.line(list(zip(range(width), rows.tolist(), strict=True)), class_colour(name, index), max(1, height // 18))
    area[:] = np.asarray(image)


def _nearest(times: np.ndarray, duration: float, width: int) -> np.ndarray:
    """[width] int: for each column, the index of the nearest time."""
    moments = (np.arange(width) + 0.5) / width * duration
    return (
        np.abs(times[None] - moments[:, None]).argmin(1)
        if len(times) < 4000
        else np.searchsorted(times, moments).clip(max=len(times) - 1)
    )


_PAINTERS = {
    "weights": _paint_weights,
    "evidence": _paint_evidence,
    "probability": _paint_stack,
    "wave": _paint_wave,
    "line": _paint_line,
}
