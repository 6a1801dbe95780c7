"""How far a model's confidence can be trusted."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

BINS = 15
"""Equal parts of 0..1, as in the papers, for every expected calibration error and reliability diagram."""
ECE_TITLE = f"ECE, {BINS} equal-width bins"


def calibration_error(logits: Tensor, target: Tensor) -> float:
    """The expected calibration error: how far accuracy lies from confidence, the mean over ``BINS`` equal-width bins of the
    confidence of the answer, each weighted by its answers. There is no other in this project.

    Args:
        logits: [N, C]; target: [N].
    """
    # torchmetrics brings torchvision, seconds of imports for which nobody who only plays clips should wait.
    from torchmetrics.functional.classification import multiclass_calibration_error

    return float(multiclass_calibration_error(logits.softmax(1), target, logits.shape[1], n_bins=BINS))


def reliability(logits: Tensor, target: Tensor, bins: int = BINS) -> pd.DataFrame:
    """The reliability diagram's bins: how often answers given with that confidence were right.

    The mean distance of accuracy from confidence, weighted by ``count``, is ``calibration_error``.

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
