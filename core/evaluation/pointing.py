"""Checks explanations against a corpus with known truth: the pointing game."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectscope.core.corpora import Corpus, Truth
from affectscope.core.timeline.timeline import Heatmap, Timeline
from affectscope.core.trust.pointing import region_in_crop


@dataclass(frozen=True)
class Pointing:
    """The pointing game (Zhang et al. 2016) over many frames.

    Attributes:
        frames: number of frames: those at the apex with a face.
        hits: share of frames whose heatmap has its maximum inside the true region.
        chance: the region's mean share of the face crop, where the maximum can fall.
    """

    frames: int
    hits: float
    chance: float

    @property
    def ratio(self) -> float:
        return self.hits / self.chance if self.chance else 0.0


def pointing_game(
    analyze: Callable[[Path, str], Timeline], corpus: Corpus, progress: Callable[[int, int], None] | None = None
) -> dict[str, Pointing]:
    """Play the game at the apex frames of every clip whose face shows its emotion, per head.

    Args:
        analyze: (media file, class to explain) -> timeline; called with the true label.
    """
    found: dict[str, list[tuple[bool, float]]] = {}
    for done, clip in enumerate(corpus.table.index):
        truth = corpus.truth(clip)
        if truth is not None and truth.mask.any():
            timeline = analyze(corpus.media(clip), str(corpus.table.at[clip, "label"]))
            for heatmap in timeline.heatmaps:
                found.setdefault(heatmap.id, []).extend(_apex_frames(timeline, heatmap, truth))
        if progress:
            progress(done + 1, len(corpus.table))
    return {head: Pointing(len(frames), *(float(mean) for mean in np.mean(frames, 0))) for head, frames in found.items()}


def _apex_frames(timeline: Timeline, heatmap: Heatmap, truth: Truth) -> list[tuple[bool, float]]:
    start, end = next((s, e) for name, s, e in truth.phases if name == "apex")
    found = []
    for index, time in enumerate(timeline.frame_times):
        values = heatmap.values[index]
        if start <= time <= end and np.isfinite(timeline.boxes[index]).all():
            mask = truth.mask[int(np.abs(truth.times - time).argmin())]
            inside = region_in_crop(mask, timeline.boxes[index], heatmap.height, heatmap.width)
            # An empty map counts as a miss.
            hit = values.any() and inside.flat[values.argmax()] > 0.5
            found.append((bool(hit), float(inside.mean())))
    return found
