"""A model's own attention over places and channels, as heatmaps and lanes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affectscope.core.explain.heatmaps import on_video, to_clip_scale
from affectscope.core.explain.methods import SIDE, enlarged
from affectscope.core.models.base import PlaceAttention
from affectscope.core.streams import Stream
from affectscope.core.timeline.timeline import Heatmap, Lane


def place_heatmaps(found: Sequence[PlaceAttention], frames: np.ndarray, count: int) -> tuple[Heatmap, ...]:
    """One for each attention and head of a single clip: every frame of a part has that part's map.

    Args:
        frames: [P] which of the video's ``count`` frames the present frames of the stream show.
    """
    maps = []
    for one in found:
        for head, parts in enumerate(enlarged(one.maps[0]).cpu().numpy()):
            title = f"{one.name.capitalize()} attention, head {head + 1}"
            name = f"attention.{one.name}.{head + 1}"
            values = on_video({name: to_clip_scale(parts[_parts(len(frames), len(parts))])}, frames, count)[name]
            pixels = np.round(255 * values).astype(np.uint8).reshape(count, -1)
            maps.append(Heatmap(name, title, pixels, SIDE, SIDE, title))
    return tuple(maps)


def place_lanes(found: Sequence[PlaceAttention], seen: Stream) -> tuple[Lane, ...]:
    """Over how many places or channels each head's attention is spread, at each frame of the stream."""
    lanes = []
    for one in found:
        spread = one.spread[0].cpu().numpy()
        values = np.full((len(spread), len(seen.times)), np.nan, np.float32)
        values[:, seen.present] = spread[:, _parts(int(seen.present.sum()), spread.shape[1])]
        note = (
            f"Over how many of {one.count} {one.over} each head of the {one.name} attention is spread (the exponential of its "
            "entropy): 1 is all on one, few is sharp."
        )
        title = f"{one.name.capitalize()} attention, {one.over}"
        series = tuple(f"head {head + 1}" for head in range(len(spread)))
        lanes.append(Lane(f"spread.{one.name}", title, "line", seen.times, values, series, "visual", note))
    return tuple(lanes)


def _parts(frames: int, parts: int) -> np.ndarray:
    """Which of ``parts`` each of ``frames`` present frames lies in, as ``blocks.snippets`` cuts them."""
    return ((np.arange(frames) + 1) * parts - 1) // max(1, frames)
