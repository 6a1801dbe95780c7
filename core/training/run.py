"""One training run from corpus to checkpoint, and one evaluation from checkpoint to metrics."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import seed_everything

from core import __version__, checkpoints
from core.checkpoints import Checkpoint
from core.corpora import Corpus, open_corpus
from core.errors import UserError
from core.evaluation.metrics import evaluate
from core.features.extract import DIMS
from core.models import catalogue
from core.models.base import MODELS, AVModel
from core.streams import Clip
from core.training.data import RENDERED_WEIGHTS, Batches, fit_normaliser, load_clips
from core.training.loop import TrainConfig, train
from core.training.regimes import REGIMES
from core.training.splits import by_speaker

Report = Callable[[str, float], None]


def train_checkpoint(
    system: str,
    preset: str,
    corpus_name: str,
    regime: str,
    config: TrainConfig,
    out: Path,
    workers: int | None = None,
    report: Report = lambda stage, share: None,
) -> dict[str, Any]:
    """Train, measure on held-out speakers and save. Returns the card.

    Raises:
        UserError: when the corpus cannot be split or read, or a name is unknown.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out.name} should end in .safetensors, the only format in which checkpoints are written.")
    corpus = open_corpus(corpus_name)
    kind, make_regime = MODELS[system], REGIMES[regime]
    clips, broken = _read(corpus, workers, report)
    split = by_speaker(corpus.table.loc[[c.id for c in clips]], config.seed)
    parts = {name: [c for c in clips if split[c.id] == name] for name in ("train", "development", "test")}
    normaliser = fit_normaliser(parts["train"], RENDERED_WEIGHTS if corpus.synthetic else None)
    seed_everything(config.seed, verbose=False)
    model = kind.preset(preset, labels=corpus.labels, **kind.sized(DIMS))
    counts = torch.tensor([sum(c.labels["label"] == label for c in parts["train"]) for label in corpus.labels])
    # One clip added to each class: a class without clips is unlikely, not impossible.
    model.prior.copy_(((counts + 1) / (counts + 1).sum()).log())
    batches = {
        name: Batches(part, corpus.labels, normaliser, model.spec.inputs, config.batch_size, shuffle=name == "train")
        for name, part in parts.items()
    }
    history = train(
        model, batches["train"], batches["development"], make_regime(), config, out.with_suffix(".history.json"),
        lambda row: report(f"Epoch {row['epoch'] + 1:.0f}: dev loss {row['dev_loss']:.3f}", (row["epoch"] + 1) / config.epochs),
    )  # fmt: skip
    card = {
        "system": system,
        "preset": preset,
        "variant": getattr(model.config, "variant", ""),
        "parameters": catalogue.count(model),
        "labels": list(corpus.labels),
        "corpus": corpus.name,
        "synthetic_training": corpus.synthetic,
        "clips": {name: len(part) for name, part in parts.items()},
        "unreadable": broken,
        "speakers": {name: sorted({str(c.labels["speaker"]) for c in part}) for name, part in parts.items()},
        "regime": regime,
        "config": asdict(config),
        "epochs_run": len(history),
        "commit": _commit(),
        "version": __version__,
        "date": datetime.now(UTC).date().isoformat(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "metrics": evaluate(model, batches["test"]),
        "metrics_without": {m: _with_evidence(model, evaluate(model, batches["test"], without=m), m) for m in model.spec.inputs},
    }
    checkpoints.save(out, model, normaliser, card)
    return card


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    corpus_name: str,
    without: str | None = None,
    workers: int | None = None,
    report: Report = lambda stage, share: None,
) -> dict[str, dict[str, Any]]:
    """Metrics by head on every clip of a corpus."""
    corpus = open_corpus(corpus_name)
    clips, _ = _read(corpus, workers, report)
    batches = Batches(clips, checkpoint.spec.labels, checkpoint.normaliser, checkpoint.spec.inputs)
    metrics = evaluate(checkpoint.model, batches, without)
    return _with_evidence(checkpoint.model, metrics, without) if without else metrics


def _with_evidence(model: AVModel, metrics: dict[str, dict[str, Any]], without: str) -> dict[str, dict[str, Any]]:
    """Leave out the heads that draw on the missing modality alone: they have answered with the prior."""
    blind = {head for head, modalities in model.spec.modalities.items() if set(modalities) == {without}}
    return {head: values for head, values in metrics.items() if head not in blind}


def _read(corpus: Corpus, workers: int | None, report: Report) -> tuple[list[Clip], list[str]]:
    return load_clips(corpus, None, workers, lambda done, total: report("Reading clips", done / total))


def _commit() -> str:
    result = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or "unknown"
