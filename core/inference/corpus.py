"""Runs a model on every clip of a corpus: one table and one set of embeddings, for pages that show many clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectscope.core.cache.store import FeatureStore, key_of
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.familiarity.words import called
from affectscope.core.features.base import EXTRACTION_VERSION
from affectscope.core.features.clips import read_streams
from affectscope.core.features.stored.packed import PackedSet, PackedStreams, packed_for
from affectscope.core.features.taken import given_for, marks
from affectscope.core.inference.asked import ask
from affectscope.core.inference.steady import STEADINESS, steadiness
from affectscope.core.inference.table import DECISION, PredictionTable, score_predictions
from affectscope.core.models.base import AttentionMap, ModelOutput
from affectscope.core.models.inputs import model_streams
from affectscope.core.streams import Batch, Stream

__all__ = ["DECISION", "PredictionTable", "entropy", "infer", "inference_key", "inference_key_of"]

# Part of every cache key: raise it whenever a prediction table changes.
INFERENCE_VERSION = 4


def inference_key(checkpoint: Checkpoint, corpus: Corpus) -> str:
    """The cache key of the prediction table, computed without running the model."""
    return inference_key_of(checkpoint.digest, corpus, marks(checkpoint.spec, checkpoint.sets))


def inference_key_of(digest: str, corpus: Corpus, taken: Sequence[Any] = ()) -> str:
    """As ``inference_key``, from the hash of the checkpoint's file and the ``marks`` of its features."""
    return key_of(INFERENCE_VERSION, EXTRACTION_VERSION, digest, corpus.name, corpus.table.to_csv(), *taken)


@torch.inference_mode()
def infer(
    checkpoint: Checkpoint,
    corpus: Corpus,
    store: FeatureStore | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> PredictionTable:
    """Run a model on every clip, one at a time, with the corpus's packed features if there are any.

    A broken clip is reported and left out.

    Raises:
        UserError: when no clip can be read.
    """
    model, spec = checkpoint.model, checkpoint.spec
    rows: list[dict[str, Any]] = []
    vectors: dict[str, list[Tensor]] = {}
    present: dict[str, list[bool]] = {m: [] for m in spec.inputs}
    answers: dict[str, list[Tensor]] = {}
    broken: list[str] = []
    for clip, streams, duration in each_clip(checkpoint, corpus, broken, store, progress):
        batch = Batch.collate([streams], spec.inputs).to(model.prior.device)
        try:
            answered = ask(checkpoint, batch, attention=True)
        except UserError as error:
            # A network of somebody's may take clips of some lengths alone: the others are answered all the same.
            broken.append(f"{clip}: {error}")
            continue
        output, near = answered.output, answered.familiar(checkpoint)
        facts = {str(k): v for k, v in corpus.table.loc[clip].items() if k not in ("path", "called") and pd.notna(v) and v != ""}
        familiar = {f"{called(m)} is": near.of([m]) for m in near.levels}
        steady = steadiness(checkpoint, batch, answered)
        sure = {STEADINESS + ("" if head == DECISION else f"_{head}"): float(least[0]) for head, least in steady.items()}
        whole = {"duration": duration, "attention_entropy": entropy(output, batch)}
        rows.append({"clip": clip, **facts, **familiar, **whole, **sure})
        for head, logits in answered.readable(checkpoint, batch).items():
            answers.setdefault(head, []).append(logits[0].cpu())
        for name in spec.embeddings:
            vectors.setdefault(name, []).append(output.embeddings[name][0].cpu())
        for m in spec.inputs:
            present[m].append(bool(batch.present[m].any()))
    if not rows:
        raise UserError(f"No clip of {corpus.name} can be read; the first says: {broken[0] if broken else 'it is empty.'}")
    said_by = {head: torch.stack(values).numpy() for head, values in answers.items()}
    table = pd.DataFrame(rows).set_index("clip")
    table = pd.concat([table, score_predictions(table, said_by, spec.labels, spec.heads, spec.task)], axis=1)
    return PredictionTable(
        spec.system, spec.task, tuple(spec.labels), tuple(spec.heads), tuple(spec.shared), table, said_by,
        {name: torch.stack(values).numpy() for name, values in vectors.items()},
        {m: np.array(values) for m, values in present.items()}, tuple(broken),
    )  # fmt: skip


def each_clip(
    checkpoint: Checkpoint,
    corpus: Corpus,
    broken: list[str],
    store: FeatureStore | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Iterator[tuple[str, dict[str, Stream], float]]:
    """The clips of a corpus, one at a time: id, model input, seconds.

    Args:
        broken: receives a sentence for each clip that cannot be read, which is then left out.
    """
    spec = checkpoint.spec
    store = store or FeatureStore(shipped=[corpus.features] if corpus.features else [])
    sets = given_for(corpus, spec, checkpoint.sets)
    packed = packed_for(corpus, {m: sets[m] for m in spec.inputs if m in sets})
    for done, clip in enumerate(map(str, corpus.table.index)):
        progress(f"Analysing clip {done + 1} of {len(corpus.table)}", done / len(corpus.table))
        try:
            given, duration = _packed(packed, clip) or read_streams(corpus, clip, store, sets)
        except UserError as error:
            broken.append(f"{clip}: {error}")
            continue
        yield clip, model_streams(given, spec, checkpoint.normaliser), duration


def _packed(sets: Mapping[str, PackedSet], clip: str) -> tuple[Mapping[str, Stream], float] | None:
    """A clip's features in the store, or None unless it has all of them."""
    if not sets or any(clip not in features or clip in features.broken for features in sets.values()):
        return None
    return PackedStreams(sets, clip), next(iter(sets.values())).durations[clip]


def entropy(output: ModelOutput, batch: Batch) -> float:
    """How uniform the model's attention is, 0 to 1: the mean over all maps with at least two keys; NaN without any."""
    spreads = [_spread(attention, batch) for attention in output.attention]
    known = [value for value in spreads if value is not None]
    return float(np.mean(known)) if known else float("nan")


def _spread(attention: AttentionMap, batch: Batch) -> float | None:
    weights = attention.weights[0]
    asked = weights.sum(-1) > 0
    keys = int((weights.sum((0, 1)) > 0).sum())
    if keys < 2 or not bool(asked.any()):
        return None
    rows = weights[asked]
    return float((torch.special.entr(rows).sum(-1) / np.log(keys)).mean())
