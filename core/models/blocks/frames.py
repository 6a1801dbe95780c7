"""What systems share that answer every frame: inputs aligned frame by frame, and what to say of frames that hold nothing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from affectscope.core.streams import Batch


def aligned(batch: Batch, dims: Mapping[str, int]) -> tuple[Batch, Tensor]:
    """The modalities of ``dims`` alone, all as long as the longest of them, and the frames [B, T] where any of them is present.

    A modality that the batch does not name is absent; one that ``dims`` does not name is dropped, and its length with it.
    """
    batch = batch.completed(dims)
    batch = Batch({m: batch.values[m] for m in dims}, {m: batch.present[m] for m in dims}).synchronous()
    return batch, torch.stack([batch.present[m] for m in dims]).any(0)


def forward_filled(h: Tensor, present: Tensor, before: Tensor) -> Tensor:
    """[B, T, D] where each absent frame repeats the last present one; those before the first hold ``before`` [D].

    Args:
        present: [B, T] bool.
    """
    frames = torch.arange(present.shape[1], device=present.device)
    last = torch.where(present, frames, -1).cummax(1).values[..., None]
    return torch.where(last >= 0, h.gather(1, last.clamp(min=0).expand_as(h)), before)
