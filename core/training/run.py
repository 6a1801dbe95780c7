"""A training run, from corpus to checkpoint."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import torch
from lightning_fabric import seed_everything
from torch import Tensor

from affectscope.core import __version__
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.errors import UserError
from affectscope.core.familiarity import domain
from affectscope.core.features.clips import packed_clips
from affectscope.core.metrics.metrics import evaluate
from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS, AVModel, ModelSpec
from affectscope.core.models.inputs import Normaliser
from affectscope.core.streams import Clip
from affectscope.core.training import beside
from affectscope.core.training.batches import Batches, fit_normaliser, rendered_weights
from affectscope.core.training.familiarity import learn
from affectscope.core.training.joined import Joined, balanced_weights, facts, opened, split_joining, with_evidence
from affectscope.core.training.loop import History, TrainConfig, explained, forget, is_first, train
from affectscope.core.training.measured import answers, domain_row, evaluate_clips, measure_clips, read_clips, seeing
from affectscope.core.training.presets import adapt_preset, stored_sets
from affectscope.core.training.pretrained import begin_with
from affectscope.core.training.recipes import Recipe
from affectscope.core.training.splits import SPLITS, split_speakers
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
    also: Sequence[str] = (),
    aliases: Mapping[str, str] = MappingProxyType({}),
    pretrained: tuple[str, Checkpoint] | None = None,
    onto_shipped: bool = False,
) -> dict[str, Any] | None:
    """Train, evaluate on held-out speakers and save.

    Args:
        also: joining corpora, see ``core.training.joined``; ``aliases``: their label -> the first corpus's.
        store: a packed store with the corpus's features, which are then used for training.
        features: modality -> feature set, instead of the system's or the corpus's default.
        pretrained: name and checkpoint of the initial weights.
        onto_shipped: add joining corpora to a shipped checkpoint with ``core.training.beside`` if one fits; otherwise train. The
            strategy of that name requests it regardless.

    Returns:
        The card; None in processes other than the first, which write nothing.

    Raises:
        UserError: when the corpus cannot be split or read, a name is unknown, no shipped checkpoint fits where one is requested,
            or the disk is full.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out.name} should end in .safetensors, the only format in which checkpoints are written.")
    kind = None if recipe.strategy == beside.NAME else STRATEGIES[recipe.strategy]
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    corpora = [open_corpus(name) for name in (corpus_name, *also)]
    onto_shipped = (onto_shipped or kind is None) and pretrained is None and store is None
    prepared = _prepare(system, preset, corpora, aliases, recipe, workers, report, store, features, pretrained, onto_shipped)
    roads = prepared.onto_shipped
    history = _join(prepared, report) if roads or kind is None else _fit(prepared, kind, recipe.config, out, report, resume)
    if not is_first():
        return None
    report("Measuring", 1.0)
    known = learn(prepared.model, prepared.normaliser, prepared.parts["train"], prepared.parts["development"], recipe.config.seed)
    if roads:
        _join(prepared, report, ("train", "development"))
    card = _card(prepared, recipe, len(history), Checkpoint(prepared.model, prepared.normaliser, {}, known=known))
    with explained(out):
        checkpoints.save(out, prepared.model, prepared.normaliser, card, known)
    forget(out)
    return card


@dataclass(frozen=True)
class _Prepared:
    """The inputs of a training run.

    Attributes:
        sets: modality -> feature set.
        parts: "train", "development" and "test" -> clips; ``batches`` the same, as model input.
        origins: the corpus of each clip, by part.
        broken: one sentence for each clip that could not be read.
        pretrained: name of the checkpoint with the initial weights; ``onto_shipped``: only fit linear terms beside its heads.
    """

    system: str
    preset: str
    corpora: Sequence[Joined]
    model: AVModel
    normaliser: Normaliser
    sets: Mapping[str, str]
    parts: Mapping[str, Sequence[Clip]]
    batches: Mapping[str, Batches]
    origins: Mapping[str, Sequence[str]]
    broken: list[str]
    pretrained: str = ""
    onto_shipped: bool = False

    @property
    def corpus(self) -> Corpus:
        """The first corpus, whose labels are the model's."""
        return self.corpora[0].corpus

    def clips_of(self, corpus: str) -> dict[str, list[Clip]]:
        """Part -> the clips of a corpus."""
        return {
            part: [clip for clip, origin in zip(clips, self.origins[part], strict=True) if origin == corpus]
            for part, clips in self.parts.items()
        }


