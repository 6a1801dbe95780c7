"""Robustness curves of a checkpoint over a corpus, and their reference levels (goncalves2022robust, Fig. 5)."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from affectscope.core.cache import sealed
from affectscope.core.cache.store import FeatureStore, key_of
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus
from affectscope.core.evaluation.masking import Fill, Pattern
from affectscope.core.evaluation.sweep import sweep
from affectscope.core.features.base import EXTRACTION_VERSION
from affectscope.core.features.bulk.spreading import Cluster
from affectscope.core.features.clips import load_clips, packed_clips
from affectscope.core.features.stored.packed import packed_for
from affectscope.core.features.taken import given_for, marks
from affectscope.core.models.base import ModelSpec
from affectscope.core.training.batches import Batches

# Part of every cache key: raise it whenever a curve changes.
CURVES_VERSION = 1
RATES = tuple(i / 10 for i in range(11))
DECISION = "decision"
_COLUMNS = {"modality", "rate", "draw", "head"}


@dataclass(frozen=True)
class Curves:
    """How frames are removed; see ``core.evaluation.masking.Missing`` for pattern, length and fill."""

    pattern: Pattern = "random"
    draws: int = 5
    seed: int = 0
    length: int = 10
    fill: Fill = "absent"


def curves_key(checkpoint: Checkpoint, corpus: Corpus, asked: Curves) -> str:
    """The cache key of the curves, computed without measuring."""
    taken = marks(checkpoint.spec, checkpoint.sets)
    # Keep the keys of curves from before ``fill`` existed.
    facts = {name: value for name, value in vars(asked).items() if (name, value) != ("fill", "absent")}
    return key_of(CURVES_VERSION, EXTRACTION_VERSION, checkpoint.digest, corpus.name, corpus.table.to_csv(), facts, *taken)


def measure(
    checkpoint: Checkpoint,
    corpus: Corpus,
    asked: Curves,
    store: FeatureStore | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
    cluster: Cluster | None = None,
) -> pd.DataFrame:
    """Metrics with 0 to 100 % of the frames of each modality missing; see ``core.evaluation.sweep.sweep``.

    Args:
        cluster: runs each point as a job; default: threads and processes on this machine.

    Raises:
        UserError: when no clip can be read, or the corpus has no labels of the model.
    """
    spec = checkpoint.spec
    sets = given_for(corpus, spec, checkpoint.sets)
    packed = packed_for(corpus, {m: sets[m] for m in spec.inputs if m in sets})
    if packed:
        # Read into memory: the sweep's threads and processes must not share a store's open files and buffers.
        clips = [replace(clip, streams=dict(clip.streams)) for clip in packed_clips(corpus, packed)[0]]
    else:
        clips, _ = load_clips(corpus, store, 1, lambda done, of: progress(f"Reading clip {done} of {of}", 0.1 * done / of), sets)
    batches = Batches(clips, spec, checkpoint.normaliser)
    progress("Asking the model with frames missing", 0.1)
    return sweep(
        checkpoint.model, batches, rates=RATES, pattern=asked.pattern, length=asked.length, draws=asked.draws, seed=asked.seed,
        progress=lambda done, of: progress(f"Asking the model with frames missing, {done} of {of}", 0.1 + 0.9 * done / of),
        fill=asked.fill, cluster=cluster,
    )  # fmt: skip


def save(table: pd.DataFrame, path: Path) -> None:
    """Save curves; if the disk fails, keep them in memory."""
    sealed.write_cached(path, table.to_csv(index=False).encode())


def load(path: Path) -> pd.DataFrame | None:
    """Saved curves, or None where none can be read."""
    content = sealed.read(path)
    if content is None:
        return None
    table = pd.read_csv(io.BytesIO(content))
    return table if set(table.columns) >= _COLUMNS else None


def curve(table: pd.DataFrame, modality: str, metric: str) -> pd.DataFrame:
    """The decision's metric by percentage present, increasing.

    Columns ``present``, ``mean``, and ``low`` and ``high`` at one standard deviation over the draws.

    Empty where the model does not take the modality, or has no such metric.
    """
    if metric not in table:
        return pd.DataFrame(columns=["present", "mean", "low", "high"])
    rows = table[(table["modality"] == modality) & (table["head"] == DECISION)]
    found = rows.groupby("rate")[metric].agg(mean="mean", spread=lambda values: values.std(ddof=0)).reset_index()
    there = (100 * (1 - found["rate"])).round().astype(int)
    made = pd.DataFrame(
        {"present": there, "mean": found["mean"], "low": found["mean"] - found["spread"], "high": found["mean"] + found["spread"]}
    )
    return made.sort_values("present", ignore_index=True)


def levels(table: pd.DataFrame, spec: ModelSpec, modality: str, metric: str) -> dict[str, float]:
    """Reference levels of a curve, where they exist.

    Returns:
        "whole": the system with everything present; "without": the system without the modality; "alone": the head that uses only
        the other modality. A model that does not take the modality is a unimodal baseline: "baseline", at any share.
    """
    if metric not in table:
        return {}
    whole = table[table["rate"] == 0]

    def mean(rows: pd.DataFrame, head: str) -> float:
        return float(rows.loc[rows["head"] == head, metric].mean())

    if modality not in spec.inputs:
        return {"baseline": mean(whole, DECISION)}
    found = {"whole": mean(whole, DECISION)}
    if len(spec.inputs) > 1:
        found["without"] = mean(table[(table["rate"] == 1) & (table["modality"] == modality)], DECISION)
    others = [head for head in spec.heads if modality not in spec.modalities[head]]
    if others:
        found["alone"] = mean(whole, others[0])
    return {name: value for name, value in found.items() if value == value}
