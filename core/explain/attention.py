"""Summaries of attention maps: the weight of each frame, and audio frames against video frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from affectscope.core.models.base import AttentionMap, ModelOutput, ModelSpec
from affectscope.core.streams import Stream

# Maximum rows and columns of an exported matrix: fifteen seconds of audio descriptors.
MOST_FRAMES = 1500


def stack_layers(maps: Sequence[AttentionMap], name: str) -> Tensor:
    """The weights of one attention of a single clip, [layers, heads, Tq, Tk]."""
    return torch.stack([m.weights[0] for m in sorted(maps, key=lambda m: m.layer) if m.name == name])


def frame_weights(weights: Tensor, query_present: Tensor) -> Tensor:
    """How much each key frame is attended to: the mean over present queries.

    Args:
        weights: [layers, heads, Tq, Tk]; query_present: [Tq] bool.

    Returns:
        [layers, heads, Tk], each row summing to 1 over present keys. Without present queries, the first frame, which stands for
        an absent modality, is used.
    """
    asked = query_present if query_present.any() else torch.arange(len(query_present)) == 0
    return weights[:, :, asked].mean(2)


def attention_arrays(streams: Mapping[str, Stream], output: ModelOutput, spec: ModelSpec) -> dict[str, np.ndarray]:
    """Every attention of a single clip, as arrays for export.

    Returns:
        By the attention's name, [layers, heads, queries, keys] float16: rows of present frames sum to 1 over present keys, others
        are 0. Also ``NAME.query_times`` and ``NAME.key_times``, seconds. Above ``MOST_FRAMES`` per side, each cell is the mean of
        its neighbours.
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
    """Weights [..., Q, K] reduced to at most ``side`` rows and columns by averaging neighbours, and their times."""
    rows, columns = min(len(query_times), side), min(len(key_times), side)
    if (rows, columns) == weights.shape[-2:]:
        return weights, query_times, key_times

    def at(times: np.ndarray, count: int) -> np.ndarray:
        return np.array([part.mean() for part in np.array_split(times, count)])

    pooled = torch.nn.functional.adaptive_avg_pool2d(weights.flatten(0, -3), (rows, columns))
    return pooled.view(*weights.shape[:-2], rows, columns), at(query_times, rows), at(key_times, columns)
