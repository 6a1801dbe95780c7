"""Estimates an experiment's cost (cells, sizes, memory, hours) from short measured steps.

The steps use random input with the corpus's number of frames, so that nothing has to be extracted first; with a packed store
lengths are exact. Clips of pixels are measured one at a time, others four, and extrapolated to a batch.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from affectscope.core.cache.store import key_of
from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.experiments.cells import Cell, read_once
from affectscope.core.experiments.plan import Experiment
from affectscope.core.experiments.run import cells_of, check, jobs_of
from affectscope.core.experiments.where import USUAL, Where
from affectscope.core.features.base import FeatureSet
from affectscope.core.features.sets import FEATURE_SETS, SNIPPET_FRAMES, SNIPPETS
from affectscope.core.features.stored.packed import PackedSet
from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS, AVModel, ModelSpec
from affectscope.core.streams import Batch
from affectscope.core.training.loop import frozen
from affectscope.core.training.splits import SPLITS, split_speakers
from affectscope.core.training.strategies import STRATEGIES

# Assumed clip length where a corpus does not state it: about that of CREMA-D and RAVDESS.
CLIP_SECONDS = 3.5
USUAL_RATE = 30.0
_CLIPS, _STEPS = 4, 2
# Cost of a forward pass relative to forward and backward.
_LOOKING = 1 / 3
_OPTIMISER = 4


@dataclass(frozen=True)
class Forecast:
    """The estimate for one row of an experiment.

    Attributes:
        cells, left: number of seeds, and of those still to be trained.
        clips: of training, development and test, for the first seed.
        parameters: of the model; ``megabytes`` of its checkpoint.
        features: what it is trained on.
        store_gigabytes: size of these features for the corpus's clips.
        memory_gigabytes: of one cell in training: weights, gradients, Adam's moments, and a batch.
        step_seconds: of one step over a whole batch, with every stage of the strategy.
        hours: for all remaining cells, sequentially, at the maximum number of epochs.
    """

    row: str
    system: str
    preset: str
    strategy: str
    cells: int
    left: int
    clips: tuple[int, int, int]
    parameters: int
    megabytes: float
    features: str
    store_gigabytes: float
    memory_gigabytes: float
    step_seconds: float
    hours: float

    def line(self) -> dict[str, Any]:
        """The row as displayed in a table."""
        clips = " + ".join(f"{count:,}" for count in self.clips)
        return {**asdict(self), "clips": clips}


@dataclass(frozen=True)
class _Step:
    seconds: float
    parameters: int
    memory: float


@read_once()
def forecast(
    experiment: Experiment, corpus: str, seeds: tuple[int, ...], where: Where = USUAL, device: str = "cpu"
) -> tuple[list[Forecast], float]:
    """An estimate per row of the experiment, and the hours of all cells, each counted once.

    Raises:
        UserError: when the corpus cannot be split, or lacks what the experiment needs.
    """
    check(experiment, corpus)
    opened = open_corpus(corpus)
    wanted = cells_of(experiment, corpus, seeds, where)
    jobs = jobs_of(wanted)
    steps: dict[str, _Step] = {}
    rows: list[Forecast] = []
    counted: set[str] = set()
    total = 0.0
    for row in experiment.rows:
        cells = [wanted[row.name, seed][0] for seed in seeds]
        changes, sets, stored = cells[0].adapted(opened)
        run = cells[0].run
        with torch.device("meta"):
            spec = MODELS[run.system].preset(run.preset, **changes).spec
        frames = {m: _frames(sets[m], stored.get(m), opened, run.data.step, run.preset) for m in spec.inputs}
        mark = key_of(run.system, run.preset, str(changes), run.strategy, dict(run.options), frames, run.training.batch_size)
        step = steps.setdefault(mark, None) or _measured(cells[0], changes, spec, frames, device)  # type: ignore[arg-type]
        steps[mark] = step
        split = split_speakers(opened.table, seeds[0], run.training.split)
        clips = tuple(int((split == part).sum()) for part in SPLITS)
        batches = -(-clips[0] // run.training.batch_size)
        cell_hours = step.seconds * run.training.epochs * (batches + _LOOKING * clips[1] / run.training.batch_size) / 3600
        keys = [cell.folder().name for cell in cells]
        left = [key for key, cell in zip(keys, cells, strict=True) if not jobs[key][1] <= cell.measured().keys()]
        total += cell_hours * len(set(left) - counted)
        counted |= set(left)
        rows.append(
            Forecast(
                row.name, run.system, run.preset, run.strategy, len(cells), len(left), clips,  # type: ignore[arg-type]
                step.parameters, step.parameters * 4 / 2**20, ", ".join(sets[m] for m in spec.inputs),
                sum(_stored_gigabytes(sets[m], spec.inputs[m], frames[m], len(opened.table)) for m in spec.inputs),
                step.memory, step.seconds, cell_hours * len(left),
            )
        )  # fmt: skip
    return rows, total


def _frames(name: str, packed: PackedSet | None, corpus: Corpus, step: float, preset: str) -> int:
    """Frames per clip: the store's, or the features' rate times the mean length of the corpus's clips."""
    if packed is not None and len(packed):
        some = np.unique(np.linspace(0, len(packed) - 1, 64).astype(int))
        return max(1, int(np.mean([packed.place(int(i)).frames for i in some])))
    feature_set: FeatureSet | None = FEATURE_SETS.get(name)
    if name.startswith("snippets"):
        return SNIPPETS * SNIPPET_FRAMES
    lengths = corpus.table["duration"].astype(float) if "duration" in corpus.table else None
    known = lengths is not None and lengths.notna().any()
    seconds = float(lengths.mean()) if known and lengths is not None else CLIP_SECONDS
    rate = (feature_set.rate if feature_set else 0) or USUAL_RATE
    rate = min(rate, 1 / step) if step and not (feature_set and feature_set.pixels) else rate
    return max(1, round(seconds * rate))


