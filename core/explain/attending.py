"""What a vision transformer attends to, from its first layer to its last: attention rollout, and its gradient-weighted form.

pytorch-grad-cam has neither. Weights are read where torch makes them, in ``scaled_dot_product_attention``, by which
``nn.MultiheadAttention``, torchvision, timm and transformers go; nothing of the network needs to be known.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.explain.road import NoWay, VisualRoad, listening, slopes_by_score

# So many pictures at a time: a ViT-B over 224 pixels holds 150 MB for each.
_AT_ONCE = 8
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
    maps = []
    for one in _passes(road):
        mixed = [(weights.detach().mean(1) + _itself(weights)) / 2 for weights in one.layers]
        maps.append(_taken(_multiplied(mixed)).expand(len(one.slopes), -1, -1, -1))
    return _placed(road, maps)


def weighted(road: VisualRoad) -> Tensor:
    """Chefer et al. 2021: each layer's weights times their positive gradient, added to what came before.

    Returns:
        [S, P, h, w] as ``rollout``, for each score its own.
    """
    maps = []
    for one in _passes(road):
        of_scores = []
        for slopes in one.slopes:
            pairs = zip(slopes, one.layers, strict=True)
            together = _multiplied([(slope * w.detach()).relu().mean(1) + _itself(w) for slope, w in pairs])
            # What a patch keeps of itself along the residual is no evidence that it was attended to.
            of_scores.append(_taken(together - _itself(together)))
        maps.append(torch.stack(of_scores))
    return _placed(road, maps)


def attends(road: VisualRoad) -> bool:
    """Whether the layer that is read gives tokens with attention among them."""
    if not road.layers or any(isinstance(module, _CONVOLVING) for module in road.layers[-1].modules()):
        return False
    network, pixels = _part(road)
    try:
        return bool(_attention(road, network, pixels[:1] if network is not road.network else pixels)[0])
    except NoWay:
        return False


@dataclass(frozen=True)
class _Pass:
    """Some pictures' attention, layer by layer, [rows, heads, T, T], and each score's gradient on it."""

    layers: list[Tensor]
    slopes: list[list[Tensor]]


def _passes(road: VisualRoad) -> Iterator[_Pass]:
    """The whole road at once, or, where an encoder sees picture after picture, some pictures at a time: all layers of a
    transformer over a whole clip are more than memory holds.

    Raises:
        NoWay: when no attention is among the tokens that are read.
    """
    network, pixels = _part(road)
    if network is road.network:
        layers, scores = _attention(road, network, pixels)
        yield _Pass(layers, [list(one) for one in slopes_by_score(scores, layers)])
        return
    with torch.no_grad():
        features = torch.cat([network(part).flatten(1) for part in pixels.split(_AT_ONCE)])
    features = features.requires_grad_(True)
    with torch.enable_grad():
        scores = road.network.of_features(features)  # type: ignore[operator]
    wanted = [one[0].split(_AT_ONCE) for one in slopes_by_score(scores, [features])]
    for number, part in enumerate(pixels.split(_AT_ONCE)):
        layers, made = _attention(road, network, part)
        made = made.flatten(1)
        yield _Pass(layers, [list(torch.autograd.grad(made, layers, one[number], retain_graph=True)) for one in wanted])


def _part(road: VisualRoad) -> tuple[nn.Module, Tensor]:
    """The encoder, where the layers that are read are inside it; else the whole network."""
    encoder = getattr(road.network, "encoder", None)
    if isinstance(encoder, nn.Module) and road.layers[-1] in set(encoder.modules()):
        return encoder, road.pixels
    return road.network, road.pixels


def _attention(road: VisualRoad, network: nn.Module, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
    """For each layer, in order, the weights [rows, heads, T, T] among the tokens that are read; and what the network says.

    Raises:
        NoWay: when no attention is among those tokens.
    """
    # With pixels that need a gradient torch takes no short cut around the function that is listened to.
    pixels = pixels.detach().requires_grad_(True)
    with torch.enable_grad(), listening(road.layers, False) as heard, weighing() as found:
        said = network(pixels)
    read = heard[-1]
    tokens = read[0].shape[1] if len(read) == 1 and read[0].ndim == 3 else 0
    layers = [one for one in found if one.shape[0] == len(read[0]) and one.shape[-2:] == (tokens, tokens)] if tokens else []
    if not layers:
        raise NoWay("no attention is among the tokens of the layer that is to be looked at")
    return layers, said


def _itself(weights: Tensor) -> Tensor:
    return torch.eye(weights.shape[-1], device=weights.device, dtype=weights.dtype)


def _multiplied(layers: Sequence[Tensor]) -> Tensor:
    """[rows, T, T] from the first layer to the last."""
    together = layers[0]
    for layer in layers[1:]:
        together = layer @ together
    return together


def _taken(together: Tensor) -> Tensor:
    """What the token that is read takes of each patch: [rows, h, w]."""
    side = math.isqrt(together.shape[-1])
    patches = together[..., -(side**2) :]
    taken = patches[:, 0] if together.shape[-1] > side**2 else patches.mean(1)
    return taken.unflatten(1, (side, side))


def _placed(road: VisualRoad, maps: Sequence[Tensor]) -> Tensor:
    """[S, rows, h, w] of each pass, as one a frame: [S, P, h, w]."""
    return torch.stack([road.on_frames(one) for one in torch.cat(list(maps), 1)])
