"""From attention maps to what a person can read: the weight of each frame, and audio frames against video frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from affectscope.core.models.base import AttentionMap


def stack_layers(maps: Sequence[AttentionMap], name: str) -> Tensor:
    """The weights of one attention of a single clip, [layers, heads, Tq, Tk]."""
    return torch.stack([m.weights[0] for m in sorted(maps, key=lambda m: m.layer) if m.name == name])


def frame_weights(weights: Tensor, query_present: Tensor) -> Tensor:
    """How much each key frame is attended to: the mean over the queries that are there.

    Args:
        weights: [layers, heads, Tq, Tk]; query_present: [Tq] bool.

    Returns:
        [layers, heads, Tk], each row summing to 1 over present keys. Where no query is there, the one frame that stands for
        an absent modality is taken (the first).
    """
    asked = query_present if query_present.any() else torch.arange(len(query_present)) == 0
    return weights[:, :, asked].mean(2)
