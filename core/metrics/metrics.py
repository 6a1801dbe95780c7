"""How good a model is: by head, and by the modalities that clips have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import torch
from torch import Tensor

from affectscope.core.metrics.answers import Predictions, collect
from affectscope.core.metrics.calibration import calibration_error
from affectscope.core.models.base import AVModel
from affectscope.core.streams import Batch

Metrics = dict[str, object]


def classification_metrics(logits: Tensor, target: Tensor) -> Metrics:
    """Accuracy, micro- and macro-F1, unweighted average recall, ECE and confusion.

    Micro-F1 is accuracy where a clip has one label; both names are here because papers use both. Macro-F1 is the mean over the
    classes that occur among targets or answers, unweighted recall over those among targets: a class that a split happens not to
    hold neither helps nor hurts.

    Args:
        logits: [N, C]; target: [N].
    """
    # Its import takes seconds, and cards know these functions without calling them.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    classes = logits.shape[1]
    predicted, true = logits.argmax(1).numpy(), target.numpy()
    right = float((predicted == true).mean())
    _, recall, f1, support = precision_recall_fscore_support(true, predicted, zero_division=0)
    return {
        "clips": len(true),
        "accuracy": right,
        "micro_f1": right,
        "macro_f1": float(f1.mean()),
        "uar": float(recall[support > 0].mean()),
        "ece": calibration_error(logits, target),
        "confusion": confusion_matrix(true, predicted, labels=range(classes)).tolist(),
    }


def regression_metrics(values: Tensor, target: Tensor, names: Sequence[str]) -> Metrics:
    """CCC (001, Eq. 3; 003, Eq. 2) and mean absolute error (001, Eq. 4): their mean over attributes, and each attribute's.

    Args:
        values: [R, attributes]; target: the same, NaN where nobody labelled. A row is a clip, or a frame of any clip: the CCC
            of answers by frame is that of all frames together, as Aff-Wild2's published figures are.
        names: of the attributes. One that nobody labelled in any row is left out.
    """
    # Here and below, as in ``calibration``: late, because torchmetrics takes seconds to import.
    from torchmetrics.functional.regression import mean_absolute_error

    ccc, mae = {}, {}
    for i, name in enumerate(names):
        said = target[:, i].isfinite()
        if not said.any():
            continue
        ccc[name] = concordance(values[said, i], target[said, i])
        mae[name] = float(mean_absolute_error(values[said, i].double(), target[said, i].double()))
    own = {f"{kind}_{name}": value for kind, by_name in (("ccc", ccc), ("mae", mae)) for name, value in by_name.items()}
    return {"ccc": sum(ccc.values()) / len(ccc), "mae": sum(mae.values()) / len(mae), **own}


def concordance(values: Tensor, target: Tensor) -> float:
    """Lin's concordance correlation of [N] and [N]; 0 where either never changes, or there is only one."""
    from torchmetrics.functional.regression import concordance_corrcoef

    values, target = values.double(), target.double()
    if len(values) < 2 or bool((values == values[0]).all()) or bool((target == target[0]).all()):
        return 0.0
    return float(concordance_corrcoef(values, target))


def by_head(answers: Predictions) -> dict[str, Metrics]:
    """Metrics by head, and for the system's "decision", over all clips; a head without evidence has answered with the prior."""
    return {head: _of_head(answers, head) for head in answers.predictions}


def by_presence(answers: Predictions) -> dict[str, dict[str, Metrics]]:
    """Metrics by the modalities that a clip has ("audio+visual", "audio", "visual", "none"), and by head.

    Groups without a clip are left out, and so are heads that have no evidence in a group.
    """
    there = torch.stack(list(answers.present.values()), 1)
    groups = {}
    for has in product((True, False), repeat=len(answers.present)):
        chosen = (there == torch.tensor(has)).all(1)
        if not bool(chosen[answers.clip].any()):
            continue
        part = answers.of(chosen)
        heads = [head for head in part.predictions if head == "decision" or bool(part.evidence[head].any())]
        name = "+".join(modality for modality, one in zip(answers.present, has, strict=True) if one) or "none"
        groups[name] = {head: _of_head(part, head) for head in heads}
    return groups


def _of_head(answers: Predictions, head: str) -> Metrics:
    if answers.spec.task == "classification":
        counted = classification_metrics(answers.predictions[head], answers.target)
    else:
        counted = regression_metrics(answers.predictions[head], answers.target, answers.spec.labels)
    size = {"clips": len(answers.clip.unique())} | ({"frames": len(answers.clip)} if answers.spec.clock else {})
    return size | {k: v for k, v in counted.items() if k not in size}


def evaluate(model: AVModel, batches: Iterable[tuple[Batch, Tensor]], without: str | None = None) -> dict[str, Metrics]:
    """Metrics by head and for the system's decision; see ``collect``."""
    return by_head(collect(model, batches, without))
