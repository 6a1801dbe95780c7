"""Helpers for models with per-frame predictions: aligned inputs, and outputs at absent frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.models.base import AttentionMap
from affectscope.core.streams import Batch


def aligned(batch: Batch, dims: Mapping[str, int]) -> tuple[Batch, Tensor]:
    """The modalities of ``dims``, padded to the longest of them, and the frames [B, T] where any of them is present.

    A modality that the batch lacks is absent; one that is not in ``dims`` is dropped, and its length ignored.
    """
    batch = batch.completed(dims)
    batch = Batch({m: batch.values[m] for m in dims}, {m: batch.present[m] for m in dims}).synchronous()
    return batch, torch.stack([batch.present[m] for m in dims]).any(0)


def sequences(batch: Batch, frames: int) -> Batch:
    """Cut the rows of a synchronous batch into consecutive sequences of ``frames`` frames, as separate rows.

    With ``frames`` 0, or a batch that is not longer, it is unchanged. The last sequence of a row is padded with absent frames.
    """
    length = next(iter(batch.present.values())).shape[1]
    if not frames or length <= frames:
        return batch
    values = {m: _cut(x, frames) for m, x in batch.values.items()}
    return Batch(values, {m: _cut(mask, frames) for m, mask in batch.present.items()})


def joined(h: Tensor, size: int, length: int) -> Tensor:
    """The inverse of ``sequences`` for outputs: [S, frames, ...] to [B, T, ...]."""
    return h if len(h) == size else torch.unflatten(h, 0, (size, -1)).flatten(1, 2)[:, :length]


def joined_maps(maps: Sequence[AttentionMap], size: int, length: int) -> tuple[AttentionMap, ...]:
    """Attention within sequences as block-diagonal attention over whole rows, [B, heads, T, T]."""
    if not maps or len(maps[0].weights) == size:
        return tuple(maps)
    whole = []
    for attention in maps:
        parts = torch.unflatten(attention.weights, 0, (size, -1))
        count, frames = parts.shape[1], parts.shape[-1]
        rows = parts.new_zeros(size, parts.shape[2], count * frames, count * frames)
        for i in range(count):
            rows[..., i * frames : (i + 1) * frames, i * frames : (i + 1) * frames] = parts[:, i]
        whole.append(replace(attention, weights=rows[..., :length, :length]))
    return tuple(whole)


def _cut(x: Tensor, frames: int) -> Tensor:
    more = -x.shape[1] % frames
    return torch.unflatten(F.pad(x, (*(0, 0) * (x.ndim - 2), 0, more)), 1, (-1, frames)).flatten(0, 1)


def forward_filled(h: Tensor, present: Tensor, before: Tensor) -> Tensor:
    """Forward-fill [B, T, D] at absent frames; those before the first present one get ``before`` [D].

    Args:
        present: [B, T] bool.
    """
    frames = torch.arange(present.shape[1], device=present.device)
    last = torch.where(present, frames, -1).cummax(1).values[..., None]
    return torch.where(last >= 0, h.gather(1, last.clamp(min=0).expand_as(h)), before)
