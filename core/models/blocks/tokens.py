"""Pools a sequence with absent frames into one vector."""

from __future__ import annotations

import torch
from torch import Tensor


def with_placeholder(present: Tensor) -> Tensor:
    """``present`` [B, T] with the first frame set in rows that have none."""
    first = torch.arange(present.shape[1], device=present.device) == 0
    return present | (first & ~present.any(1, keepdim=True))


def last_place(present: Tensor) -> Tensor:
    """Index of the last present frame in each row of [B, T], [B]; 0 for a row without any."""
    last = present.shape[1] - 1 - present.flip(1).int().argmax(1)
    return torch.where(present.any(1), last, 0)


def last_present(h: Tensor, present: Tensor) -> Tensor:
    """The last present frame of each row, [B, T, D] -> [B, D]; the first frame for a row without any."""
    return h[torch.arange(len(h), device=h.device), last_place(present)]


def mean_present(h: Tensor, present: Tensor) -> Tensor:
    """The mean over the present frames of each row, [B, T, D] -> [B, D]; zeros for a row without any."""
    return torch.where(present[..., None], h, 0).sum(1) / present.sum(1, keepdim=True).clamp(min=1)
