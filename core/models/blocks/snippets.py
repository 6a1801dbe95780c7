"""A clip of any length as a fixed number of short pieces: which frames each piece is made of."""

from __future__ import annotations

import torch
from torch import Tensor


def snippets(present: Tensor, count: int, frames: int) -> Tensor:
    """``count`` equal parts of the present frames, ``frames`` taken evenly from each: indices [B, count, frames] into T.

    A part that has fewer repeats some. The parts are those of ``segments.segments``: absent frames and padding count nowhere.

    Args:
        present: [B, T] bool. A row without any frame gives indices that mean nothing.
    """
    total = present.sum(1)[:, None]
    part = torch.arange(count, device=present.device)
    start = part * total // count
    length = ((part + 1) * total // count - start).clamp(min=1)
    # The middles of `frames` equal shares of the part, in whole numbers.
    middle = 2 * torch.arange(frames, device=present.device) + 1
    return _frames(present, start[..., None] + middle * length[..., None] // (2 * frames))


def windows(present: Tensor, count: int, frames: int) -> Tensor:
    """``count`` windows of ``frames`` neighbours, spread evenly from the first present frame to the last: as ``snippets``.

    Windows overlap where the clip is shorter than all of them, and leave frames out where it is longer. In a clip that is shorter
    than one of them all are the same, and repeat its last frame.
    """
    room = (present.sum(1)[:, None] - frames).clamp(min=0)
    start = room * torch.arange(count, device=present.device) // max(1, count - 1)
    return _frames(present, start[..., None] + torch.arange(frames, device=present.device))


def membership(indices: Tensor, present: Tensor) -> Tensor:
    """Indices [B, N, k] as weights over frames [B, N, T] that average them; zeros for a row of ``present`` without any frame."""
    weights = torch.zeros(*indices.shape[:2], present.shape[1], device=indices.device)
    weights = weights.scatter_add(2, indices, torch.full(indices.shape, 1 / indices.shape[2], device=indices.device))
    return weights * present.any(1)[:, None, None]


def _frames(present: Tensor, ranks: Tensor) -> Tensor:
    """Places in the row of present frames as places in T; past the end, the last one."""
    order = (~present).byte().argsort(dim=1, stable=True)
    last = (present.sum(1) - 1).clamp(min=0)[:, None]
    return order.gather(1, torch.minimum(ranks.flatten(1), last)).view_as(ranks)
