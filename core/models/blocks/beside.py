"""A short road from a clip's statistics to an answer, beside a network's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from affectscope.core.streams import Batch

# How many standard deviations of the clips that it was fitted on a clip's statistic counts for at most: a straight line knows
# nothing of what lies far out.
REACH = 5.0


class Beside(nn.Module):
    """What is added to the logits of a network for clips like those that the road was fitted on.

    gate(s) * answer(s), both linear in the statistics s of a clip, the gate between 0 and 1: a wide and a deep part (Cheng et al.
    2016), of which the wide one speaks by how like its own material a clip is (a mixture of experts, Jacobs et al. 1991). Made
    again it adds nothing.

    Args:
        width: features a frame.
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
        """Add nothing, as at first."""
        for layer in (self.answer, self.gate):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, statistics: Tensor) -> Tensor:
        """[B, 2 * width], of ``statistics`` -> [B, outputs]."""
        z = self.standard(statistics)
        added: Tensor = self.gate(z).sigmoid() * self.answer(z)
        return added

    def standard(self, statistics: Tensor) -> Tensor:
        """On the scale of the clips that the road was fitted on, none further out than ``REACH``."""
        return ((statistics - self.centre) / self.spread).clamp(-REACH, REACH)


def statistics(values: Tensor, present: Tensor) -> Tensor:
    """[B, T, D] -> [B, 2D]: mean and standard deviation of each feature over the present frames; 0 of a clip without any."""
    count = present.sum(1, keepdim=True).clamp(min=1)
    mean = torch.where(present[..., None], values, 0).sum(1) / count
    off = torch.where(present[..., None], values - mean[:, None], 0)
    # The root of nothing has no slope.
    return torch.cat([mean, (off.square().sum(1) / count).clamp(min=1e-12).sqrt()], 1)


def statistics_of(batch: Batch, modalities: Sequence[str]) -> Tensor:
    """[B, 2 * the modalities' features]: the statistics of each, one after the other."""
    return torch.cat([statistics(batch.values[m], batch.present[m]) for m in modalities], 1)
