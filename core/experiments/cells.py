"""A cell: train one run with one seed, store the model, and measure it under conditions. Finished work is never repeated.

A cell's folder in the cache contains ``model.safetensors`` and ``measured.json``, condition -> head -> metric -> value. Its name
is a hash of everything that the numbers depend on.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from affectscope.core.cache import sealed
from affectscope.core.cache.disk import locked
from affectscope.core.cache.stamps import stamp
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.errors import UserError
from affectscope.core.experiments import measuring
from affectscope.core.experiments.plan import Data, Run
from affectscope.core.features.clips import load_clips, packed_clips
from affectscope.core.features.extract import DEFAULT_SETS, EXTRACTION_VERSION
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packed import PackedSet, PackedStreams
from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS, AVModel
from affectscope.core.models.inputs import Normaliser
from affectscope.core.streams import Clip, Stream
from affectscope.core.training.batches import Batches, fit_normaliser, rendered_weights
from affectscope.core.training.loop import History, TrainConfig, explained, forget, train
from affectscope.core.training.presets import adapt_preset, check_sets, is_demo, spec_of, stored_sets
from affectscope.core.training.run import balanced, set_prior
from affectscope.core.training.splits import SPLITS, split_speakers
from affectscope.core.training.strategies import STRATEGIES, Strategy

# Part of every cell's name: raise it when changes to training or measuring invalidate old numbers.
CELL_VERSION = 2
Measured = dict[str, dict[str, dict[str, Any]]]
# Settings added later, with the values that keep the names of older cells.
_LATER = {"split": "speaker", "selection": "loss"}
# Conditions that measure time: nothing else of an experiment may run meanwhile.
TIMED = ("speed", "latency")
_CLIPS_AT_ONCE = 64
_READ: ContextVar[dict[str, Any] | None] = ContextVar("_READ", default=None)
T = TypeVar("T")


@contextmanager
def read_once() -> Iterator[None]:
    """Memoise corpora and stores inside the block, however many cells need their folders; also a decorator.

    Changes on disk meanwhile are not noticed.
    """
    if _READ.get() is not None:
        yield
        return
    token = _READ.set({})
    try:
        yield
    finally:
        _READ.reset(token)


def _once(name: str, make: Callable[[], T]) -> T:
    known = _READ.get()
    if known is None:
        return make()
    if name not in known:
        known[name] = make()
    return known[name]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Cell:
    """A run with a seed on a corpus (a name or folder, as in ``open_corpus``).

    Attributes:
        store: of packed features to train on; "" for none.
        features: modality -> feature set chosen by the user.
    """

    run: Run
    corpus: str
    seed: int
    store: str = ""
    features: Mapping[str, str] = field(default_factory=dict)

    def folder(self) -> Path:
        """Where the cell stores its results.

        Raises:
            UserError: when its features are unavailable.
        """
        corpus = _once(f"corpus {self.corpus}", lambda: open_corpus(self.corpus))
        table = _once(f"table {self.corpus}", lambda: corpus.table.drop(columns=["path"]).to_csv())
        taken = _once(f"taken {replace(self, seed=0)}", lambda: self._taken(corpus))
        key = key_of(CELL_VERSION, EXTRACTION_VERSION, table, self._facts(), self.seed, *taken)
        return cache_root() / "experiments" / key

    def measured(self) -> Measured:
        """All measurements so far."""
        return sealed.read_json(self.folder() / "measured.json") or {}

    def adapted(self, corpus: Corpus) -> tuple[dict[str, Any], dict[str, str], dict[str, PackedSet]]:
        """The preset's changed fields, the feature set of each modality, and those of them in a store.

        Raises:
            UserError: when a published preset's features are unavailable.
        """
        run = self.run
        # A row may use only the sound of a bimodal system.
        only = () if is_demo(run.preset) else tuple(spec_of(run.system, run.preset, **run.changes).inputs)
        stored = stored_sets(run.system, run.preset, Path(self.store), self.features, run.features, only) if self.store else {}
        packed = {m: (packed_set.name, packed_set.dim) for m, packed_set in stored.items()}
        changes, sets = adapt_preset(run.system, run.preset, corpus, packed, self.features, run.features, only)
        if not stored and not is_demo(run.preset):
            check_sets(sets, corpus)
        return {**changes, **run.changes}, sets, stored

    def config(self) -> TrainConfig:
        return replace(self.run.training, seed=self.seed)

    def _facts(self) -> dict[str, Any]:
        run = asdict(self.run)
        # The former name of the strategy, which keeps the names of older cells.
        run["regime"] = run.pop("strategy")
        run.pop("features")
        for name, usual in _LATER.items():
            if run["training"][name] == usual:
                del run["training"][name]
        if run["data"]["normalised"] is None:
            del run["data"]["normalised"]
        return run

    def _taken(self, corpus: Corpus) -> list[Any]:
        """Additional key parts: features other than a demo preset's default, and heads without a vote."""
        taken: list[Any] = []
        if 0 in self.run.changes.get("loss_weights", ()):
            taken.append("without heads that are not trained")
        if self.run.system == "unimodal-attention" and not is_demo(self.run.preset):
            # Cells from before had the demo's residual.
            taken.append("main classifier without residual")
        if is_demo(self.run.preset) and not self.store and not self.features:
            return taken
        _, sets, stored = self.adapted(corpus)
        for modality, name in sets.items():
            feature_set = FEATURE_SETS.get(name)
            given = modality in corpus.given and corpus.given[modality].name == name
            made = (
                stored[modality].digest
                if modality in stored
                else feature_set.settings(feature_set.check(None))
                if feature_set and not given
                else "given"
            )
            taken.append([modality, name, made])
        return taken


