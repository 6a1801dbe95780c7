"""What a vision transformer attends to, from its first layer to its last: attention rollout, and its gradient-weighted form.

pytorch-grad-cam has neither. Weights are read where torch makes them, in ``scaled_dot_product_attention``, by which
``nn.MultiheadAttention``, torchvision, timm and transformers go; nothing of the network needs to be known.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.explain.road import VisualRoad, listening, slopes_by_score

_CONVOLVING = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d, nn.MaxPool2d, nn.AvgPool2d)


@contextmanager
def weighing() -> Iterator[list[Tensor]]:
    """The weights [B, heads, Tq, Tk] of every attention that this thread computes while this holds, open to gradients."""
    original, thread = F.scaled_dot_product_attention, threading.get_ident()
    found: list[Tensor] = []

    def attend(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, *, scale: float | None = None, **more: Any,
    ) -> Tensor:  # fmt: skip
        if threading.get_ident() != thread or is_causal or query.ndim != 4:
            return original(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **more)
        logits = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if attn_mask is not None:
            logits = logits.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else logits + attn_mask
        weights = logits.softmax(-1)
        found.append(weights)
        return weights @ value

    F.scaled_dot_product_attention = attend  # type: ignore[assignment]
    try:
        yield found
    finally:
        F.scaled_dot_product_attention = original


def rollout(road: VisualRoad) -> Tensor:
    """Abnar and Zuidema 2020: the heads' mean, half residual, multiplied from layer to layer; the same for all scores.

    Returns:
        [S, P, h, w]: how much of each patch reaches the token that is read (the class token; without one, all tokens alike).
    """
    layers, scores = _attention(road)
    with torch.no_grad():
        mixed = [(one.mean(1) + _itself(one)) / 2 for one in map(torch.cat, layers)]
        return _placed(road, _multiplied(mixed)).expand(len(scores), -1, -1, -1)


def weighted(road: VisualRoad) -> Tensor:
    """Chefer et al. 2021: each layer's weights times their positive gradient, added to what came before.

    Returns:
        [S, P, h, w] as ``rollout``, for each score its own.
    """
    layers, scores = _attention(road)
    maps, depth = [], len(layers)
    for slopes in slopes_by_score(scores, [one for layer in layers for one in layer]):
        calls = len(slopes) // depth
        of_layers = [torch.cat(slopes[i * calls : (i + 1) * calls]) for i in range(depth)]
        with torch.no_grad():
            weights = map(torch.cat, layers)
            mixed = [(slope * one).relu().mean(1) + _itself(one) for slope, one in zip(of_layers, weights, strict=True)]
            # What a patch keeps of itself along the residual is no evidence that it was attended to.
            together = _multiplied(mixed)
            maps.append(_placed(road, together - torch.eye(together.shape[-1], device=together.device)))
    return torch.stack(maps)


def attends(road: VisualRoad) -> bool:
    """Whether the layer that is read gives tokens with attention among them."""
    if not road.layers or any(isinstance(module, _CONVOLVING) for module in road.layers[-1].modules()):
        return False
    try:
        return bool(_attention(road))
    except ValueError:
        return False


def _attention(road: VisualRoad) -> tuple[list[list[Tensor]], Tensor]:
    """For each layer, in order, the weights [rows, heads, T, T] among the tokens that are read, call by call; and the scores.

    Raises:
        ValueError: when no attention is among those tokens.
    """
    # With pixels that need a gradient torch takes no short cut around the function that is listened to.
    pixels = road.pixels.detach().requires_grad_(True)
    with torch.enable_grad(), listening(road.layers, False) as heard, weighing() as found:
        scores = road.network(pixels)
    read = heard[-1]
    tokens = read[0].shape[1] if read and read[0].ndim == 3 else 0
    among = [one for one in found if one.shape[-2:] == (tokens, tokens)]
    if not among or len(among) % len(read):
        raise ValueError("no attention is among the tokens of the layer that is read")
    # In chunks, each chunk goes through all layers.
    depth = len(among) // len(read)
    return [among[i::depth] for i in range(depth)], scores


def _itself(weights: Tensor) -> Tensor:
    return torch.eye(weights.shape[-1], device=weights.device)


def _multiplied(layers: Sequence[Tensor]) -> Tensor:
    """[rows, T, T] from the first layer to the last."""
    together = layers[0]
    for layer in layers[1:]:
        together = layer @ together
    return together


def _placed(road: VisualRoad, together: Tensor) -> Tensor:
    """What the token that is read takes of each patch, one map a frame: [P, h, w]."""
    side = math.isqrt(together.shape[-1])
    patches = together[..., -(side**2) :]
    taken = patches[:, 0] if together.shape[-1] > side**2 else patches.mean(1)
    return road.on_frames(taken.unflatten(1, (side, side)))
