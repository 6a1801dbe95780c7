"""Prediction heads: from one vector per clip to an answer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualClassifier(nn.Module):
    """Linear layers that return to the input width, with a residual connection, and an output layer.

    As in MulT, goncalves2022robust and goncalves2022auxformer.

    Args:
        hidden: widths in between; ReLU and dropout follow each.
        residual: False: no residual connection, and ReLU and dropout also before the output layer (goncalves2022robust, 4.3).
    """

    def __init__(self, width: int, hidden: Sequence[int], outputs: int, dropout: float, residual: bool = True) -> None:
        super().__init__()
        widths = (width, *hidden, width)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.out = nn.Linear(width, outputs)
        self.dropout, self.residual = dropout, residual

    def forward(self, token: Tensor) -> tuple[Tensor, Tensor]:
        """[B, width] -> logits [B, outputs] and their input, the embedding [B, width]."""
        hidden = token
        for layer in self.layers[:-1]:
            hidden = F.dropout(F.relu(layer(hidden)), self.dropout, self.training)
        last = self.layers[-1](hidden)
        embedding = last + token if self.residual else F.dropout(F.relu(last), self.dropout, self.training)
        return self.out(embedding), embedding


def prediction_head(
    width: int, hidden: tuple[int, int], outputs: int, after: Literal["first", "each"] = "first"
) -> nn.Sequential:
    """Three layers, with ReLU and dropout after the first, as in VAVL's code, or after each but the last.

    The latter is goncalves2025versatile, IV-C.
    """
    first, second = hidden
    if after == "each":
        # Keys as in the public code's heads.
        parts = OrderedDict[str, nn.Module]([("0", nn.Linear(width, first)), ("1", nn.ReLU()), ("2", nn.Dropout(0.2))])
        parts |= {"3": nn.Linear(first, second), "relu": nn.ReLU(), "dropout": nn.Dropout(0.2), "4": nn.Linear(second, outputs)}
        return nn.Sequential(parts)
    return nn.Sequential(
        nn.Linear(width, first), nn.ReLU(), nn.Dropout(0.2), nn.Linear(first, second), nn.Linear(second, outputs)
    )
