"""From attention maps to readable form: the weight of each frame, and audio frames against video frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from affectscope.core.models.base import AttentionMap, ModelOutput, ModelSpec
from affectscope.core.streams import Stream

# Rows and columns of a written matrix: fifteen seconds of audio descriptors.
MOST_FRAMES = 1500


def stack_layers(maps: Sequence[AttentionMap], name: str) -> Tensor:
    """The weights of one attention of a single clip, [layers, heads, Tq, Tk]."""
    return torch.stack([m.weights[0] for m in sorted(maps, key=lambda m: m.layer) if m.name == name])


def frame_weights(weights: Tensor, query_present: Tensor) -> Tensor:
    """How much attention each key frame receives: the mean over the present queries.

    Args:
        weights: [layers, heads, Tq, Tk]; query_present: [Tq] bool.

    Returns:
        [layers, heads, Tk], each row summing to 1 over present keys. Without a present query, the single frame that represents
        an absent modality (the first) is used.
    """
    asked = query_present if query_present.any() else torch.arange(len(query_present)) == 0
    return weights[:, :, asked].mean(2)


def attention_arrays(streams: Mapping[str, Stream], output: ModelOutput, spec: ModelSpec) -> dict[str, np.ndarray]:
    """All attentions of a single clip as arrays for writing.

    Returns:
        Per attention's name, [layers, heads, queries, keys] float16: the rows of present frames sum to 1 over the present
        keys, others are 0. Also ``NAME.query_times`` and ``NAME.key_times``, seconds. If a side has more than ``MOST_FRAMES``,
        each cell is the mean of its neighbours.
    """
    found: dict[str, np.ndarray] = {}
    for attention in spec.attention:
        query, key = streams[attention.query], streams[attention.key]
        if not (query.any and key.any):
            continue
        weights = stack_layers(output.attention, attention.name)[..., : len(query.times), : len(key.times)]
        weights = torch.where(torch.from_numpy(query.present)[:, None], weights, 0)
        weights, query_times, key_times = shrunk(weights, query.times, key.times, MOST_FRAMES)
        found[attention.name] = weights.to(torch.float16).numpy()
        found[f"{attention.name}.query_times"], found[f"{attention.name}.key_times"] = query_times, key_times
    return found


def shrunk(weights: Tensor, query_times: np.ndarray, key_times: np.ndarray, side: int) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Weights [..., Q, K] with at most ``side`` rows and columns, each the mean of its neighbours, and their times."""
    rows, columns = min(len(query_times), side), min(len(key_times), side)
    if (rows, columns) == weights.shape[-2:]:
        return weights, query_times, key_times

    def at(times: np.ndarray, count: int) -> np.ndarray:
        return np.array([part.mean() for part in np.array_split(times, count)])

    pooled = torch.nn.functional.adaptive_avg_pool2d(weights.flatten(0, -3), (rows, columns))
    return pooled.view(*weights.shape[:-2], rows, columns), at(query_times, rows), at(key_times, columns)
