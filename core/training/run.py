"""One training run from corpus to checkpoint, and one evaluation from checkpoint to metrics."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from lightning_fabric import seed_everything
from torch import Tensor

from affectscope.core import __version__
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.errors import UserError
from affectscope.core.features.clips import load_clips, packed_clips
from affectscope.core.features.extract import DEFAULT_SETS
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packed import PackedSet, choose_sets
from affectscope.core.features.taken import given_for
from affectscope.core.metrics.metrics import evaluate
from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS, AVModel, ModelSpec
from affectscope.core.models.inputs import Normaliser
from affectscope.core.streams import Clip
from affectscope.core.training.batches import RENDERED_WEIGHTS, Batches, fit_normaliser
from affectscope.core.training.loop import History, TrainConfig, explained, forget, is_first, train
from affectscope.core.training.recipes import Recipe
from affectscope.core.training.splits import split_speakers
from affectscope.core.training.strategies import STRATEGIES, Strategy

Report = Callable[[str, float], None]


def train_checkpoint(
    system: str,
    preset: str,
    corpus_name: str,
    recipe: Recipe,
    out: Path,
    workers: int | None = None,
    report: Report = lambda stage, share: None,
    resume: bool = False,
    store: Path | None = None,
    features: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any] | None:
    """Train, measure on held-out speakers and save.

    Args:
        store: a packed store with the corpus's features, which then are what the model is trained on.
        features: modality -> feature set, where it is to be another than the system, or the corpus, has by itself.

    Returns:
        The card; None in a process that only helped the first one to train, and has written nothing.

    Raises:
        UserError: when the corpus cannot be split or read, a name is unknown, or there is no room to write.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out.name} should end in .safetensors, the only format in which checkpoints are written.")
    kind = STRATEGIES[recipe.strategy]
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    prepared = _prepare(system, preset, open_corpus(corpus_name), recipe.config, workers, report, store, features)
    history = _fit(prepared, kind, recipe.config, out, report, resume)
    if not is_first():
        return None
    card = _card(prepared, recipe, len(history))
    with explained(out):
        checkpoints.save(out, prepared.model, prepared.normaliser, card)
    forget(out)
    return card


@dataclass(frozen=True)
class _Prepared:
    """What a training run begins with.

    Attributes:
        sets: modality -> feature set.
        parts: "train", "development" and "test" -> clips; ``batches`` the same, as the model takes them.
        broken: one sentence for each clip that could not be read.
    """

    system: str
    preset: str
    corpus: Corpus
    model: AVModel
    normaliser: Normaliser
    sets: Mapping[str, str]
    parts: Mapping[str, Sequence[Clip]]
    batches: Mapping[str, Batches]
    broken: list[str]


def _prepare(
    system: str,
    preset: str,
    corpus: Corpus,
    config: TrainConfig,
    workers: int | None,
    report: Report,
    store: Path | None,
    features: Mapping[str, str],
) -> _Prepared:
    """Read and split the corpus, and make the model, as random as the seed has it."""
    packed = _packed(system, preset, store) if store else {}
    changes, sets = adapt_preset(system, preset, corpus, {m: (one.name, one.dim) for m, one in packed.items()}, features)
    if config.soft_votes and not all(f"share {label}" in corpus.table for label in changes.get("labels", [""])):
        raise UserError(
            f"{corpus.name} has no shares of votes for {system}: add it with --option votes=soft, or go without them."
        )
    clips, broken = packed_clips(corpus, packed) if packed else _read(corpus, sets, workers, report)
    split = split_speakers(corpus.table.loc[[c.id for c in clips]], config.seed, config.split)
    parts = {name: [c for c in clips if split[c.id] == name] for name in ("train", "development", "test")}
    normaliser = fit_normaliser(
        parts["train"], RENDERED_WEIGHTS if corpus.synthetic and sets.get("visual") == "face-maps" else None
    )
    seed_everything(config.seed, verbose=False)
    model = MODELS[system].preset(preset, **changes)
    batches = {
        name: Batches(part, model.spec, normaliser, config.batch_size, name == "train", config.soft_votes and name == "train")
        for name, part in parts.items()
    }
    set_prior(model, batches["train"].targets)
    return _Prepared(system, preset, corpus, model, normaliser, sets, parts, batches, broken)


def _fit(prepared: _Prepared, kind: type[Strategy], config: TrainConfig, out: Path, report: Report, resume: bool) -> History:
    """Train the model; its history, a row an epoch."""
    learnt = prepared.batches["train"]
    strategy = kind(class_weights=balanced(learnt.targets, prepared.model.spec) if config.balance else ())

    def told(row: dict[str, float]) -> None:
        report(f"Epoch {row['epoch'] + 1:.0f}: dev loss {row['dev_loss']:.3f}", (row["epoch"] + 1) / config.epochs)

    return train(prepared.model, learnt, prepared.batches["development"], strategy, config, out, told, resume)


