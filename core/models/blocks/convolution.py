"""Helpers for convolutional layers with absent frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def batch_norm_present(norm: nn.BatchNorm1d, h: Tensor, present: Tensor | None = None) -> Tensor:
    """Batch norm of [B, T, D] with statistics of the present frames only; absent frames become zeros.

    Args:
        present: [B, T] bool; None where all frames are present.
    """
    frames = h.flatten(0, 1) if present is None else h[present]
    if norm.training and len(frames) < 2:
        # A single frame has no variance, so it uses the running statistics and does not update them.
        frames = F.batch_norm(frames, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    else:
        frames = norm(frames)
    if present is None:
        return frames.view_as(h)
    return torch.zeros_like(h).masked_scatter(present[..., None], frames)
