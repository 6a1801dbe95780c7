"""How good a model is, by head."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from core.models.base import AVModel
from core.streams import Batch


def classification_metrics(logits: Tensor, target: Tensor) -> dict[str, object]:
    """Accuracy (which is micro-F1 with one label a clip), macro-F1, unweighted average recall, ECE and confusion.

    Args:
        logits: [N, C]; target: [N].
    """
    classes = logits.shape[1]
    predicted, true = logits.argmax(1).numpy(), target.numpy()
    labels = range(classes)
    return {
        "clips": len(true),
        "accuracy": float(accuracy_score(true, predicted)),
        "macro_f1": float(f1_score(true, predicted, labels=labels, average="macro", zero_division=0)),
        "uar": float(recall_score(true, predicted, labels=labels, average="macro", zero_division=0)),
        "ece": float(multiclass_calibration_error(logits.softmax(1), target, classes, n_bins=15)),
        "confusion": confusion_matrix(true, predicted, labels=labels).tolist(),
    }


@torch.inference_mode()
def predict(
    model: AVModel, batches: Iterable[tuple[Batch, Tensor]], without: str | None = None
) -> tuple[dict[str, Tensor], Tensor]:
    """Logits [N, C] by head, "decision" among them, and the targets [N]; ``without`` takes one modality away."""
    model.eval()
    parts: dict[str, list[Tensor]] = {}
    targets = []
    for batch, target in batches:
        batch = batch.to(model.prior.device)
        output = model(batch.without(without) if without else batch)
        for head, logits in {**output.predictions, "decision": model.decide(output)}.items():
            parts.setdefault(head, []).append(logits.cpu())
        targets.append(target.cpu())
    return {head: torch.cat(logits) for head, logits in parts.items()}, torch.cat(targets)


def evaluate(model: AVModel, batches: Iterable[tuple[Batch, Tensor]], without: str | None = None) -> dict[str, dict[str, object]]:
    """Metrics by head and for the system's decision."""
    logits, target = predict(model, batches, without)
    return {head: classification_metrics(value, target) for head, value in logits.items()}
