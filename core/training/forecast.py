"""Before a run: estimates its duration on this machine, and checks whether its corpus is large enough."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.errors import UserError
from affectscope.core.features.clips import load_clips
from affectscope.core.models.base import MODELS
from affectscope.core.training import runs
from affectscope.core.training.batches import Batches, fit_normaliser, rendered_weights
from affectscope.core.training.loop import frozen
from affectscope.core.training.presets import adapt_preset
from affectscope.core.training.run import set_prior
from affectscope.core.training.runs import Order
from affectscope.core.training.splits import SPLITS
from affectscope.core.training.strategies import STRATEGIES

FEW_CLIPS, FEW_CLASS_CLIPS, FEW_SPEAKERS, FEW_TESTED = 200, 30, 4, 50
# Cost of a forward pass relative to forward and backward.
_LOOKING = 1 / 3
_CLIPS = 8
_STEPS = 4
# Seconds for a new process to import its libraries.
_START = 5.0
# Seconds for which a measurement is valid, since the machine's load changes.
_FRESH = 3600.0
Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Pace:
    """How fast a machine trains.

    Attributes:
        clip: seconds per training clip and epoch; a development clip takes a third.
        reading: seconds to read one clip before the first epoch.
        basis: the source of these numbers, as shown to the user.
    """

    clip: float
    reading: float
    basis: str

    def seconds(self, epochs: int, clips: Mapping[str, int]) -> float:
        """Duration of a run that does not stop early.

        Args:
            clips: number per part: "train", "development", "test".
        """
        return _START + epochs * self.clip * _looks(clips) + self.reading * sum(clips.values())


def counts(split: pd.Series) -> dict[str, int]:
    """Number of clips per part."""
    return {part: int((split == part).sum()) for part in SPLITS}


def pace(order: Order, way: Callable[[pd.DataFrame, int, str], pd.Series]) -> Pace | None:
    """The known pace: from the newest identical run on this machine, else from a measurement within the last hour.

    Args:
        way: ``core.training.splits.split_speakers``.
    """
    for run in runs.all_runs().values():
        if run.pace is None or len(run.history) < 2 or _kind(run.order) != _kind(order):
            continue
        try:
            clips = counts(way(open_corpus(run.order.corpus).table, run.order.seed, run.order.split))
        except UserError:
            continue
        return Pace(run.pace / max(1.0, _looks(clips)), 0.0, f"the run {run.id} on this machine")
    path = measured_path(order)
    try:
        fresh = time.time() - path.stat().st_mtime < _FRESH
        known = sealed.read_json(path) if fresh else None
        return Pace(**known) if known else None
    except (OSError, TypeError):
        return None


def measured_path(order: Order) -> Path:
    """Where ``measure`` stores its result."""
    return cache_root() / "paces" / f"{key_of(*_kind(order), order.corpus)}.json"


def measure(order: Order, report: Report = lambda stage, share: None) -> Pace:
    """Read a few clips and train on them briefly, in this process; the result is stored on disk.

    Raises:
        UserError: when they cannot be read, or the system cannot be trained on them.
    """
    corpus = open_corpus(order.corpus)
    report("Reading a few clips", 0.0)
    few = replace(corpus, table=corpus.table.iloc[np.unique(np.linspace(0, len(corpus.table) - 1, _CLIPS).astype(int))])
    changes, sets = adapt_preset(order.system, order.preset, corpus)
    start = time.perf_counter()
    clips, _ = load_clips(few, workers=1, sets=sets)
    reading = (time.perf_counter() - start) / len(few.table) / (os.cpu_count() or 1)
    report("Measuring a step of training", 0.5)
    normaliser = fit_normaliser(clips, rendered_weights(corpus, sets))
    with torch.random.fork_rng():
        model = MODELS[order.system].preset(order.preset, **changes).to(order.device).train()
        batches = Batches(clips, model.spec, normaliser, len(clips))
        set_prior(model, batches.targets)
        optimiser = torch.optim.Adam(model.parameters(), order.learning_rate)
        # Without the first step, which includes one-time setup.
        seconds = float(np.median([_step(model, batches, optimiser, order) for _ in range(_STEPS)][1:]))
    found = Pace(seconds / len(clips), reading, "a step of training that was measured on this machine")
    sealed.write_cached_json(measured_path(order), asdict(found))
    return found


def remarks(corpus: Corpus, split: pd.Series) -> list[str]:
    """One sentence for each way in which a corpus is too small; empty if it is large enough."""
    clips = counts(split)
    found = []
    training = corpus.table[split == "train"]
    by_class = training["label"].astype(str).value_counts().reindex(list(corpus.labels), fill_value=0) if corpus.labels else None
    if by_class is not None and len(by_class) and by_class.min() < FEW_CLASS_CLIPS:
        of_each = f"{by_class.min()}" if by_class.min() == by_class.max() else f"{by_class.min()} to {by_class.max()}"
        found.append(
            f"Few clips to learn from: {clips['train']}, {of_each} of each class (fewest: {by_class.idxmin()}). With "
            f"fewer than {FEW_CLASS_CLIPS} of a class, a model mostly memorises them."
        )
    elif by_class is None and clips["train"] < FEW_CLIPS:
        found.append(f"Few clips to learn from: {clips['train']}. With fewer than {FEW_CLIPS}, a model mostly memorises them.")
    tested, speakers = clips["test"], _speakers(corpus.table[split == "test"])
    few_speakers = speakers is not None and speakers < FEW_SPEAKERS
    if few_speakers or tested < FEW_TESTED:
        who = "" if speakers is None else f" of {speakers} {'speaker' if speakers == 1 else 'speakers'}"
        found.append(
            f"It is tested on {tested} {'clip' if tested == 1 else 'clips'}{who}: a single clip changes the accuracy by "
            f"{100 / max(1, tested):.0f} points, and on other people it may be quite different."
        )
    return found


def _kind(order: Order) -> tuple[str, str, str, str]:
    return order.system, order.preset, order.strategy, order.device


def _looks(clips: Mapping[str, int]) -> float:
    return clips.get("train", 0) + _LOOKING * clips.get("development", 0)


def _speakers(table: pd.DataFrame) -> int | None:
    named = table["speaker"].astype(str).str.strip() if "speaker" in table else pd.Series(dtype=str)
    return int(named[named != ""].nunique()) or None


def _step(model: torch.nn.Module, batches: Batches, optimiser: torch.optim.Optimizer, order: Order) -> float:
    """Seconds for one step over all clips, with every stage of the strategy, as in the training loop."""
    kind = STRATEGIES[order.strategy]()
    start = time.perf_counter()
    batch, target = next(iter(batches))
    batch, target = batch.to(torch.device(order.device)), target.to(order.device)
    for stage in kind.stages:
        left_alone = [p for name, p in model.named_parameters() if not kind.trains(stage, name)]
        with frozen(left_alone):
            optimiser.zero_grad()
            loss = kind.loss(model, batch, target, stage)  # type: ignore[arg-type]
            if not loss.requires_grad:
                continue
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    if order.device != "cpu":
        torch.cuda.synchronize(order.device)
    return time.perf_counter() - start
