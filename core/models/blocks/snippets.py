"""Divides a clip of any length into a fixed number of snippets: the indices of their frames."""

from __future__ import annotations

import torch
from torch import Tensor


def snippets(present: Tensor, count: int, frames: int) -> Tensor:
    """``count`` equal parts of the present frames, with ``frames`` evenly sampled from each: indices [B, count, frames] into T.

    A part with fewer frames repeats some. The parts are those of ``segments.segments``: absent frames and padding are ignored.

    Args:
        present: [B, T] bool. A row without any frame gives arbitrary indices.
    """
    total = present.sum(1)[:, None]
    part = torch.arange(count, device=present.device)
    start = part * total // count
    length = ((part + 1) * total // count - start).clamp(min=1)
    # The midpoints of `frames` equal shares of the part, in integers.
    middle = 2 * torch.arange(frames, device=present.device) + 1
    return _frames(present, start[..., None] + middle * length[..., None] // (2 * frames))


def windows(present: Tensor, count: int, frames: int) -> Tensor:
    """``count`` windows of ``frames`` consecutive frames, spread evenly over the present frames: indices as in ``snippets``.

    Windows overlap in short clips and leave gaps in long ones. If the clip is shorter than one window, all are equal, and repeat
    its last frame.
    """
    room = (present.sum(1)[:, None] - frames).clamp(min=0)
    start = room * torch.arange(count, device=present.device) // max(1, count - 1)
    return _frames(present, start[..., None] + torch.arange(frames, device=present.device))


def membership(indices: Tensor, present: Tensor) -> Tensor:
    """Averaging weights [B, N, T] over frames for indices [B, N, k]; zeros for a row of ``present`` without any frame."""
    weights = torch.zeros(*indices.shape[:2], present.shape[1], device=indices.device)
    weights = weights.scatter_add(2, indices, torch.full(indices.shape, 1 / indices.shape[2], device=indices.device))
    return weights * present.any(1)[:, None, None]


def _frames(present: Tensor, ranks: Tensor) -> Tensor:
    """Convert ranks among the present frames to indices in T; the last one beyond the end."""
    order = (~present).byte().argsort(dim=1, stable=True)
    last = (present.sum(1) - 1).clamp(min=0)[:, None]
    return order.gather(1, torch.minimum(ranks.flatten(1), last)).view_as(ranks)
