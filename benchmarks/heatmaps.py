"""Whether heatmaps can be seen, and whether they point where the face moves.

Seen: of the frames with a face, the share in which the heatmap changes at least 1 % of the face box by more than 20 of 255; and
the largest share of the box that it changes so in any frame. Ten clips of the demo corpus, or those of the folder
``$AFFECTSCOPE_PEOPLE``, which may hold real ones. Pointing: as ``affectscope pointing`` has it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints import saved
from affectscope.core.corpora import open_corpus
from affectscope.core.evaluation.pointing import pointing_game
from affectscope.core.export.files import paint
from affectscope.core.media import read_frames
from affectscope.core.player import OPACITY, SCALE, THRESHOLD, tone
from affectscope.core.timeline.timeline import Heatmap, Timeline

MODEL, CLIPS = "auxformer", 10
LEAST_CHANGE, LEAST_PART = 20, 0.01
LEAST_SEEN, MOST_COVERED = 0.75, 0.75


def main() -> None:
    corpus = open_corpus("demo")
    analyzer = Analyzer(saved.load(saved.shipped()[MODEL]), FeatureStore(shipped=[corpus.features] if corpus.features else []))
    folder = os.environ.get("AFFECTSCOPE_PEOPLE")
    files = sorted(Path(folder).glob("*.m*")) if folder else [corpus.media(clip) for clip in corpus.table.index[:CLIPS]]
    for scale in tone.SCALES:
        parts = [found for file in files for found in _parts(file, analyzer.analyze(file).timeline, scale)]
        seen = np.array([[(part > LEAST_PART).mean(), part.max()] for part in parts])
        met = seen[:, 0].mean() >= LEAST_SEEN and seen[:, 1].max() <= MOST_COVERED
        target = f"  target at least {LEAST_SEEN:.0%} and at most {MOST_COVERED:.0%}: {'met' if met else 'missed'}"
        print(
            f"by {scale:5}  {len(files)} clips, {len(parts)} maps  frames with something to see: mean {seen[:, 0].mean():.0%}, "
            f"least {seen[:, 0].min():.0%}; largest part of a face covered {seen[:, 1].max():.0%}"
            f"{target if scale == SCALE else ''}"
        )
    for head, game in pointing_game(lambda media, label: analyzer.analyze(media, explain=label).timeline, corpus).items():
        print(f"pointing, {head:7} n={game.frames}  hits {game.hits:.1%}  chance {game.chance:.1%}")


def _parts(file: Path, timeline: Timeline, scale: str) -> list[np.ndarray]:
    """For each head's map, what part of the face it changes, by frame with a face."""
    pictures = [picture for _, picture in read_frames(file)]
    there = [int(index) for index in np.flatnonzero(np.isfinite(timeline.boxes).all(1)) if index < len(pictures)]
    return [np.array([_part(pictures[i], timeline, i, heatmap, scale) for i in there]) for heatmap in timeline.heatmaps if there]


def _part(picture: np.ndarray, timeline: Timeline, index: int, heatmap: Heatmap, scale: str) -> float:
    painted = paint(picture, timeline, index, heatmap, OPACITY, THRESHOLD, scale).astype(int)
    height, width = picture.shape[:2]
    left, top, right, bottom = (timeline.boxes[index] * (width, height, width, height)).round().astype(int)
    # The box's own frame is no heatmap.
    inside = slice(max(0, top) + 3, bottom - 3), slice(max(0, left) + 3, right - 3)
    return float((np.abs(painted[inside] - picture[inside]).max(2) > LEAST_CHANGE).mean())
