"""Converts a network's weights, outputs and vectors to the shapes of the model contract."""

from __future__ import annotations

import torch
from torch import Tensor


def as_maps(weights: Tensor, clips: int) -> Tensor:
    """The weights of one call as [B, heads, Tq, Tk].

    [B, heads, Tq, Tk] and [B * heads, Tq, Tk] are taken as they are; [B, Tq, Tk], or [Tq, Tk] of one clip, as one head; pooling
    weights [B, Tk], [B, Tk, 1] and [Tk] as one head with one query.

    Raises:
        ValueError: for any other shape.
    """
    if weights.ndim in (2, 3) and weights.shape[-1] == 1 and weights.shape[-2] > 1:
        weights = weights.squeeze(-1)
    if weights.ndim == 1:
        weights = weights[None]
    if weights.ndim == 2 and len(weights) == clips:
        return weights[:, None, None]
    if weights.ndim == 2 and clips == 1:
        return weights[None, None]
    if weights.ndim == 3 and len(weights) % clips == 0:
        return weights.unflatten(0, (clips, -1))
    if weights.ndim == 4 and len(weights) == clips:
        return weights
    raise ValueError(f"weights of shape {tuple(weights.shape)} are none of {clips} clips' frames")


def onto_frames(maps: Tensor, queries: int, keys: int) -> Tensor:
    """Resample attention maps [..., q, k] to the clip's frames, [..., queries, keys].

    Frames are matched by proportion. A key's weight is divided among its frames, so that row sums are unchanged.
    """
    return _of_keys(_of_queries(maps, queries), keys)


def frames_of(answers: Tensor, count: int) -> Tensor:
    """Resample per-frame predictions [B, t, outputs] to the clip's frames [B, count, outputs], by proportion."""
    return answers if answers.shape[1] == count else answers[:, _place(count, answers.shape[1], answers.device)]


def vector_of(output: object, clips: int) -> Tensor:
    """A module's output as one vector per clip [B, D].

    The mean over frames or tokens, over places of a feature map [N, D, H, W], or over time and places of a 3-D convolution
    [B, D, T, H, W]. N may be clips times frames.

    Raises:
        ValueError: when it is not a tensor.
    """
    tensor = output[0] if isinstance(output, tuple | list) and output else output
    if not isinstance(tensor, Tensor) or not tensor.ndim:
        raise ValueError("it gives no vector")
    if tensor.ndim in (4, 5):
        tensor = tensor.flatten(2).mean(2)
    if tensor.ndim == 1:
        return tensor[None]
    if len(tensor) != clips:
        # The first dimension is frames, not clips: [B * T, D], or [B * T, tokens, D].
        tensor = tensor.unflatten(0, (clips, -1)) if len(tensor) % clips == 0 else tensor.mean(0, keepdim=True)
    return tensor.flatten(1, -2).mean(1) if tensor.ndim > 2 else tensor


def padded(tensor: Tensor, *sizes: int) -> Tensor:
    """Zero-pad the last ``len(sizes)`` dimensions of a tensor to these sizes."""
    missing = [size - have for size, have in zip(sizes, tensor.shape[-len(sizes) :], strict=True)]
    return torch.nn.functional.pad(tensor, [n for more in reversed(missing) for n in (0, more)]) if any(missing) else tensor


def _place(count: int, of: int, device: torch.device) -> Tensor:
    """[count]: the index of the frame, out of ``of``, that each of ``count`` frames falls into."""
    return ((torch.arange(count, device=device) + 0.5) * of / count).long().clamp(max=of - 1)


def _of_queries(maps: Tensor, count: int) -> Tensor:
    have = maps.shape[-2]
    if have == count:
        return maps
    if have < count:
        return maps[..., _place(count, have, maps.device), :]
    bins = _place(have, count, maps.device)
    total = maps.new_zeros(*maps.shape[:-2], count, maps.shape[-1]).index_add(-2, bins, maps)
    return total / torch.bincount(bins, minlength=count)[:, None]


def _of_keys(maps: Tensor, count: int) -> Tensor:
    have = maps.shape[-1]
    if have == count:
        return maps
    if have > count:
        return maps.new_zeros(*maps.shape[:-1], count).index_add(-1, _place(have, count, maps.device), maps)
    place = _place(count, have, maps.device)
    return maps[..., place] / torch.bincount(place, minlength=have)[place]
