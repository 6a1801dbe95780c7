"""What a wrong answer costs, by the task that a model's spec declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.models.base import ModelOutput, ModelSpec
from affectscope.core.training.losses import batch_ccc_loss, ccc_loss, l1_loss, shared_loss


def head_weights(spec: ModelSpec) -> dict[str, float]:
    """The lambdas of the losses: those of the model's config, else every head counts the same."""
    return dict(spec.loss_weights) or {head: 1 / len(spec.heads) for head in spec.heads}


def answer_loss(
    output: ModelOutput,
    target: Tensor,
    spec: ModelSpec,
    weights: Mapping[str, float] | None = None,
    class_weights: Sequence[float] = (),
) -> Tensor:
    """What a model's answers cost by its task: the heads' losses, weighted and added up.

    Cross-entropy for classes, 1 - CCC for attributes (over the batch, or over each sequence for answers by frame), L1 for
    sentiment (goncalves2025versatile, IV-D).

    Args:
        target: as ``core.training.batches.target_of`` makes it, batched, or shares of votes [B, C].
        weights: head -> lambda; None takes the spec's.
        class_weights: one for each class, against imbalance; empty where all count the same.

    Returns:
        A scalar; without a graph where no head has evidence.
    """
    lambdas = head_weights(spec) if weights is None else weights
    return shared_loss(output, target, lambdas, partial(one_loss, spec=spec, class_weights=class_weights))


def one_loss(prediction: Tensor, target: Tensor, spec: ModelSpec, class_weights: Sequence[float] = ()) -> Tensor:
    """The loss of one head over clips that it has evidence of."""
    if spec.task == "classification":
        return F.cross_entropy(prediction, target, prediction.new_tensor(class_weights) if class_weights else None)
    known = ~torch.isnan(target)
    target = torch.nan_to_num(target)
    if spec.reference:
        return ccc_loss(prediction[:, : target.shape[1]], target, known)
    if spec.labels == ("sentiment",):
        return l1_loss(prediction, target, known)
    return batch_ccc_loss(prediction, target, known)
