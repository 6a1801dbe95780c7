"""Heatmaps of a clip, on the clip's scale and the video's frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.explain.attending import attends, frame_by_frame
from affectscope.core.explain.methods import METHODS, SIDE, enlarged
from affectscope.core.explain.road import VisualRoad


def heatmaps(road: VisualRoad, heads: tuple[str, ...], explanation: str | None = None) -> dict[str, np.ndarray]:
    """Where each head looked for its class, [P, SIDE, SIDE] float32 in 0..1, on the clip's scale (see ``to_clip_scale``).

    Args:
        heads: the road's scores.
        explanation: one of ``fitting``, the first of them if left out.
    """
    maps = METHODS[explanation or fitting(road)[0]].maps(road)
    return {head: to_clip_scale(_numbers(enlarged(one))) for head, one in zip(heads, maps, strict=True)}


_FIRST = ("gradient-attention", "layer-cam-product", "layer-cam", "hires-cam")
_NEEDS = {"layer": "a layer to read", "layers": "two layers to read", "tokens": "tokens that attend to each other"}


def fitting(road: VisualRoad) -> tuple[str, ...]:
    """The methods that can read a road, the one that is taken where nobody chose first.

    That is attention where an encoder's tokens attend, both layers where there are two, a layer where there is one, gradient
    times input where there are pixels alone.
    """
    can = {"pixels": True, "layer": len(road.layers) > 0, "layers": len(road.layers) > 1, "tokens": attends(road)}
    names = [name for name in METHODS if can[METHODS[name].reads]]
    order = _FIRST if can["tokens"] and frame_by_frame(road) else _FIRST[1:]
    first = next(name for name in order if name in names)
    return first, *(name for name in names if name != first)


def chosen(road: VisualRoad, explanation: str | None) -> tuple[str, tuple[str, ...]]:
    """The method that draws the heatmaps, and all that could.

    Raises:
        UserError: when there is no such method, or this road has not what it reads.
    """
    offered = fitting(road)
    if explanation is None or explanation in offered:
        return explanation or offered[0], offered
    method = METHODS[explanation]
    raise UserError(
        f"{method.title} needs {_NEEDS[method.reads]}, and this model's picture network has none: "
        f"choose one of {', '.join(offered)}."
    )


def to_clip_scale(maps: np.ndarray) -> np.ndarray:
    """Scale [F, h, w] so that 1 is the clip's strong frame: the 95th percentile of the frames' largest values.

    One outlier would otherwise leave all other frames blank; what lies above 1 is cut.
    """
    peaks = maps.max((1, 2))
    strong = np.percentile(peaks[peaks > 0], 95) if (peaks > 0).any() else 1.0
    return np.clip(maps / strong, 0, 1)


def on_video(maps: Mapping[str, np.ndarray], frames: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Maps [P, h, w] of some frames as those of all ``count``: zeros where there is none."""
    found = {}
    for head, one in maps.items():
        found[head] = np.zeros((count, SIDE, SIDE), np.float32)
        found[head][frames] = one
    return found


def _numbers(maps: Tensor) -> np.ndarray:
    return maps.detach().float().cpu().numpy()
