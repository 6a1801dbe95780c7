"""Augmentation of normalised features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from affectscope.core.streams import Batch


def jitter(batch: Batch, frame: float, clip: float) -> Batch:
    """Add Gaussian noise: to every present frame (sd ``frame``), and per clip and feature (sd ``clip``).

    The second is constant within a clip, and simulates differences between speakers and cameras.
    """
    if not frame and not clip:
        return batch
    values = {
        name: value + frame * torch.randn_like(value) + clip * torch.randn_like(value[:, :1])
        for name, value in batch.values.items()
    }
    return Batch.of(present=batch.present, **values)


def displaced(batch: Batch, vectors: Mapping[str, Tensor], strength: float) -> Batch:
    """Move every clip by ``strength`` times the difference of two random clips' means.

    So clips move along the directions in which clips differ (by person, room, camera or class), by a typical distance. In the
    metric of ``core.familiarity.reference`` a clip's squared distance increases by 2 strength^2 times the number of features.

    Args:
        vectors: modality -> [N, D], means of clips; other modalities are unchanged.
    """
    if not strength:
        return batch
    values = dict(batch.values)
    for modality, means in vectors.items():
        if modality in values and len(means) > 1:
            first, second = torch.randint(len(means), (2, len(batch)))
            values[modality] = values[modality] + strength * (means[first] - means[second])[:, None]
    return Batch.of(present=batch.present, **values)