def _stored_gigabytes(name: str, dim: int, frames: int, clips: int) -> float:
    feature_set = FEATURE_SETS.get(name)
    return clips * frames * dim * (1 if feature_set and feature_set.pixels else 4) / 2**30


def _measured(cell: Cell, changes: Mapping[str, Any], spec: ModelSpec, frames: Mapping[str, int], device: str) -> _Step:
    """Time and memory of a step over some clips, extrapolated to a whole batch."""
    run, size = cell.run, cell.run.training.batch_size
    pixels = any(dim * frames[m] > 10**7 for m, dim in spec.inputs.items())
    count = min(size, 1 if pixels else _CLIPS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS[run.system].preset(run.preset, **changes).to(device).train()
        values: dict[str, object] = {m: torch.randn(count, frames[m], dim) for m, dim in spec.inputs.items()}
        batch = Batch.of(present=None, **values).to(device)
        target = _target(spec, batch, count).to(device)
        optimiser = torch.optim.Adam(model.parameters(), 1e-6)
        seconds = [_step(model, batch, target, cell, optimiser, device) for _ in range(_STEPS)]
    parameters = catalogue.count(model)
    weights = parameters * 4 * _OPTIMISER / 2**30
    if device == "cpu":
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 2**30
    else:
        grown = torch.cuda.max_memory_allocated(device) / 2**30
        torch.cuda.reset_peak_memory_stats(device)
    inputs = sum(value.numel() for value in batch.values.values()) * 4 / 2**30
    a_clip = max(grown - weights, inputs) / count
    return _Step(min(seconds) * size / count, parameters, weights + a_clip * size)


def _target(spec: ModelSpec, batch: Batch, count: int) -> torch.Tensor:
    if spec.task == "classification":
        return torch.arange(count) % len(spec.labels)
    frames = max(value.shape[1] for value in batch.values.values())
    return torch.rand(count, *((frames,) if spec.reference else ()), len(spec.labels))


def _step(model: AVModel, batch: Batch, target: torch.Tensor, cell: Cell, optimiser: torch.optim.Optimizer, device: str) -> float:
    kind = STRATEGIES[cell.run.strategy](**cell.run.options)
    start = time.perf_counter()
    for stage in kind.stages:
        with frozen([p for name, p in model.named_parameters() if not kind.trains(stage, name)]):
            optimiser.zero_grad()
            loss = kind.loss(model, batch, target, stage)
            if loss.requires_grad:
                loss.backward()
                optimiser.step()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def heading(rows: Sequence[Forecast], hours: float, name: str) -> str:
    """A heading of one sentence for the table."""
    cells = sum(row.cells for row in rows)
    left = sum(row.left for row in rows)
    return f"{name}: {cells} cells, {left} to train, {hours:,.1f} hours one after the other"
