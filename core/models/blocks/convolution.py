"""What convolutional layers need when frames may be absent."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def batch_norm_present(norm: nn.BatchNorm1d, h: Tensor, present: Tensor | None = None) -> Tensor:
    """Normalise [B, T, D] with the statistics of the present frames alone; absent frames come back as zeros.

    Args:
        present: [B, T] bool; None where every frame is there.
    """
    frames = h.flatten(0, 1) if present is None else h[present]
    if norm.training and len(frames) < 2:
        # One frame has no spread: it is measured by those before it, and teaches the statistics nothing.
        frames = F.batch_norm(frames, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    else:
        frames = norm(frames)
    if present is None:
        return frames.view_as(h)
    return torch.zeros_like(h).masked_scatter(present[..., None], frames)
