"""A linear classifier on a clip's statistics, beside a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from affectscope.core.streams import Batch

# Statistics are clipped at this many standard deviations of the training clips, because a linear model does not extrapolate.
REACH = 5.0


class LinearAdapter(nn.Module):
    """A term added to a network's logits, for clips like those that it was fitted on.

    gate(s) * answer(s), both linear in the clip's statistics s, the gate between 0 and 1: a wide and a deep part (Cheng et al.
    2016), where the wide part is weighted by how similar a clip is to its training data (a mixture of experts, Jacobs et al.
    1991). It is initialised to zero.

    Args:
        width: features per frame.
        outputs: classes.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(2 * width))
        self.register_buffer("spread", torch.ones(2 * width))
        self.answer, self.gate = nn.Linear(2 * width, outputs), nn.Linear(2 * width, 1)
        self.shut()

    def shut(self) -> None:
        """Reset to zero output."""
        for layer in (self.answer, self.gate):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, statistics: Tensor) -> Tensor:
        """``statistics`` [B, 2 * width] -> [B, outputs]."""
        z = self.standard(statistics)
        added: Tensor = self.gate(z).sigmoid() * self.answer(z)
        return added

    def standard(self, statistics: Tensor) -> Tensor:
        """Standardise by the training clips, clipped at ``REACH``."""
        return ((statistics - self.centre) / self.spread).clamp(-REACH, REACH)


def statistics(values: Tensor, present: Tensor) -> Tensor:
    """[B, T, D] -> [B, 2D]: mean and standard deviation of each feature over the present frames; 0 without any."""
    count = present.sum(1, keepdim=True).clamp(min=1)
    mean = torch.where(present[..., None], values, 0).sum(1) / count
    off = torch.where(present[..., None], values - mean[:, None], 0)
    # The square root has no gradient at 0.
    return torch.cat([mean, (off.square().sum(1) / count).clamp(min=1e-12).sqrt()], 1)


def statistics_of(batch: Batch, modalities: Sequence[str]) -> Tensor:
    """[B, 2 * the modalities' features]: the concatenated statistics."""
    return torch.cat([statistics(batch.values[m], batch.present[m]) for m in modalities], 1)
