"""A model's own attention over places and channels, as heatmaps and lanes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affectscope.core.explain.heatmaps import in_clip_units, on_video
from affectscope.core.explain.methods import enlarged
from affectscope.core.models.base import PlaceAttention
from affectscope.core.streams import Stream
from affectscope.core.timeline.timeline import Heatmap, Lane


def place_heatmaps(attentions: Sequence[PlaceAttention], frames: np.ndarray, count: int) -> tuple[Heatmap, ...]:
    """A heatmap per attention of a single clip (mean over heads), and one per head. All frames of a part share its map.

    mocanu2023multimodal shows the heads in its Figs. 8 and 9, and their mean beside the temporal attention in Figs. 10 and 11.

    Args:
        frames: [P] indices, among the video's ``count`` frames, of the stream's present frames.
    """
    maps = []
    for attention in attentions:
        heads = enlarged(attention.maps[0]).cpu().numpy()
        kinds = [(f"{head + 1}", f"head {head + 1}", parts) for head, parts in enumerate(heads)]
        together = [("all", "all heads", heads.mean(0))] if len(heads) > 1 else []
        for key, words, parts in together + kinds:
            title = f"{attention.name.capitalize()} attention, {words}"
            name = f"attention.{attention.name}.{key}"
            values = on_video({name: in_clip_units(parts[_parts(len(frames), len(parts))])}, frames, count)[name]
            maps.append(Heatmap.of(name, title, values, title))
    return tuple(maps)


def place_lanes(attentions: Sequence[PlaceAttention], seen: Stream) -> tuple[Lane, ...]:
    """How sharp each head's attention is per frame of the stream: 0 is uniform over places or channels, 1 is all on one."""
    lanes = []
    for attention in attentions:
        spread = attention.spread[0].cpu().numpy()
        sharp = (1 - np.log(spread.clip(min=1)) / np.log(max(2, attention.count))).clip(min=0)
        values = np.full((len(spread), len(seen.times)), np.nan, np.float32)
        values[:, seen.present] = sharp[:, _parts(int(seen.present.sum()), spread.shape[1])]
        note = (
            f"How sharp each head of the {attention.name} attention is: 0 is alike on all {attention.count} {attention.over}, "
            "1 is all on one (one minus its entropy in parts of the largest)."
        )
        title = f"{attention.name.capitalize()} attention, sharpness"
        series = tuple(f"head {head + 1}" for head in range(len(spread)))
        lanes.append(Lane(f"sharpness.{attention.name}", title, "line", seen.times, values, series, "visual", note))
    return tuple(lanes)


def _parts(frames: int, parts: int) -> np.ndarray:
    """The index, among ``parts``, of the part that each of ``frames`` present frames is in, as in ``blocks.snippets``."""
    return ((np.arange(frames) + 1) * parts - 1) // max(1, frames)
