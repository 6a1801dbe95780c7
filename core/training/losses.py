"""Losses as small functions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from core.models.base import ModelOutput


def shared_loss(output: ModelOutput, target: Tensor, weights: Mapping[str, float]) -> Tensor:
    """Weighted sum of the heads' cross-entropies (000, Eq. 6; 002, Eq. 1).

    A head is asked only about the clips that give it evidence: an absent modality teaches its head nothing.

    Args:
        target: [B] class indices.
        weights: head -> lambda.
    """
    total = target.new_zeros((), dtype=torch.float32)
    for head, weight in weights.items():
        seen = output.evidence[head]
        if weight and bool(seen.any()):
            total = total + weight * F.cross_entropy(output.predictions[head][seen], target[seen])
    return total
