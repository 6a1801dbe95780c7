"""The loss of a model's answers, by the task in its spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.models.base import ModelOutput, ModelSpec
from affectscope.core.training.losses import batch_ccc_loss, ccc_loss, l1_loss, shared_loss


def head_weights(spec: ModelSpec) -> dict[str, float]:
    """The lambdas of the losses: the spec's, or equal weights."""
    return dict(spec.loss_weights) or {head: 1 / len(spec.heads) for head in spec.heads}


def answer_loss(
    output: ModelOutput,
    target: Tensor,
    spec: ModelSpec,
    weights: Mapping[str, float] | None = None,
    class_weights: Sequence[float] = (),
) -> Tensor:
    """The weighted sum of the heads' losses, by task.

    Cross-entropy for classes, 1 - CCC for attributes (over the batch, or over each sequence for per-frame predictions), L1 for
    sentiment (goncalves2025versatile, IV-D).

    Args:
        target: batched targets as from ``core.training.batches.target_of``, or shares of votes [B, C].
        weights: head -> lambda; None takes the spec's.
        class_weights: one per class, against imbalance; empty for equal weights.

    Returns:
        A scalar; without a graph where no head has evidence.
    """
    lambdas = head_weights(spec) if weights is None else weights
    return shared_loss(output, target, lambdas, partial(one_loss, spec=spec, class_weights=class_weights))


def one_loss(prediction: Tensor, target: Tensor, spec: ModelSpec, class_weights: Sequence[float] = ()) -> Tensor:
    """The loss of one head over the clips for which it has evidence."""
    if spec.task == "classification":
        return F.cross_entropy(prediction, target, prediction.new_tensor(class_weights) if class_weights else None)
    known = ~torch.isnan(target)
    target = torch.nan_to_num(target)
    if spec.reference:
        return ccc_loss(prediction[:, : target.shape[1]], target, known)
    if spec.labels == ("sentiment",):
        return l1_loss(prediction, target, known)
    return batch_ccc_loss(prediction, target, known)
