"""One cell of work: train a run with one seed, keep the model, and measure it under conditions. Nothing is done twice.

A cell's folder in the cache holds ``model.safetensors`` and ``measured.json``, condition -> head -> metric -> value. It is named
after everything that the numbers depend on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from affectscope.core.analysis.distance import by_stage
from affectscope.core.analysis.neighbours import knn_accuracy, silhouette
from affectscope.core.analysis.projection import project
from affectscope.core.cache import sealed
from affectscope.core.cache.disk import locked
from affectscope.core.cache.stamps import stamp
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.errors import UserError
from affectscope.core.evaluation.sweep import sweep
from affectscope.core.experiments.plan import Data, Run
from affectscope.core.features.clips import load_clips
from affectscope.core.features.extract import DEFAULT_SETS, EXTRACTION_VERSION
from affectscope.core.metrics.answers import collect
from affectscope.core.metrics.metrics import evaluate
from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS, AVModel
from affectscope.core.streams import Clip, Stream
from affectscope.core.training.batches import RENDERED_WEIGHTS, Batches, fit_normaliser
from affectscope.core.training.loop import explained, forget, train
from affectscope.core.training.run import adapt_preset, balanced, set_prior
from affectscope.core.training.splits import split_speakers
from affectscope.core.training.strategies import STRATEGIES

# Part of every cell's name: raise it when training or measuring changes so that old numbers no longer hold.
CELL_VERSION = 2
DRAWS = 5
Measured = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Cell:
    """A run with a seed on a corpus (a name or folder, as ``open_corpus`` takes it)."""

    run: Run
    corpus: str
    seed: int

    def folder(self) -> Path:
        """Where the cell keeps its results."""
        corpus = open_corpus(self.corpus)
        table = corpus.table.drop(columns=["path"]).to_csv()
        run = asdict(self.run)
        # Cells from before there was another split, or strategies had this name, keep theirs.
        run["regime"] = run.pop("strategy")
        if run["training"]["split"] == "speaker":
            del run["training"]["split"]
        key = key_of(CELL_VERSION, EXTRACTION_VERSION, table, run, self.seed)
        return cache_root() / "experiments" / key

    def measured(self) -> Measured:
        """What has been measured so far."""
        return sealed.read_json(self.folder() / "measured.json") or {}


def fill(cell: Cell, conditions: Iterable[str], workers: int = 1) -> Measured:
    """Train the cell unless that is done, and measure it under the conditions that are missing.

    Raises:
        UserError: as training does.
    """
    measured = cell.measured()
    missing = [condition for condition in conditions if condition not in measured]
    if not missing:
        return measured
    path = cell.folder() / "model.safetensors"
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    changes, sets = adapt_preset(cell.run.system, cell.run.preset, open_corpus(cell.corpus))
    corpus, clips, unreadable = _clips(cell.corpus, tuple(sorted(sets.items())), cell.run.data.step, workers)
    split = split_speakers(corpus.table.loc[[clip.id for clip in clips]], cell.seed, cell.run.training.split)
    parts = {name: [c for c in clips if split[c.id] == name] for name in ("train", "development", "test")}
    loaded = _trained(path)
    if loaded is None:
        _train(cell, corpus, parts, {**changes, **cell.run.changes}, sets, path, unreadable)
        loaded = checkpoints.load(path)
    batches = Batches(parts["test"], loaded.spec, loaded.normaliser, 64)
    for condition in missing:
        if condition == "cost":
            measured[condition] = {"decision": dict(loaded.card) | _cost(path, loaded.model, batches, len(parts["test"]))}
        else:
            measured[condition] = measure(loaded.model, batches, condition, cell.seed)
    with explained(path), locked(path.parent):
        # Another process may have measured something else meanwhile.
        measured = cell.measured() | measured
        sealed.write_json(path.with_name("measured.json"), measured)
    return measured


def _trained(path: Path) -> checkpoints.Checkpoint | None:
    """The cell's model; None where there is none, or it was damaged on the disk."""
    try:
        return checkpoints.load(path)
    except UserError:
        return None


def _train(
    cell: Cell,
    corpus: Corpus,
    parts: dict[str, list[Clip]],
    changes: dict[str, Any],
    sets: dict[str, str],
    path: Path,
    unreadable: list[str],
) -> None:
    config = replace(cell.run.training, seed=cell.seed)
    training = broken(parts["train"], cell.run.data, cell.seed)
    rendered = corpus.synthetic and sets.get("visual") == DEFAULT_SETS["visual"]
    normaliser = fit_normaliser(training, RENDERED_WEIGHTS if rendered else None)
    torch.manual_seed(cell.seed)
    model = MODELS[cell.run.system].preset(cell.run.preset, **changes)
    batches = Batches(training, model.spec, normaliser, config.batch_size, shuffle=True)
    set_prior(model, batches.targets)
    weights = balanced(batches.targets, model.spec) if config.balance else ()
    strategy = STRATEGIES[cell.run.strategy](class_weights=weights, **cell.run.options)
    start = time.perf_counter()
    history = train(model, batches, Batches(parts["development"], model.spec, normaliser), strategy, config, path, resume=True)
    seconds = time.perf_counter() - start
    card = {"parameters": catalogue.count(model), "seconds_an_epoch": seconds / max(1, len(history)), "epochs": len(history)}
    with explained(path):
        checkpoints.save(path, model, normaliser, card | {"unreadable": unreadable})
        stamp(path)
    forget(path)


