"""What training may do to normalised features so that a model relies on less of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

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


def displaced(batch: Batch, vectors: Mapping[str, Tensor], strength: float) -> Batch:
    """Move every clip by ``strength`` times the difference of two random clips' means.

    So it is moved as far, and along the same directions, as one clip lies from another: as another person, room or camera would,
    and across the borders of classes too. In the metric of ``core.knowing.reference`` a clip's squared distance grows by
    2 strength^2 times the number of features.

    Args:
        vectors: modality -> [N, D], means of clips; a modality without any is not moved.
    """
    if not strength:
        return batch
    values = dict(batch.values)
    for modality, means in vectors.items():
        if modality in values and len(means) > 1:
            first, second = torch.randint(len(means), (2, len(batch)))
            values[modality] = values[modality] + strength * (means[first] - means[second])[:, None]
    return Batch.of(present=batch.present, **values)
