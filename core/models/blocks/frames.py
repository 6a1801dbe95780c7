"""What systems share that answer every frame: inputs aligned frame by frame, and what to say of frames that hold nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.models.base import AttentionMap
from affectscope.core.streams import Batch


def aligned(batch: Batch, dims: Mapping[str, int]) -> tuple[Batch, Tensor]:
    """The modalities of ``dims`` alone, all as long as the longest of them, and the frames [B, T] where any of them is present.

    A modality that the batch does not name is absent; one that ``dims`` does not name is dropped, and its length with it.
    """
    batch = batch.completed(dims)
    batch = Batch({m: batch.values[m] for m in dims}, {m: batch.present[m] for m in dims}).synchronous()
    return batch, torch.stack([batch.present[m] for m in dims]).any(0)


def sequences(batch: Batch, frames: int) -> Batch:
    """The rows of a synchronous batch cut into sequences of so many frames, one after the other, as rows of their own; 0, or a
    batch that is no longer, leaves them. The last of a row is filled up with absent frames."""
    length = next(iter(batch.present.values())).shape[1]
    if not frames or length <= frames:
        return batch
    values = {m: _cut(x, frames) for m, x in batch.values.items()}
    return Batch(values, {m: _cut(mask, frames) for m, mask in batch.present.items()})


def joined(h: Tensor, size: int, length: int) -> Tensor:
    """What was said of ``sequences`` [S, frames, ...] as it was asked, [B, T, ...]."""
    return h if len(h) == size else torch.unflatten(h, 0, (size, -1)).flatten(1, 2)[:, :length]


def joined_maps(maps: Sequence[AttentionMap], size: int, length: int) -> tuple[AttentionMap, ...]:
    """Attention inside sequences as attention over whole rows, [B, heads, T, T]: no frame looks beyond its own sequence."""
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
    """[B, T, D] where each absent frame repeats the last present one; those before the first hold ``before`` [D].

    Args:
        present: [B, T] bool.
    """
    frames = torch.arange(present.shape[1], device=present.device)
    last = torch.where(present, frames, -1).cummax(1).values[..., None]
    return torch.where(last >= 0, h.gather(1, last.clamp(min=0).expand_as(h)), before)
