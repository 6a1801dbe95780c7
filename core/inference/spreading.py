"""Runs a model on parts of a corpus in parallel, in processes or on Ray; same result as ``core.inference.corpus.infer``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features.bulk.spreading import Cluster, spread
from affectscope.core.inference.corpus import infer
from affectscope.core.inference.table import PredictionTable

# Parts per worker: with several, workers finish at about the same time.
_PARTS = 4


def infer_spread(
    checkpoint: Checkpoint,
    corpus: Corpus,
    cluster: Cluster,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> PredictionTable:
    """Run a model on every clip, parts of the corpus in parallel. Clips are run one at a time, so the partition does not matter.

    Raises:
        UserError: when no clip can be read, or as ``spread``.
    """
    count = max(1, min(len(corpus.table), _PARTS * cluster.workers))
    rows = np.array_split(np.arange(len(corpus.table)), count)
    jobs = {i: (checkpoint, replace(corpus, table=corpus.table.iloc[own])) for i, own in enumerate(rows)}
    found: dict[int, PredictionTable | UserError] = {}
    for part, table in spread(_part, jobs, cluster):
        found[part] = table
        progress(f"Asked about {len(found)} of {count} parts", len(found) / count)
    tables = [found[i] for i in range(count)]
    good = [outcome for outcome in tables if isinstance(outcome, PredictionTable)]
    if not good:
        raise next(outcome for outcome in tables if isinstance(outcome, UserError))
    broken = [f"{len(rows[i]):,} clips: {outcome}" for i, outcome in enumerate(tables) if isinstance(outcome, UserError)]
    return replace(joined(good), broken=(*(why for outcome in good for why in outcome.broken), *broken))


def joined(tables: Sequence[PredictionTable]) -> PredictionTable:
    """Concatenate the tables of parts of a corpus, in this order."""

    def together(parts: Sequence[Any]) -> dict[str, np.ndarray]:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return replace(
        tables[0],
        table=pd.concat([table.table for table in tables]),
        answers=together([table.answers for table in tables]),
        embeddings=together([table.embeddings for table in tables]),
        present=together([table.present for table in tables]),
        broken=tuple(why for table in tables for why in table.broken),
    )


def _part(checkpoint: Checkpoint, corpus: Corpus) -> PredictionTable:
    return infer(checkpoint, corpus)
