"""Computes what a checkpoint knows of its training data: distances (``core.familiarity.reference``) and temperatures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.familiarity import reference, temperature
from affectscope.core.familiarity.familiarity import LIKE, NEVER, UNLIKE, Familiarity, nearest_of
from affectscope.core.inference.asked import DECISION, nearness
from affectscope.core.models.base import AVModel, ModelSpec, over_clip
from affectscope.core.models.inputs import Normaliser
from affectscope.core.streams import Batch, Clip
from affectscope.core.training.augment import displaced
from affectscope.core.training.batches import Batches

# Maximum number of clips, evenly sampled from a large corpus.
MOST = 2000
# How far development clips are moved, see ``augment.displaced``: at 1 they are 1.7 times as far from the training data, which is
# how far recorded voices are from rendered ones. Their labels do not change, so confidence has to decrease.
MOVED = (0.0, 0.5, 1.0, 1.5)
# Minimum number of answers for a temperature.
FEWEST = 30
_CHUNK = 64


def learn(
    model: AVModel, normaliser: Normaliser, training: Sequence[Clip], development: Sequence[Clip], seed: int = 0
) -> Familiarity | None:
    """The statistics of a trained model; None where there are too few clips.

    Args:
        training: the training clips; development: held out to choose the epoch.
        seed: of the displacement of development clips.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _learnt(model, normaliser, _some(training), _some(development))


def _learnt(model: AVModel, normaliser: Normaliser, training: Sequence[Clip], development: Sequence[Clip]) -> Familiarity | None:
    spec = model.spec
    narrow = {m for m, dim in spec.inputs.items() if dim <= reference.WIDEST}
    learnt, held = (_vectors(clips, spec, normaliser, narrow) for clips in (training, development))
    references = _references(spec, learnt, held)
    known = Familiarity(references)
    if spec.task != "classification" or spec.reference:
        return known if references else None
    means = {m: torch.from_numpy(vectors).float() for m, (vectors, _) in learnt.items()}
    temperatures, energies = _temperatures(Checkpoint(model, normaliser, {}, known=known), development, means)
    return Familiarity(references, temperatures, energies) if references or temperatures else None


def _some(clips: Sequence[Clip]) -> list[Clip]:
    return list(clips) if len(clips) <= MOST else [clips[i] for i in np.linspace(0, len(clips) - 1, MOST).astype(int)]


Vectors = Mapping[str, tuple[np.ndarray, list[int]]]


def _references(spec: ModelSpec, learnt: Vectors, held: Vectors) -> dict[str, reference.Reference]:
    found = {}
    for modality, (vectors, classes) in learnt.items():
        fitted = reference.fit(vectors, classes if spec.task == "classification" else None, held[modality][0])
        if fitted is not None:
            found[modality] = fitted
    return found


def _vectors(
    clips: Sequence[Clip], spec: ModelSpec, normaliser: Normaliser, wanted: set[str]
) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Modality -> [N, D] for the clips that have it, and their classes; all 0 for attributes."""
    rows: dict[str, list[Tensor]] = {m: [] for m in wanted}
    classes: dict[str, list[int]] = {m: [] for m in wanted}
    for batch, target in _batches(clips, spec, normaliser):
        for modality in wanted:
            there = batch.present[modality].any(1)
            rows[modality].append(reference.pooled(batch.values[modality], batch.present[modality])[there])
            own = target[there].tolist() if spec.task == "classification" else [0] * int(there.sum())
            classes[modality] += own
    return {m: (torch.cat(found).numpy() if found else np.zeros((0, spec.inputs[m])), classes[m]) for m, found in rows.items()}


def _batches(clips: Sequence[Clip], spec: ModelSpec, normaliser: Normaliser) -> Iterator[tuple[Batch, Tensor]]:
    """Batches of clips, made lazily: a corpus may not fit into memory twice."""
    for start in range(0, len(clips), _CHUNK):
        yield from Batches(clips[start : start + _CHUNK], spec, normaliser, _CHUNK)


@torch.inference_mode()
def _temperatures(
    checkpoint: Checkpoint, development: Sequence[Clip], means: Mapping[str, Tensor]
) -> tuple[dict[str, tuple[float, float, float]], dict[str, float]]:
    """Head -> its temperature at each level, which does not decrease with distance; and head -> the 95 % quantile of free energy.

    Clips are evaluated whole and with each modality alone, as in real recordings. A level that too few moved clips reach gets the
    temperature of the level before.
    """
    model, spec = checkpoint.model, checkpoint.spec
    heads = (*spec.heads, DECISION)
    logits: dict[str, list[Tensor]] = {h: [] for h in heads}
    levels: dict[str, list[Tensor]] = {h: [] for h in heads}
    targets: dict[str, list[Tensor]] = {h: [] for h in heads}
    plain: dict[str, list[Tensor]] = {h: [] for h in heads}
    drawn = {h: spec.modalities[h] for h in spec.heads}
    drawn[DECISION] = tuple(dict.fromkeys(m for h in spec.decision for m in spec.modalities[h]))
    for batch, target in _batches(development, spec, checkpoint.normaliser):
        for strength, alone in product(MOVED, ("", *(spec.inputs if len(spec.inputs) > 1 else ()))):
            moved = displaced(batch, means, strength)
            for gone in set(spec.inputs) - {alone} if alone else ():
                moved = moved.without(gone)
            output, near = model(moved), nearness(checkpoint, moved).levels
            by_head = {**{h: over_clip(output.predictions[h], moved) for h in spec.heads}, DECISION: model.decide(output)}
            for head, answer in by_head.items():
                # A unimodal head gives the same answer with and without the other modalities.
                if alone and drawn[head] == (alone,):
                    continue
                seen = torch.stack([output.evidence[h] for h in ((head,) if head != DECISION else spec.decision)]).any(0)
                own = nearest_of(drawn[head], near)
                logits[head].append(answer[seen])
                levels[head].append(torch.zeros_like(target[seen]) if own is None else own[seen])
                targets[head].append(target[seen])
                if not strength and not alone:
                    plain[head].append(temperature.energy(answer[seen]))
    found, energies = {}, {}
    for head in heads:
        if not logits[head]:
            continue
        answers, lies, true = torch.cat(logits[head]), torch.cat(levels[head]), torch.cat(targets[head])
        by_level: list[float] = []
        for level in (LIKE, UNLIKE, NEVER):
            there = lies == level
            before = by_level[-1] if by_level else 0.0
            fitted = temperature.fit(answers[there], true[there]) if int(there.sum()) >= FEWEST else before or 1.0
            by_level.append(max(fitted, before))
        found[head] = (by_level[0], by_level[1], by_level[2])
        if len(quiet := torch.cat(plain[head])) >= FEWEST:
            energies[head] = float(quiet.quantile(reference.LIKE))
    return found, energies
