"""Less work with the same result, for blocks to which an absent frame is as good as none and rows do not matter to each other."""

from __future__ import annotations

import torch
from torch import Tensor


def packed(present: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """The present frames of each row [B, T] moved to the front, in their order, and all cut to the row that has most of them.

    What depends on the place of a frame, as positions do, must be in the frames before.

    Args:
        others: [B, T, ...], moved with them.

    Returns:
        ``present``, then ``others``, [B, T', ...]: T' is 1 or more. What fills up the shorter rows are absent frames.
    """
    longest = max(1, int(present.sum(1).max()))
    if longest == present.shape[1]:
        return present, *others
    order = (~present).byte().argsort(dim=1, stable=True)[:, :longest]
    rows = torch.arange(len(present), device=present.device)[:, None]
    return tuple(tensor[rows, order] for tensor in (present, *others))


def merged(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The frames of one clip, where all rows are that clip with one frame or another absent; otherwise the rows as they are.

    What a frame becomes by itself is then computed once for all rows. Rows that lose every frame keep theirs: what stands in for
    them is no frame of the clip.

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