def _prepare(
    system: str,
    preset: str,
    corpora: Sequence[Corpus],
    aliases: Mapping[str, str],
    recipe: Recipe,
    workers: int | None,
    report: Report,
    store: Path | None,
    features: Mapping[str, str],
    pretrained: tuple[str, Checkpoint] | None,
    onto_shipped: bool = False,
) -> _Prepared:
    """Read and split the corpora, and build the model, initialised from the seed or from a checkpoint."""
    corpus, config = corpora[0], recipe.config
    packed = stored_sets(system, preset, store, features) if store else {}
    changes, sets = adapt_preset(system, preset, corpus, {m: (kept.name, kept.dim) for m, kept in packed.items()}, features)
    if config.soft_votes and not all(f"share {label}" in corpus.table for label in changes.get("labels", [""])):
        raise UserError(
            f"{corpus.name} has no shares of votes for {system}: add it with --option votes=soft, or go without them."
        )
    fits = beside.beginning(system, preset, corpora, changes, sets) if onto_shipped else ""
    if recipe.strategy == beside.NAME and not fits:
        raise UserError(
            f"These corpora cannot extend an included model as {system} in size {preset}: choose another training strategy."
        )
    if fits:
        pretrained = beside.started(fits)
    with torch.device("meta"):
        spec = MODELS[system].preset(preset, **changes).spec
    joined = opened(corpus, corpora[1:], spec, aliases)
    parts: dict[str, list[Clip]] = {name: [] for name in SPLITS}
    origins: dict[str, list[str]] = {name: [] for name in SPLITS}
    broken: list[str] = []
    for place, source in enumerate(joined):
        found = packed_clips(source.corpus, packed) if packed else read_clips(source.corpus, sets, workers, report)
        split, joined[place], clips = _part(source, found[0], spec, config, joins=place > 0)
        broken += found[1]
        for name in SPLITS:
            parts[name] += [clip for clip in clips if split[clip.id] == name]
            origins[name] += [source.corpus.name] * (len(parts[name]) - len(origins[name]))
    normaliser = fit_normaliser(parts["train"], rendered_weights(corpus, sets))
    seed_everything(config.seed, verbose=False)
    model = MODELS[system].preset(preset, **changes)
    began = pretrained[0] if pretrained else ""
    if pretrained:
        normaliser = begin_with(model, pretrained[1], began)
    if fits:
        model = beside.with_roads(model)
    labels = [str(c.labels.get("label", "")) if spec.task == "classification" else "" for c in parts["train"]]
    drawn = balanced_weights(origins["train"], labels) if len(joined) > 1 else ()
    batches = {
        name: Batches(
            part, model.spec, normaliser, config.batch_size, name == "train", config.soft_votes and name == "train",
            drawn if name == "train" else (),
        )
        for name, part in parts.items()
    }  # fmt: skip
    set_prior(model, batches["train"].targets)
    return _Prepared(system, preset, joined, model, normaliser, sets, parts, batches, origins, broken, began, bool(fits))


def _part(
    source: Joined, clips: list[Clip], spec: ModelSpec, config: TrainConfig, joins: bool
) -> tuple[pd.Series, Joined, list[Clip]]:
    """Split a corpus; for a joining one, without the clips that lack all of the model's modalities."""
    table = source.corpus.table.loc[[c.id for c in clips]]
    if not joins:
        return split_speakers(table, config.seed, config.split), source, clips
    clips, mute = with_evidence(clips, spec)
    if not clips:
        raise UserError(f"No clip of {source.corpus.name} has any {' or '.join(spec.inputs)}: leave it out of --also.")
    split, note = split_joining(replace(source.corpus, table=table.loc[[c.id for c in clips]]), config.seed)
    more = [note] if note else []
    if mute:
        more.append(f"{source.corpus.name}: {mute} of its clips have no {' or '.join(spec.inputs)} and are left out.")
    return split, replace(source, remarks=(*source.remarks, *more)), clips


def _join(prepared: _Prepared, report: Report, parts: Sequence[str] = ("train",)) -> History:
    """Fit linear terms beside the heads of a trained model; without epochs, and so without history.

    Nothing is selected on the development clips, so after they were used for calibration they join the training: four of five
    speakers instead of three.
    """
    report("Fitting what joins", 0.5)
    clips = [clip for part in parts for clip in prepared.parts[part]]
    origins = [origin for part in parts for origin in prepared.origins[part]]
    beside.fit_roads(prepared.model, prepared.normaliser, clips, origins, prepared.corpus.name)
    return []


def _fit(prepared: _Prepared, kind: type[Strategy], config: TrainConfig, out: Path, report: Report, resume: bool) -> History:
    """Train the model. Returns its history, a row per epoch."""
    learnt = prepared.batches["train"]
    # With several corpora, sampling already balances the classes.
    even = len(prepared.corpora) > 1
    strategy = kind(class_weights=balanced(learnt.targets, prepared.model.spec) if config.balance and not even else ())

    def told(row: dict[str, float]) -> None:
        report(f"Epoch {row['epoch'] + 1:.0f}: dev loss {row['dev_loss']:.3f}", (row["epoch"] + 1) / config.epochs)

    return train(prepared.model, learnt, prepared.batches["development"], strategy, config, out, told, resume)


