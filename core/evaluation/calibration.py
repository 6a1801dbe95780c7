"""How far a model's confidence can be trusted."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor


def reliability(logits: Tensor, target: Tensor, bins: int = 15) -> pd.DataFrame:
    """The reliability diagram's bins: how often answers given with that confidence were right.

    The mean distance of accuracy from confidence, weighted by ``count``, is the ECE of ``metrics``.

    Args:
        logits: [N, C]; target: [N].
        bins: how many equal parts of 0..1.

    Returns:
        A row for each bin that holds an answer: its bounds ``low`` and ``high``, the means ``confidence`` and ``accuracy``, and
        ``count``.
    """
    confidence, answer = logits.softmax(1).double().max(1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    # Full confidence belongs to the last bin, whose upper bound it is.
    place = (torch.bucketize(confidence, edges, right=True) - 1).clamp(max=bins - 1)
    answers = pd.DataFrame({"bin": place.numpy(), "confidence": confidence.numpy(), "right": (answer == target).numpy()})
    groups = answers.groupby("bin")
    filled = list(groups.groups)
    return pd.DataFrame(
        {
            "low": edges[filled].numpy(),
            "high": edges[[b + 1 for b in filled]].numpy(),
            "confidence": groups["confidence"].mean().to_numpy(),
            "accuracy": groups["right"].mean().to_numpy(),
            "count": groups.size().to_numpy(),
        }
    )
