"""Saves computation without changing results, for blocks that ignore absent frames and treat rows independently."""

from __future__ import annotations

import torch
from torch import Tensor


def packed(present: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Move the present frames of each row [B, T] to the front, in order, and cut all rows to the largest number.

    Anything that depends on a frame's position, such as position embeddings, must be added before.

    Args:
        others: [B, T, ...], moved with them.

    Returns:
        ``present``, then ``others``, [B, T', ...]: T' is at least 1. Shorter rows are padded with absent frames.
    """
    longest = max(1, int(present.sum(1).max()))
    if longest == present.shape[1]:
        return present, *others
    order = (~present).byte().argsort(dim=1, stable=True)[:, :longest]
    rows = torch.arange(len(present), device=present.device)[:, None]
    return tuple(tensor[rows, order] for tensor in (present, *others))


def merged(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """If all rows are one clip with different frames absent, its frames once; otherwise the rows unchanged.

    Per-frame computations are then done once for all rows. Rows without any present frame stay separate, because their
    placeholder is not a frame of the clip.

    Args:
        values: [B, T, D], zeros where a frame is absent.
        present: [B, T].

    Returns:
        ``values`` [1, T, D] or [B, T, D]; ``present`` [B, T], or [1, T] where one row has been expanded to all.
    """
    if values.stride(0) == 0 and present.stride(0) == 0:
        return values[:1], present[:1]
    if len(values) == 1 or not bool(present.any(1).all()):
        return values, present
    first = present.byte().argmax(0)
    clip = values[first, torch.arange(values.shape[1], device=values.device)]
    alike = (values == clip).all(-1) | ~present
    return (clip[None] if bool(alike.all()) else values), present
