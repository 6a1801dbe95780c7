"""What turns one vector a clip into an answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualClassifier(nn.Module):
    """Linear layers back to the width they started from, a residual around them, and an output layer (MulT, goncalves2022robust,
    goncalves2022auxformer).

    Args:
        hidden: widths in between; ReLU and dropout follow each.
    """

    def __init__(self, width: int, hidden: Sequence[int], outputs: int, dropout: float) -> None:
        super().__init__()
        widths = (width, *hidden, width)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.out = nn.Linear(width, outputs)
        self.dropout = dropout

    def forward(self, token: Tensor) -> tuple[Tensor, Tensor]:
        """[B, width] -> logits [B, outputs] and the embedding [B, width] under them."""
        hidden = token
        for layer in self.layers[:-1]:
            hidden = F.dropout(F.relu(layer(hidden)), self.dropout, self.training)
        embedding = self.layers[-1](hidden) + token
        return self.out(embedding), embedding


def prediction_head(width: int, hidden: tuple[int, int], outputs: int) -> nn.Sequential:
    """Three layers, with ReLU and dropout after the first only, as VAVL's code has them (goncalves2025versatile)."""
    first, second = hidden
    return nn.Sequential(
        nn.Linear(width, first), nn.ReLU(), nn.Dropout(0.2), nn.Linear(first, second), nn.Linear(second, outputs)
    )
