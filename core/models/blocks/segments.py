"""Divides a clip of any length into a fixed number of steps, and maps attention over steps back to frames."""

from __future__ import annotations

import torch
from torch import Tensor


def segments(present: Tensor, count: int) -> Tensor:
    """Averaging weights [B, count, T] of the frames in each of ``count`` equal parts of a clip.

    The parts divide the present frames in order, and ignore padding. A clip with fewer frames than parts repeats frames. A row of
    ``present`` [B, T] without any frame gives zeros.
    """
    frames = present.sum(1, keepdim=True)
    part = torch.arange(count, device=present.device)
    start = part * frames // count
    stop = torch.maximum((part + 1) * frames // count, start + 1)
    rank = present.cumsum(1)[:, None] - 1
    member = (rank >= start[..., None]) & (rank < stop[..., None]) & present[:, None]
    return member / member.sum(-1, keepdim=True).clamp(min=1)


def spread(weights: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """Attention among segments [B, H, Nq, Nk] as attention among frames [B, H, Tq, Tk]; row sums are unchanged.

    Args:
        query, key: [B, N, T] from ``segments``. A frame's attention is the mean over the segments that contain it.
    """
    asks = (query > 0).to(weights)
    asks = asks / asks.sum(1, keepdim=True).clamp(min=1)
    return asks.transpose(1, 2)[:, None] @ weights @ key[:, None].to(weights)
