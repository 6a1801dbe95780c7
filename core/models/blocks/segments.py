"""A clip of any length as a fixed number of steps, and what was said of the steps as said of the frames."""

from __future__ import annotations

import torch
from torch import Tensor


def segments(present: Tensor, count: int) -> Tensor:
    """Which frames make up each of ``count`` equal parts of a clip, as weights [B, count, T] that average them.

    The parts divide the present frames in their order and know nothing of padding. A clip with fewer frames than parts repeats
    frames. A row of ``present`` [B, T] without any frame gives zeros.
    """
    frames = present.sum(1, keepdim=True)
    part = torch.arange(count, device=present.device)
    start = part * frames // count
    stop = torch.maximum((part + 1) * frames // count, start + 1)
    rank = present.cumsum(1)[:, None] - 1
    member = (rank >= start[..., None]) & (rank < stop[..., None]) & present[:, None]
    return member / member.sum(-1, keepdim=True).clamp(min=1)


def spread(weights: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """Attention among segments [B, H, Nq, Nk] as attention among frames [B, H, Tq, Tk]; rows keep their sums.

    Args:
        query, key: [B, N, T] from ``segments``. A frame asks as the mean of the segments that it is in.
    """
    asks = (query > 0).to(weights)
    asks = asks / asks.sum(1, keepdim=True).clamp(min=1)
    return asks.transpose(1, 2)[:, None] @ weights @ key[:, None].to(weights)
