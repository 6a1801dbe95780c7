"""Heatmaps of a clip, scaled per clip and on the video's frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from affectscope.core.explain.attending import attends, frame_by_frame
from affectscope.core.explain.methods import METHODS, SIDE, enlarged, take
from affectscope.core.explain.paths import VisualPath
from affectscope.core.features.extractors.encoders import placed


def heatmaps(road: VisualPath, heads: tuple[str, ...], explanation: str | None = None) -> dict[str, np.ndarray]:
    """Each head's evidence in the face box, [P, SIDE, SIDE] float32, linear, in the unit of ``in_clip_units``.

    Args:
        heads: the heads of the road's scores.
        explanation: one of ``fitting``; default: the first.
    """
    draw = METHODS[explanation or fitting(road)[0]].maps
    assert draw is not None
    maps = draw(road)
    return {head: in_clip_units(_numbers(_on_box(road, drawn))) for head, drawn in zip(heads, maps, strict=True)}


def _on_box(road: VisualPath, maps: Tensor) -> Tensor:
    whole = road.part == (0.0, 0.0, 1.0, 1.0)
    return enlarged(maps) if whole else placed(maps, road.part, (SIDE, SIDE))


_FIRST = ("gradient-attention", "contrast", "layer-cam-product", "layer-cam", "hires-cam")
_NEEDS = {"layer": "a layer to read", "layers": "two layers to read", "tokens": "tokens that attend to each other"}


def fitting(road: VisualPath) -> tuple[str, ...]:
    """The methods that apply to this model, the default first.

    The default is attention for an encoder of tokens; ``contrast`` for several layers; a CAM for one layer; gradient times input
    for pixels only.
    """
    can = {"pixels": True, "layer": len(road.layers) > 0, "layers": len(road.layers) > 1, "tokens": attends(road)}
    names = [name for name in METHODS if METHODS[name].maps is not None and can[METHODS[name].reads]]
    order = _FIRST if can["tokens"] and frame_by_frame(road) else _FIRST[1:]
    first = next(name for name in order if name in names)
    return first, *(name for name in names if name != first)


def chosen(road: VisualPath, explanation: str | None) -> tuple[str, tuple[str, ...]]:
    """The chosen heatmap method, and all that apply.

    Raises:
        UserError: when the method is unknown, or does not apply to this model.
    """
    offered = fitting(road)
    lacks = "and this model's picture network has none"
    needs = {name: f"{_NEEDS.get(METHODS[name].reads, '')}, {lacks}" for name in METHODS if METHODS[name].maps is not None}
    return take(offered, explanation, "the sound, not the picture", needs), offered


def in_clip_units(maps: np.ndarray) -> np.ndarray:
    """Scale [F, h, w] so that 1 is the 95th percentile of the frames' maxima. Values are not clipped."""
    peaks = maps.max((1, 2))
    return maps / (np.percentile(peaks[peaks > 0], 95) if (peaks > 0).any() else 1.0)


def on_video(maps: Mapping[str, np.ndarray], frames: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Maps [P, h, w] of some frames on all ``count`` frames: NaN elsewhere."""
    found = {}
    for head, drawn in maps.items():
        found[head] = np.full((count, SIDE, SIDE), np.nan, np.float32)
        found[head][frames] = drawn
    return found


def _numbers(maps: Tensor) -> np.ndarray:
    return maps.detach().float().cpu().numpy()
