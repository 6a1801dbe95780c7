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


def distinct(*rows: Tensor) -> tuple[Tensor, ...]:
    """[B, ...] each, or [1, ...] each where all B rows are one row that ``Tensor.expand`` has made many.

    What belongs to one such row is reckoned once and expanded in its turn.
    """
    same = all(tensor.stride(0) == 0 for tensor in rows)
    return tuple(tensor[:1] for tensor in rows) if same else rows
