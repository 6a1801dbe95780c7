"""What turns one vector a clip into an answer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualClassifier(nn.Module):
    """Linear layers back to the width they started from, a residual around them, and an output layer (MulT, goncalves2022robust,
    goncalves2022auxformer).

    Args:
        hidden: widths in between; ReLU and dropout follow each.
        residual: False, and the last layer before the output has ReLU and dropout too, in place of what goes around it
            (goncalves2022robust, 4.3).
    """

    def __init__(self, width: int, hidden: Sequence[int], outputs: int, dropout: float, residual: bool = True) -> None:
        super().__init__()
        widths = (width, *hidden, width)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.out = nn.Linear(width, outputs)
        self.dropout, self.residual = dropout, residual

    def forward(self, token: Tensor) -> tuple[Tensor, Tensor]:
        """[B, width] -> logits [B, outputs] and the embedding [B, width] under them."""
        hidden = token
        for layer in self.layers[:-1]:
            hidden = F.dropout(F.relu(layer(hidden)), self.dropout, self.training)
        last = self.layers[-1](hidden)
        embedding = last + token if self.residual else F.dropout(F.relu(last), self.dropout, self.training)
        return self.out(embedding), embedding


def prediction_head(
    width: int, hidden: tuple[int, int], outputs: int, after: Literal["first", "each"] = "first"
) -> nn.Sequential:
    """Three layers, with ReLU and dropout after the first only, as VAVL's code has them, or after each but the last
    (goncalves2025versatile, IV-C)."""
    first, second = hidden
    if after == "each":
        # Layers keep the names that they have in the code's heads.
        parts = OrderedDict[str, nn.Module]([("0", nn.Linear(width, first)), ("1", nn.ReLU()), ("2", nn.Dropout(0.2))])
        parts |= {"3": nn.Linear(first, second), "relu": nn.ReLU(), "dropout": nn.Dropout(0.2), "4": nn.Linear(second, outputs)}
        return nn.Sequential(parts)
    return nn.Sequential(
        nn.Linear(width, first), nn.ReLU(), nn.Dropout(0.2), nn.Linear(first, second), nn.Linear(second, outputs)
    )
