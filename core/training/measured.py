"""Evaluates a checkpoint on a corpus: metrics per head with intervals, and selective prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features.clips import load_clips
from affectscope.core.features.extract import DEFAULT_SETS
from affectscope.core.features.taken import given_for
from affectscope.core.inference.asked import ask
from affectscope.core.inference.precision import change
from affectscope.core.inference.steady import STEADINESS, steadiness
from affectscope.core.metrics.abstention import aurc, surest
from affectscope.core.metrics.answers import Ask, Predictions, collect
from affectscope.core.metrics.intervals import mean_of_shares, wilson
from affectscope.core.metrics.metrics import Metrics, by_head
from affectscope.core.metrics.scales import apart
from affectscope.core.models.base import AVModel, ModelOutput
from affectscope.core.streams import Batch, Clip
from affectscope.core.training.batches import Batches

Report = Callable[[str, float], None]
# Keys of a head's row that are stored on a domain card.
_KEPT = ("clips", "accuracy", "accuracy_interval", "uar", "uar_interval", "chance", "recall")


def answers(checkpoint: Checkpoint) -> Ask:
    """For ``collect``: a checkpoint's answers with calibrated confidence; the decision ignores modalities at chance."""

    def answered(batch: Batch) -> tuple[ModelOutput, Mapping[str, Tensor]]:
        found = ask(checkpoint, batch)
        return found.output, found.logits

    return answered


def evaluate_clips(checkpoint: Checkpoint, clips: Sequence[Clip], without: str | None = None) -> dict[str, Metrics]:
    """Metrics per head, and for the decision, over clips with the model's labels."""
    batches = Batches(clips, checkpoint.spec, checkpoint.normaliser)
    return by_head(collect(checkpoint.model, batches, without, ask=answers(checkpoint)))


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    corpus: Corpus,
    without: str | None = None,
    workers: int | None = None,
    report: Report = lambda stage, share: None,
) -> tuple[dict[str, Metrics], list[str]]:
    """Metrics per head on the clips of a corpus, and one sentence for each clip that could not be read.

    Args:
        corpus: only with the model's labels; see ``core.evaluation.labelled``.

    Raises:
        UserError: when none can be read, or labels are not the model's.
    """
    clips, broken = read_clips(corpus, given_for(corpus, checkpoint.spec, checkpoint.sets), workers, report)
    metrics = evaluate_clips(checkpoint, clips, without)
    return seeing(checkpoint.model, metrics, without) if without else metrics, broken


