"""Losses as functions.

Where a batch has nothing to compare, a loss is zero, with a graph of zeros; only ``shared_loss`` then has no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.models.base import ModelOutput
from affectscope.core.models.blocks.tokens import mean_present
from affectscope.core.models.labels import noun

# mocanu2023multimodal, section 3.4: the polarity of each emotion.
POLARITY = {
    "happiness": 1, "calm": 1, "surprise": 1,
    "neutral": 0,
    "sadness": -1, "fear": -1, "anger": -1, "disgust": -1,
}  # fmt: skip
# Sums of two variances below this are rounding errors, for values around one.
NO_VARIANCE = 1e-8


def shared_loss(
    output: ModelOutput,
    target: Tensor,
    weights: Mapping[str, float],
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> Tensor:
    """Weighted sum of the heads' losses (goncalves2022robust, Eq. 6; goncalves2022auxformer, Eq. 1: cross-entropies).

    A head's loss only covers clips for which it has evidence: an absent modality does not train its head.

    Args:
        target: [B, ...], class indices or whatever ``loss`` takes.
        weights: head -> lambda.
    """
    total = target.new_zeros((), dtype=torch.float32)
    for head, weight in weights.items():
        seen = output.evidence[head]
        if weight and bool(seen.any()):
            total = total + weight * loss(output.predictions[head][seen], target[seen])
    return total


def ccc_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 - concordance (parthasarathy2020detecting, Eq. 2), the mean over sequences and attributes.

    Uses population variances. A sequence counts for an attribute if it has two valid frames, and its prediction or target varies.

    Args:
        prediction, target: [B, T, A]; invalid targets may have any value, including NaN.
        mask: the valid frames, [B, T], or [B, T, A] where attributes differ.
    """
    mask = _as_values(mask, prediction)
    x, y = torch.where(mask, prediction, 0), torch.where(mask, target.to(prediction), 0)
    count = mask.sum(1)
    frames = count.clamp(min=1)
    x_mean, y_mean = x.sum(1) / frames, y.sum(1) / frames
    dx, dy = torch.where(mask, x - x_mean[:, None], 0), torch.where(mask, y - y_mean[:, None], 0)
    variances = (dx.square().sum(1) + dy.square().sum(1)) / frames
    counted = (count > 1) & (variances > NO_VARIANCE)
    distance = torch.where(counted, variances + (x_mean - y_mean).square(), 1)
    return _mean_where(counted, 1 - 2 * (dx * dy).sum(1) / frames / distance)


def batch_ccc_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """``ccc_loss`` over the clips of a batch in place of the frames of a sequence (goncalves2025versatile, Eq. 3).

    Args:
        prediction, target: [B, A].
        mask: the clips that count, [B] or [B, A].
    """
    return ccc_loss(prediction[None], target[None], mask[None])


def l1_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error (goncalves2025versatile, Eq. 4) over the values of [B, A] in ``mask`` [B] or [B, A]."""
    mask = _as_values(mask, prediction)
    return _mean_where(mask, (prediction - torch.where(mask, target.to(prediction), 0)).abs())


def reconstruction_loss(rebuilt: Tensor, values: Tensor, present: Tensor) -> Tensor:
    """Mean squared error against the mean of a clip's present frames (goncalves2025versatile, Eq. 1), over clips with frames.

    Args:
        rebuilt: [B, D].
        values: [B, T, D].
        present: [B, T] bool.
    """
    return _mean_where(_as_values(present.any(1), rebuilt), (rebuilt - mean_present(values, present)).square())


def triplet_loss(embedding: Tensor, target: Tensor, margin: float = 1.0) -> Tensor:
    """The plain triplet loss (mocanu2023multimodal, Eq. 13): [|a - p|^2 - |a - n|^2 + margin]+, averaged over a batch's triplets.

    Eq. 13 and 16 are sums over samples, and mocanu2023multimodal does not say which triplets of a batch are used. A mean does not
    grow with the batch.

    Args:
        embedding: [B, D].
        target: [B] classes; p is another clip of a's class, n a clip of another class.
    """
    same = target[:, None] == target
    return _hinge(embedding, _others(same), ~same, margin)


def emotion_loss(embedding: Tensor, target: Tensor, labels: Sequence[str], alpha: float = 1.0, beta: float = 1.0) -> Tensor:
    """Triplet loss that knows which emotions are related (mocanu2023multimodal, Eq. 14 to 16).

    Clips of a's class are pulled closer than related emotions, which have a's polarity, by ``alpha``; related ones closer than
    those of the opposite polarity, by ``beta``. Each term is the mean over a batch's triplets. An emotion without a related one
    among ``labels`` has the plain triplet loss with ``alpha``: neutral, as the paper says, and by the same rule happiness in
    CREMA-D, the only positive emotion. Neutral clips are neither related nor opposed to any, so only neutral anchors, or those
    with the plain loss, are separated from them.

    Args:
        embedding: [B, D].
        target: [B] indices into ``labels``.

    Raises:
        UserError: when a label has no known polarity.
    """
    polarity = torch.tensor([polarity_of(label) for label in labels], device=target.device)
    related = (polarity[:, None] == polarity) & (polarity != 0) & ~torch.eye(len(labels), dtype=torch.bool, device=target.device)
    plain = ~related.any(1)[target][:, None]
    same = target[:, None] == target
    kin = related[target[:, None], target]
    opposed = polarity[target][:, None] * polarity[target] < 0
    return _hinge(embedding, _others(same), torch.where(plain, ~same, kin), alpha) + _hinge(embedding, kin, opposed, beta)


def polarity_of(label: str) -> int:
    """1, 0 or -1 for an emotion, by its noun or adjective (mocanu2023multimodal, section 3.4).

    Raises:
        UserError: when it is not one of the eight.
    """
    name = noun(label)
    if name not in POLARITY:
        raise UserError(f"The emotion loss knows no polarity of {label!r}, only of {', '.join(POLARITY)}: train without it.")
    return POLARITY[name]


def _hinge(embedding: Tensor, near: Tensor, far: Tensor, margin: float) -> Tensor:
    """[|a - x|^2 - |a - y|^2 + margin]+, the mean over all a, x, y with ``near`` [a, x] and ``far`` [a, y]."""
    distance = (embedding[:, None] - embedding).square().sum(-1)
    cost = F.relu(distance[:, :, None] - distance[:, None] + margin)
    return _mean_where(near[:, :, None] & far[:, None], cost)


def _others(same: Tensor) -> Tensor:
    """[B, B], ``same`` without the diagonal."""
    return same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)


def _mean_where(counted: Tensor, values: Tensor) -> Tensor:
    return torch.where(counted, values, 0).sum() / counted.sum().clamp(min=1)


def _as_values(mask: Tensor, values: Tensor) -> Tensor:
    """Expand a mask over the leading dimensions of ``values`` to all dimensions."""
    return mask.view(*mask.shape, *[1] * (values.ndim - mask.ndim)).expand_as(values)
