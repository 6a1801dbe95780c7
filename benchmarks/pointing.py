"""The pointing game at apex frames (Zhang et al. 2016) on clips that the demo models have not learnt from, by model and method.

``python -m benchmarks.pointing [MODEL ...]``: the share of apex frames of the bundled clips whose heatmap of the true label has
its largest cell where the face moves for the emotion; the spread is a bootstrap over clips.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints import saved
from affectscope.core.corpora import Corpus, bundled
from affectscope.core.explain.face_input import faces_behind
from affectscope.core.explain.heatmaps import heatmaps
from affectscope.core.trust.pointing import Pointed, pointed
from affectscope.core.why.face import PICTURE, seen_by

SHIPPED = ("auxformer", "vavl", "uavm", "sfav", "unimodal-attention-visual", "unimodal-conformer-visual")
METHODS = ("contrast", "layer-cam-product", "layer-cam", "grad-cam", "hires-cam")
CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
DRAWS = 1000


def main(models: tuple[str, ...] = SHIPPED, every: int = 1) -> None:
    corpus = bundled()
    for model in models:
        for (head, method), found in played(model, corpus, METHODS, every).items():
            frames = np.array([pointed.frames for pointed in found])
            hits = np.array([pointed.place * pointed.frames for pointed in found])
            chance = np.array([pointed.place_chance * pointed.frames for pointed in found])
            rows = np.random.default_rng(0).integers(len(found), size=(DRAWS, len(found)))
            low, high = np.percentile(hits[rows].sum(1) / frames[rows].sum(1), (2.5, 97.5))
            print(
                f"{model:<26} {head:<7} {method:<18} {hits.sum() / frames.sum():5.1%} ({low:.0%} to {high:.0%}), "
                f"chance {chance.sum() / frames.sum():.0%}, {len(found)} clips, {frames.sum()} frames",
                flush=True,
            )


def played(name: str, corpus: Corpus, methods: tuple[str, ...], every: int = 1) -> dict[tuple[str, str], list[Pointed]]:
    """(Head, method) -> what each clip whose face shows its emotion gave, its own label explained."""
    analyzer = Analyzer(saved.load(CHECKPOINTS / f"{name}.safetensors"), FeatureStore(shipped=[corpus.features or Path()]))
    spec, found = analyzer.checkpoint.spec, {}  # type: ignore[var-annotated]
    heads = tuple(head for head in spec.heads if PICTURE in spec.modalities[head])
    for clip in corpus.table.index[::every]:
        truth = corpus.truth(str(clip))
        if truth is None or not truth.mask.any():
            continue
        question, view = analyzer.question(corpus.media(str(clip)), str(corpus.table.at[clip, "label"]), clip=str(clip))
        assert view is not None
        # Regions are not asked for, and so no points of the face are looked for.
        seen = seen_by(question, view, np.full((len(view.faces.times), 5, 2), 0.5, np.float32))
        frames = np.unique(faces_behind(question.streams[PICTURE], view.faces.times, view.faces.present))
        for method in methods:
            for head, maps in heatmaps(seen.road, heads, method).items():
                own = pointed(maps, frames, view.faces, truth)
                if own is not None and own.frames:
                    found.setdefault((head, method), []).append(own)
    return found


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or SHIPPED)