@dataclass(frozen=True)
class _Prepared:
    """A cell's data for training and measuring."""

    corpus: Corpus
    changes: dict[str, Any]
    sets: dict[str, str]
    parts: dict[str, list[Clip]]
    unreadable: list[str]


@read_once()
def fill(cell: Cell, conditions: Iterable[str], workers: int = 1, device: str = "") -> Measured:
    """Train the cell unless it is trained, and measure it under the missing conditions.

    Args:
        device: for measuring, "cuda" or ""; Fabric chooses the one for training.

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
    ready = _prepared(cell, workers)
    loaded = _trained(path)
    if loaded is None:
        _train(cell, ready, path)
        loaded = checkpoints.load(path)
    if device:
        loaded.model.to(device)
    size = _CLIPS_AT_ONCE if is_demo(cell.run.preset) else min(_CLIPS_AT_ONCE, cell.run.training.batch_size)
    batches = Batches(ready.parts["test"], loaded.spec, loaded.normaliser, size)
    for condition in missing:
        words = condition.split()
        if condition == "cost":
            found = measuring.cost(path, loaded.card, loaded.spec.labels)
        elif condition == "speed":
            milliseconds = measuring.milliseconds_a_clip(loaded.model, batches, len(ready.parts["test"]))
            found = {"seconds_an_epoch": _epoch_alone(cell, ready, loaded), "milliseconds_a_clip": milliseconds}
        elif words[0] == "latency":
            seconds = [clip.duration for clip in ready.parts["test"]]
            one_by_one = Batches(ready.parts["test"], loaded.spec, loaded.normaliser, 1)
            found = measuring.latency(loaded.model, one_by_one, seconds, words[-1] if len(words) > 1 else "")
        else:
            measured[condition] = measuring.measure(loaded.model, batches, condition, cell.seed)
            continue
        measured[condition] = {"decision": found}
    with explained(path), locked(path.parent):
        # Another process may have measured something else meanwhile.
        measured = cell.measured() | measured
        sealed.write_json(path.with_name("measured.json"), measured)
    return measured


def _prepared(cell: Cell, workers: int) -> _Prepared:
    corpus = open_corpus(cell.corpus)
    changes, sets, stored = cell.adapted(corpus)
    if stored:
        clips, unreadable = packed_clips(corpus, stored)
        if cell.run.data.step:
            clips = [thinned(clip, cell.run.data.step, _averaged(sets)) for clip in clips]
    else:
        corpus, clips, unreadable = _clips(cell.corpus, tuple(sorted(sets.items())), cell.run.data.step, workers)
    split = split_speakers(corpus.table.loc[[clip.id for clip in clips]], cell.seed, cell.run.training.split)
    parts = {name: [c for c in clips if split[c.id] == name] for name in SPLITS}
    return _Prepared(corpus, changes, sets, parts, unreadable)


def _trained(path: Path) -> checkpoints.Checkpoint | None:
    """The cell's model; None where it is missing or damaged."""
    try:
        return checkpoints.load(path)
    except UserError:
        return None