def _card(prepared: _Prepared, recipe: Recipe, epochs: int, trained: Checkpoint) -> dict[str, Any]:
    """The card: what was trained, on what, how, and its metrics on unseen clips."""
    model, corpus, parts, unseen = prepared.model, prepared.corpus, prepared.parts, prepared.batches["test"]
    ask = answers(trained)
    several = len(model.spec.inputs) > 1
    return {
        "system": prepared.system,
        "preset": prepared.preset,
        "variant": getattr(model.config, "variant", ""),
        "parameters": catalogue.count(model),
        "task": model.spec.task,
        "labels": list(model.spec.labels),
        "features": prepared.sets,
        "corpus": " + ".join(source.corpus.name for source in prepared.corpora),
        "synthetic_training": all(source.corpus.synthetic for source in prepared.corpora),
        "clips": {name: len(part) for name, part in parts.items()},
        "unreadable": prepared.broken,
        "speakers": {name: _speakers(part, prepared.origins[name], corpus.name) for name, part in parts.items()},
        "strategy": beside.NAME if prepared.onto_shipped else recipe.strategy,
        **({"pretrained": prepared.pretrained} if prepared.pretrained else {}),
        "config": asdict(recipe.config),
        "epochs_run": epochs,
        "commit": _commit(),
        "version": __version__,
        "date": datetime.now(UTC).date().isoformat(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "metrics": evaluate(model, unseen, ask=ask),
        "metrics_without": {m: seeing(model, evaluate(model, unseen, m, ask), m) for m in model.spec.inputs if several},
        **(_card_of_several(prepared, trained) if len(prepared.corpora) > 1 else {}),
        **({domain.CARD: _domain(prepared, trained)} if model.spec.task == "classification" and not model.spec.reference else {}),
    }


def _domain(prepared: _Prepared, trained: Checkpoint) -> list[dict[str, Any]]:
    """The domain card's first entries: the held-out speakers of each corpus."""
    rows = []
    for source in prepared.corpora:
        unseen = prepared.clips_of(source.corpus.name)["test"]
        if unseen:
            name = f"{source.corpus.name}, held-out speakers ({len(unseen)} clips)"
            rows.append(domain_row(measure_clips(trained, unseen), name, source.corpus.synthetic))
    return rows


def _card_of_several(prepared: _Prepared, trained: Checkpoint) -> dict[str, Any]:
    """The numbers of clips per corpus, and the metrics on the unseen ones of each."""
    model, described, by_corpus = prepared.model, [], {}
    for source in prepared.corpora:
        own = prepared.clips_of(source.corpus.name)
        described.append(facts(source, own, model.spec) | {"remarks": list(source.remarks)})
        if own["test"]:
            by_corpus[source.corpus.name] = evaluate_clips(trained, own["test"])
    return {"corpora": described, "metrics_by_corpus": by_corpus}


def _speakers(clips: Sequence[Clip], origins: Sequence[str], first: str) -> list[str]:
    """The speaker of each clip; those of a joining corpus are prefixed by its name, since its speaker 01 is another person."""
    named = {(origin, str(c.labels["speaker"])) for c, origin in zip(clips, origins, strict=True)}
    return sorted(speaker if origin == first else f"{origin}/{speaker}" for origin, speaker in named if speaker)


def set_prior(model: AVModel, targets: Sequence[Tensor]) -> None:
    """Set the answer without input: log-frequencies of the classes, or means of the attributes."""
    if model.spec.task == "classification":
        counts = _counts(targets, model.spec)
        # Add-one smoothing: a class without clips is unlikely, not impossible.
        model.prior.copy_(((counts + 1) / (counts + 1).sum()).log())
    else:
        model.prior.copy_(torch.cat([t.reshape(-1, len(model.spec.labels)) for t in targets]).nanmean(0).nan_to_num())


def balanced(targets: Sequence[Tensor], spec: ModelSpec) -> tuple[float, ...]:
    """Class weights such that every class that occurs has the same total; their mean over clips is one."""
    if spec.task != "classification":
        return ()
    counts = _counts(targets, spec)
    weights = torch.where(counts > 0, counts.sum() / (counts * (counts > 0).sum()), 0.0)
    return tuple(weights.tolist())


def _counts(targets: Sequence[Tensor], spec: ModelSpec) -> Tensor:
    """Clips per class [C]; for shares of votes, their sums."""
    together = torch.stack(list(targets))
    return together.sum(0) if together.ndim == 2 else torch.bincount(together, minlength=len(spec.labels)).float()


def _commit() -> str:
    result = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or "unknown"
