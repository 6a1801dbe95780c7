"""Calibration of a model's confidence."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

BINS = 15
"""Number of bins of 0..1, as in the papers, for every expected calibration error and reliability diagram."""
ECE_TITLE = f"ECE, {BINS} equal-width bins"


def calibration_error(logits: Tensor, target: Tensor) -> float:
    """The expected calibration error, the only one in this project.

    The mean absolute difference of accuracy and confidence over ``BINS`` equal-width bins of the confidence, weighted by count.

    Args:
        logits: [N, C]; target: [N].
    """
    # torchmetrics imports torchvision, which takes seconds that playing clips should not cost.
    from torchmetrics.functional.classification import multiclass_calibration_error

    return float(multiclass_calibration_error(logits.softmax(1), target, logits.shape[1], n_bins=BINS))


def reliability(logits: Tensor, target: Tensor, bins: int = BINS) -> pd.DataFrame:
    """The bins of a reliability diagram: accuracy by confidence.

    The mean absolute difference of accuracy and confidence, weighted by ``count``, is ``calibration_error``.

    Args:
        logits: [N, C]; target: [N].
        bins: number of equal parts of 0..1.

    Returns:
        A row for each non-empty bin: its bounds ``low`` and ``high``, the means ``confidence`` and ``accuracy``, and ``count``.
    """
    confidence, answer = logits.softmax(1).double().max(1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    # Confidence 1 belongs to the last bin, whose upper bound it is.
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
