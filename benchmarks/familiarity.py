"""How far a checkpoint knows what it does not know, on recordings of people.

``python -m benchmarks.familiarity CHECKPOINT FOLDER …``: prints, over all clips of these corpora together and by head, what
``affectscope evaluate --json`` says (the surest half among it); how near the clips of each folder lie; and how well confidence,
energy and distance tell the clips whose label the model lacks from the others, as areas under the ROC (.5 is chance).
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import open_corpus
from affectscope.core.evaluation.labelled import labelled_for
from affectscope.core.familiarity.temperature import energy
from affectscope.core.features.taken import given_for
from affectscope.core.inference.asked import DECISION, ask
from affectscope.core.library import named
from affectscope.core.models.inputs import model_streams
from affectscope.core.streams import Batch, Clip
from affectscope.core.training.measured import measure_clips, read_clips


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asked.add_argument("checkpoint")
    asked.add_argument("folders", nargs="+")
    told = asked.parse_args()
    checkpoint = named.checkpoint(told.checkpoint)
    together: list[Clip] = []
    for folder in told.folders:
        corpus = open_corpus(folder)
        sets = given_for(corpus, checkpoint.spec, checkpoint.sets)
        every, _ = read_clips(corpus, sets, 1, lambda stage, share: None)
        known = labelled_for(corpus, checkpoint.spec)[0].table["label"]
        clips = [Clip(c.id, c.streams, c.duration, {**c.labels, "label": known[c.id]}) for c in every if c.id in known.index]
        together += clips
        print(
            json.dumps({"folder": folder, "clips": len(clips), **_signs(checkpoint, every, [c.id in known.index for c in every])})
        )
    print(json.dumps({"together": measure_clips(checkpoint, together)}))


def _signs(checkpoint: Checkpoint, clips: list[Clip], known: list[bool]) -> dict[str, object]:
    """How near the clips lie, and how well three signs tell those that carry a label that the model lacks."""
    from sklearn.metrics import roc_auc_score

    spec, rows, levels = checkpoint.spec, [], []
    for clip in clips:
        batch = Batch.collate([model_streams(clip.streams, spec, checkpoint.normaliser)], spec.inputs)
        answered = ask(checkpoint, batch)
        near = answered.familiar(checkpoint)
        raw = checkpoint.model.decide(answered.output)
        doubt = 1 - float(answered.logits[DECISION].softmax(1).max())
        rows.append((doubt, float(energy(raw)[0]), max(near.distances.values(), default=float("nan"))))
        levels.append({m: near.of([m]) for m in near.levels})
    found: dict[str, object] = {"near": {}}
    for modality in spec.inputs:
        levels_of = [level[modality] for level in levels if modality in level]
        found["near"] |= {modality: {words: levels_of.count(words) for words in sorted(set(levels_of))}} if levels_of else {}  # type: ignore[operator]
    strange = ~np.array(known)
    if strange.any() and not strange.all():
        signs = dict(zip(("confidence", "energy", "distance"), np.array(rows).T, strict=True))
        areas = {name: round(float(roc_auc_score(strange, v)), 3) for name, v in signs.items() if np.isfinite(v).all()}
        found |= {"lacking": int(strange.sum()), "area under the ROC": areas}
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