def _train(cell: Cell, ready: _Prepared, path: Path) -> None:
    config = cell.config()
    training = broken(ready.parts["train"], cell.run.data, cell.seed)
    normaliser = fit_normaliser(training, rendered_weights(ready.corpus, ready.sets))
    normaliser = _of_these(normaliser, cell.run.data.normalised)
    torch.manual_seed(cell.seed)
    model = MODELS[cell.run.system].preset(cell.run.preset, **ready.changes)
    batches = Batches(training, model.spec, normaliser, config.batch_size, shuffle=True)
    set_prior(model, batches.targets)
    history = train(
        model, batches, _development(cell, ready, model, normaliser), _strategy(cell, batches, model), config, path, resume=True
    )
    # An epoch from before an interruption may lack its time.
    times = [row["seconds"] for row in history if "seconds" in row]
    seconds = float(np.mean(times)) if times else float("nan")
    card = {"parameters": catalogue.count(model), "seconds_an_epoch": seconds, "epochs": len(history)}
    with explained(path):
        checkpoints.save(path, model, normaliser, card | {"unreadable": ready.unreadable})
        stamp(path)
    forget(path)


def _strategy(cell: Cell, batches: Batches, model: AVModel) -> Strategy:
    weights = balanced(batches.targets, model.spec) if cell.run.training.balance else ()
    return STRATEGIES[cell.run.strategy](class_weights=weights, **cell.run.options)


def _development(cell: Cell, ready: _Prepared, model: AVModel, normaliser: Normaliser) -> Batches:
    size = 32 if is_demo(cell.run.preset) else min(32, cell.run.training.batch_size)
    return Batches(ready.parts["development"], model.spec, normaliser, size)


def _epoch_alone(cell: Cell, ready: _Prepared, loaded: checkpoints.Checkpoint) -> float:
    """Duration in seconds of one more epoch of training, on a copy."""
    model = copy.deepcopy(loaded.model).cpu().requires_grad_(True)
    training = broken(ready.parts["train"], cell.run.data, cell.seed)
    batches = Batches(training, model.spec, loaded.normaliser, cell.run.training.batch_size, shuffle=True)
    history: History = train(
        model, batches, _development(cell, ready, model, loaded.normaliser), _strategy(cell, batches, model),
        replace(cell.config(), epochs=1),
    )  # fmt: skip
    return history[0]["seconds"]


def _of_these(normaliser: Normaliser, modalities: Sequence[str] | None) -> Normaliser:
    """The statistics of some modalities; the others are not normalised."""
    if modalities is None:
        return normaliser
    kept = {f.name: {m: x for m, x in getattr(normaliser, f.name).items() if m in modalities} for f in fields(normaliser)}
    return Normaliser(**kept)


@lru_cache(maxsize=2)
def _clips(
    corpus_name: str, sets: tuple[tuple[str, str], ...], step: float, workers: int
) -> tuple[Corpus, list[Clip], list[str]]:
    corpus = open_corpus(corpus_name)
    clips, unreadable = load_clips(corpus, None, workers, None, DEFAULT_SETS | dict(sets))
    return corpus, [thinned(clip, step, _averaged(dict(sets))) for clip in clips], unreadable


def _averaged(sets: Mapping[str, str]) -> list[str]:
    """The modalities whose frames may be averaged: not pixels and spectrograms, which models cut into snippets of frames."""
    return [m for m, name in DEFAULT_SETS.items() if sets.get(m, name) == name]


def thinned(clip: Clip, step: float, modalities: Sequence[str] = ("audio", "visual")) -> Clip:
    """The clip with frames averaged to ``step`` seconds each; 0 leaves them."""
    if not step:
        return clip
    own = {m: stream.pooled(step) for m, stream in clip.streams.items() if m in modalities and len(stream.times) > 1}
    return replace(clip, streams={**clip.streams, **own})


def broken(clips: list[Clip], data: Data, seed: int) -> list[Clip]:
    """The clips, a random share of which lose one modality: sound and picture alternately.

    Random, because a table may list its classes in turn: removing every n-th could affect all clips of one class.
    """
    count = round(data.broken_pairs * len(clips))
    hit = {clip: i for i, clip in enumerate(random.Random(seed).sample(range(len(clips)), count))}

    def without(clip: Clip, number: int) -> Clip:
        gone = ("audio", "visual")[number % 2]
        if isinstance(clip.streams, PackedStreams):
            left = {m: kept for m, kept in clip.streams.sets.items() if m != gone}
            return replace(clip, streams=PackedStreams(left, clip.streams.clip))
        return replace(clip, streams={**clip.streams, gone: Stream.absent(clip.streams[gone].values.shape[1])})

    return [without(clip, hit[i]) if i in hit else clip for i, clip in enumerate(clips)]