def measure(
    checkpoint: Checkpoint,
    corpus: Corpus,
    without: str | None = None,
    workers: int | None = None,
    report: Report = lambda stage, share: None,
    left_out: Mapping[str, int] | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """The full evaluation of a checkpoint on a corpus: a row per head, "decision" last, over the clips with evidence for it.

    For classes ``accuracy`` and ``uar`` with ``_interval`` (95 %), ``chance`` (the unweighted recall of a guess), ``recall`` by
    class with its interval and clips, ``answers`` by class, ``confusion`` (rows are true, in the order of ``labels``), ``aurc``,
    and ``surest_half``: accuracy on the most confident half, by ``core.inference.steady`` and by confidence; also the number of
    clips without evidence. A head without evidence has zero clips and no numbers. With bfloat16, ``remarks`` says what that
    changes.

    Args:
        left_out: label that the model lacks -> number of clips, repeated in the rows.

    Raises:
        UserError: as ``evaluate_checkpoint``.
    """
    clips, broken = read_clips(corpus, given_for(corpus, checkpoint.spec, checkpoint.sets), workers, report)
    try:
        rows = measure_clips(checkpoint, clips, without)
    except UserError:
        clips, unanswered = answerable(checkpoint, clips)
        if not unanswered:
            raise
        broken += unanswered
        rows = measure_clips(checkpoint, clips, without)
    told: dict[str, Any] = {"left_out": dict(left_out or {}), "unreadable": len(broken)}
    if checkpoint.model.precision != "fp32":
        batches = Batches(clips, checkpoint.spec, checkpoint.normaliser)
        told |= {"precision": checkpoint.model.precision, "remarks": [change(checkpoint.model, batches)]}
    return [row | told for row in rows], broken


def measure_clips(checkpoint: Checkpoint, clips: Sequence[Clip], without: str | None = None) -> list[dict[str, Any]]:
    """As ``measure``, for clips with the model's labels; ``has``: modality -> number of clips that have it."""
    batches = Batches(clips, checkpoint.spec, checkpoint.normaliser)
    steady: dict[str, list[Tensor]] = {}

    def asked(batch: Batch) -> tuple[ModelOutput, Mapping[str, Tensor]]:
        answered = ask(checkpoint, batch)
        for head, least in steadiness(checkpoint, batch, answered).items():
            steady.setdefault(head, []).append(least.cpu())
        return answered.output, answered.logits

    found = collect(checkpoint.model, batches, without, ask=asked)
    sure = {head: torch.cat(parts) for head, parts in steady.items()}
    blind = _blind(checkpoint.model, without)
    told: dict[str, Any] = {"has": {m: int(there.sum()) for m, there in found.present.items()}}
    if remarks := _other_scales(found):
        told["remarks"] = remarks
    return [_row(found, head, sure.get(head)) | told for head in found.predictions if head not in blind]


def _other_scales(found: Predictions) -> list[str]:
    if found.spec.task != "regression":
        return []
    said, true = found.predictions["decision"].numpy(), found.target.numpy()
    each = [apart(name, said[:, i], true[:, i]) for i, name in enumerate(found.spec.labels)]
    return [sentence for sentence in each if sentence]


def answerable(checkpoint: Checkpoint, clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """The clips that a model answers, and one sentence for each other: a network of somebody's may take some lengths alone.

    Raises:
        UserError: when it answers none.
    """
    kept, told = list[Clip](), list[str]()
    for clip in clips:
        try:
            for batch, _ in Batches([clip], checkpoint.spec, checkpoint.normaliser):
                ask(checkpoint, batch.to(checkpoint.model.prior.device))
            kept.append(clip)
        except UserError as error:
            told.append(f"{clip.id}: {error}")
    if told and not kept:
        raise UserError(f"No clip is answered; {told[0]}")
    return kept, told


def domain_row(rows: Sequence[Mapping[str, Any]], name: str, synthetic: bool) -> dict[str, Any]:
    """The entry on a domain card; see ``core.familiarity.domain``."""
    return {
        "name": name,
        "synthetic": synthetic,
        "modalities": [m for m, count in rows[0]["has"].items() if count],
        "heads": {row["head"]: {key: row[key] for key in _KEPT if key in row} for row in rows if row["clips"]},
        "left_out": dict(rows[0].get("left_out", {})),
        "date": datetime.now(UTC).date().isoformat(),
    }


def read_clips(corpus: Corpus, sets: Mapping[str, str], workers: int | None, report: Report) -> tuple[list[Clip], list[str]]:
    """The clips of a corpus with these feature sets, and one sentence for each that could not be read."""
    return load_clips(corpus, None, workers, lambda done, total: report("Reading clips", done / total), {**DEFAULT_SETS, **sets})


def seeing(model: AVModel, metrics: dict[str, Metrics], without: str) -> dict[str, Metrics]:
    """Leave out the heads that use only the missing modality, which returned the prior."""
    blind = _blind(model, without)
    return {head: values for head, values in metrics.items() if head not in blind}


def _blind(model: AVModel, without: str | None) -> set[str]:
    return {head for head, modalities in model.spec.modalities.items() if without and set(modalities) == {without}}


def _row(found: Predictions, head: str, steady: Tensor | None) -> dict[str, Any]:
    """One head, over the clips with evidence for it; ``steady`` [N]."""
    heads = found.spec.decision if head == "decision" else (head,)
    seen = torch.stack([found.evidence[h] for h in heads]).any(0)
    own = found.of(seen)
    row: dict[str, Any] = {"head": head, "clips": int(seen.sum()), "without_evidence": int((~seen).sum())}
    if not len(own.target):
        return row
    metrics = by_head(replace(own, predictions={head: own.predictions[head]}))[head]
    row |= {name: value for name, value in metrics.items() if name != "clips"}
    if steady is None:
        return row
    return row | _of_classes(own.predictions[head], own.target, found.spec.labels, steady[seen][own.clip].numpy())


def _of_classes(logits: Tensor, target: Tensor, labels: Sequence[str], steady: np.ndarray) -> dict[str, Any]:
    confidence, answer = logits.softmax(1).max(1)
    right = (answer == target).numpy()
    recall: dict[str, dict[str, Any]] = {}
    counted = []
    for i, label in enumerate(labels):
        own = right[(target == i).numpy()]
        if len(own):
            counted.append((int(own.sum()), len(own)))
            recall[label] = {
                "clips": len(own), "right": int(own.sum()), "recall": float(own.mean()),
                "interval": list(wilson(int(own.sum()), len(own))),
            }  # fmt: skip
    (half, count), (confident, _) = surest(steady, right), surest(confidence.numpy(), right)
    return {
        "accuracy_interval": list(wilson(int(right.sum()), len(right))),
        "uar_interval": list(mean_of_shares(counted)),
        "chance": 1 / len(recall),
        "labels": list(labels),
        "recall": recall,
        "answers": {label: int((answer == i).sum()) for i, label in enumerate(labels)},
        "aurc": aurc(steady, right),
        "surest_half": {
            "by": STEADINESS, "clips": count, "accuracy": half, "gain": half - float(right.mean()),
            "interval": list(wilson(int(np.round(half * count)), count)), "by_confidence": confident,
        },
    }  # fmt: skip
