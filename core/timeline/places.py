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
    """How sharp each head's attention is, at each frame of the stream: 0 is alike on all places or channels, 1 is all on one."""
    lanes = []
    for one in found:
        spread = one.spread[0].cpu().numpy()
        sharp = (1 - np.log(spread.clip(min=1)) / np.log(max(2, one.count))).clip(min=0)
        values = np.full((len(spread), len(seen.times)), np.nan, np.float32)
        values[:, seen.present] = sharp[:, _parts(int(seen.present.sum()), spread.shape[1])]
        note = (
            f"How sharp each head of the {one.name} attention is: 0 is alike on all {one.count} {one.over}, 1 is all on one "
            "(one minus its entropy in parts of the largest)."
        )
        title = f"{one.name.capitalize()} attention, sharpness"
        series = tuple(f"head {head + 1}" for head in range(len(spread)))
        lanes.append(Lane(f"sharpness.{one.name}", title, "line", seen.times, values, series, "visual", note))
    return tuple(lanes)


def _parts(frames: int, parts: int) -> np.ndarray:
    """Which of ``parts`` each of ``frames`` present frames lies in, as ``blocks.snippets`` cuts them."""
    return ((np.arange(frames) + 1) * parts - 1) // max(1, frames)
