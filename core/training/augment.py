"""What training may do to normalised features so that a model relies on less of them."""

from __future__ import annotations

import torch

from affectscope.core.streams import Batch


def jitter(batch: Batch, frame: float, clip: float) -> Batch:
    """Add Gaussian noise to every present frame (sd ``frame``) and one offset for each clip and feature (sd ``clip``).

    The offset stands for what differs from speaker to speaker and camera to camera, and holds through a clip.
    """
    if not frame and not clip:
        return batch
    values = {
        name: value + frame * torch.randn_like(value) + clip * torch.randn_like(value[:, :1])
        for name, value in batch.values.items()
    }
    return Batch.of(present=batch.present, **values)