def _card(prepared: _Prepared, recipe: Recipe, epochs: int) -> dict[str, Any]:
    """What was trained, on what, how, and how good it is on the clips that it has not seen."""
    model, corpus, parts, unseen = prepared.model, prepared.corpus, prepared.parts, prepared.batches["test"]
    several = len(model.spec.inputs) > 1
    return {
        "system": prepared.system,
        "preset": prepared.preset,
        "variant": getattr(model.config, "variant", ""),
        "parameters": catalogue.count(model),
        "task": model.spec.task,
        "labels": list(model.spec.labels),
        "features": prepared.sets,
        "corpus": corpus.name,
        "synthetic_training": corpus.synthetic,
        "clips": {name: len(part) for name, part in parts.items()},
        "unreadable": prepared.broken,
        "speakers": {name: sorted({str(c.labels["speaker"]) for c in part} - {""}) for name, part in parts.items()},
        "strategy": recipe.strategy,
        "config": asdict(recipe.config),
        "epochs_run": epochs,
        "commit": _commit(),
        "version": __version__,
        "date": datetime.now(UTC).date().isoformat(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "metrics": evaluate(model, unseen),
        "metrics_without": {
            m: _with_evidence(model, evaluate(model, unseen, without=m), m) for m in model.spec.inputs if several
        },
    }


def adapt_preset(
    system: str,
    preset: str,
    corpus: Corpus,
    packed: Mapping[str, tuple[str, int]] | None = None,
    features: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, Any], dict[str, str]]:
    """What of a preset changes for a corpus and its features, and the feature set of each modality.

    A corpus that came with features is trained on them; other features are this project's.

    Args:
        packed: modality -> name and width of the features of a packed store, which go before all others.
        features: modality -> feature set, as a person said; goes before what the system or the corpus has.

    Raises:
        UserError: when the preset wants features that are not extracted here, or cannot be had.
    """
    kind = MODELS[system]
    with torch.device("meta"):
        spec = kind.preset(preset).spec
    packed = packed or {}
    if more := [m for m in features if m not in spec.inputs]:
        raise UserError(f"{system} takes no {more[0]}: name features of {', '.join(spec.inputs)}.")
    for name in features.values():
        FEATURE_SETS[name].check(None)
    sets = {m: packed[m][0] if m in packed else features.get(m) or _feature_set(m, spec, corpus) for m in spec.inputs}
    ours = {name: one.dim for name in sets.values() if (one := FEATURE_SETS.get(name))}
    dims = {**ours, **{own.name: own.dim for own in corpus.given.values()}, **dict(packed.values())}
    unknown = [f"{name or 'features'} of {m}" for m, name in sets.items() if name not in dims]
    if unknown:
        raise UserError(f"{system} at {preset} size wants {unknown[0]}, which are not extracted here: train its demo size.")
    changes = kind.sized({m: dims[name] for m, name in sets.items()})
    return changes | ({"labels": corpus.labels} if spec.task == "classification" else {}), sets


def _packed(system: str, preset: str, store: Path) -> dict[str, PackedSet]:
    """The features of a store that a model takes: those that it names, or the only ones of their modality.

    Raises:
        UserError: when the store lacks some, or has several.
    """
    with torch.device("meta"):
        spec = MODELS[system].preset(preset).spec
    chosen = choose_sets(store, spec.features, spec.inputs)
    return {m: chosen[m] for m in spec.inputs}


def _feature_set(modality: str, spec: ModelSpec, corpus: Corpus) -> str:
    """What a model is given of a modality: what it asks for by name, or the corpus brought, or the default."""
    brought = corpus.given[modality].name if modality in corpus.given else DEFAULT_SETS.get(modality, "")
    return spec.features.get(modality, brought)


def set_prior(model: AVModel, targets: Sequence[Tensor]) -> None:
    """The answer before anything is seen: log-shares of the classes, or means of the attributes."""
    if model.spec.task == "classification":
        counts = _counts(targets, model.spec)
        # One clip added to each class: a class without clips is unlikely, not impossible.
        model.prior.copy_(((counts + 1) / (counts + 1).sum()).log())
    else:
        model.prior.copy_(torch.cat([t.reshape(-1, len(model.spec.labels)) for t in targets]).nanmean(0).nan_to_num())


def balanced(targets: Sequence[Tensor], spec: ModelSpec) -> tuple[float, ...]:
    """One weight a class, so that every class that occurs counts the same in all; their mean over clips is one."""
    if spec.task != "classification":
        return ()
    counts = _counts(targets, spec)
    weights = torch.where(counts > 0, counts.sum() / (counts * (counts > 0).sum()), 0.0)
    return tuple(weights.tolist())


def _counts(targets: Sequence[Tensor], spec: ModelSpec) -> Tensor:
    """Clips of each class [C]; of shares of votes, their sums."""
    together = torch.stack(list(targets))
    return together.sum(0) if together.ndim == 2 else torch.bincount(together, minlength=len(spec.labels)).float()


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    corpus: Corpus,
    without: str | None = None,
    workers: int | None = None,
    report: Report = lambda stage, share: None,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Metrics by head on the clips of a corpus, and one sentence for each clip that could not be read.

    Args:
        corpus: with labels of the model alone; see ``core.evaluation.labelled``.

    Raises:
        UserError: when none can be read, or labels are not the model's.
    """
    sets = given_for(corpus, checkpoint.spec, checkpoint.sets)
    clips, broken = _read(corpus, sets, workers, report)
    batches = Batches(clips, checkpoint.spec, checkpoint.normaliser)
    metrics = evaluate(checkpoint.model, batches, without)
    return _with_evidence(checkpoint.model, metrics, without) if without else metrics, broken


def _with_evidence(model: AVModel, metrics: dict[str, dict[str, Any]], without: str) -> dict[str, dict[str, Any]]:
    """Leave out the heads that draw on the missing modality alone: they have answered with the prior."""
    blind = {head for head, modalities in model.spec.modalities.items() if set(modalities) == {without}}
    return {head: values for head, values in metrics.items() if head not in blind}


def _read(corpus: Corpus, sets: Mapping[str, str], workers: int | None, report: Report) -> tuple[list[Clip], list[str]]:
    return load_clips(corpus, None, workers, lambda done, total: report("Reading clips", done / total), {**DEFAULT_SETS, **sets})


def _commit() -> str:
    result = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or "unknown"