@lru_cache(maxsize=2)
def _clips(
    corpus_name: str, sets: tuple[tuple[str, str], ...], step: float, workers: int
) -> tuple[Corpus, list[Clip], list[str]]:
    corpus = open_corpus(corpus_name)
    clips, unreadable = load_clips(corpus, None, workers, None, DEFAULT_SETS | dict(sets))
    # Pixels and spectrograms are cut into snippets by the model that takes them, which counts their frames.
    usual = [m for m, name in DEFAULT_SETS.items() if dict(sets).get(m, name) == name]
    return corpus, [thinned(clip, step, usual) for clip in clips], unreadable


def thinned(clip: Clip, step: float, modalities: Sequence[str] = ("audio", "visual")) -> Clip:
    """The clip with frames averaged to ``step`` seconds each; 0 leaves them."""
    if not step:
        return clip
    own = {m: stream.pooled(step) for m, stream in clip.streams.items() if m in modalities and len(stream.times) > 1}
    return replace(clip, streams={**clip.streams, **own})


def broken(clips: list[Clip], data: Data, seed: int) -> list[Clip]:
    """The clips, a share of which, drawn at random, have lost one modality: sound and picture in turn.

    Every n-th would not do: a table may list its classes in turn, and a class whose pairs are all broken cannot be learnt.
    """
    count = round(data.broken_pairs * len(clips))
    hit = {clip: i for i, clip in enumerate(random.Random(seed).sample(range(len(clips)), count))}

    def without(clip: Clip, number: int) -> Clip:
        gone = ("audio", "visual")[number % 2]
        return replace(clip, streams={**clip.streams, gone: Stream.absent(clip.streams[gone].values.shape[1])})

    return [without(clip, hit[i]) if i in hit else clip for i, clip in enumerate(clips)]


def measure(model: AVModel, batches: Batches, condition: str, seed: int) -> dict[str, dict[str, Any]]:
    """Metrics by head under one condition (see ``plan``), the mean over draws where frames go missing at random."""
    if condition in _WAYS:
        return {"decision": _WAYS[condition](model, batches, seed)}
    words = condition.split()
    if words[0] == "whole" or words[1] not in model.spec.inputs:
        return evaluate(model, batches)
    if words[0] == "without":
        return evaluate(model, batches, without=words[1])
    points = sweep(model, batches, [words[1]], [float(words[2])], words[0], draws=DRAWS, seed=seed)  # type: ignore[arg-type]
    numbers = points.drop(columns=["modality", "rate", "draw"]).groupby("head").mean()
    return {str(head): {str(k): float(v) for k, v in row.items()} for head, row in numbers.iterrows()}


def _shared_layers(model: AVModel, batches: Batches, seed: int) -> dict[str, Any]:
    answers = collect(model, batches, embeddings=True)
    paired = torch.stack(list(answers.present.values())).all(0)
    table = by_stage({k: v[paired].numpy() for k, v in answers.embeddings.items()}, model.spec.shared, seed)
    means = table.groupby("stage", sort=False)[["distance", "mismatched"]].mean()
    stages = {f"distance {stage}": float(v) for stage, v in means["distance"].items()}
    return {k: float(v) for k, v in means.iloc[-1].items()} | stages


def _map(model: AVModel, batches: Batches, seed: int) -> dict[str, Any]:
    if model.spec.task != "classification":
        raise UserError(f"A map is coloured by class, and {model.spec.system} as it is trained here names none.")
    answers = collect(model, batches, embeddings=True)
    vectors = answers.embeddings[model.spec.embeddings[0]].numpy()
    labels = [model.spec.labels[i] for i in answers.target.tolist()]
    points = project(vectors, "t-SNE", seed=seed).points
    drawn = {"x": points[:, 0].tolist(), "y": points[:, 1].tolist(), "label": labels}
    return {"silhouette": silhouette(vectors, labels, seed), "knn_accuracy": knn_accuracy(vectors, labels), **drawn}


_WAYS: dict[str, Callable[[AVModel, Batches, int], dict[str, Any]]] = {"shared layers": _shared_layers, "map": _map}


def _cost(path: Path, model: AVModel, batches: Batches, clips: int) -> dict[str, Any]:
    prepared = list(batches)
    start = time.perf_counter()
    with torch.inference_mode():
        for batch, _ in prepared:
            model(batch)
    milliseconds = 1000 * (time.perf_counter() - start) / clips
    return {"megabytes": path.stat().st_size / 2**20, "milliseconds_a_clip": milliseconds, "labels": list(model.spec.labels)}
