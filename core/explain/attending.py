"""Attention rollout for vision transformers, and its gradient-weighted form.

pytorch-grad-cam has neither. Weights are captured in ``scaled_dot_product_attention``, which ``nn.MultiheadAttention``,
torchvision, timm and transformers call, so the network's structure need not be known.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.explain.paths import NotApplicable, VisualPath, listening, slopes_by_score

# Pictures per forward pass: a ViT-B over 224 pixels holds 150 MB for each.
_AT_ONCE = 8
# Memory that a transformer keeps for the backward pass, in multiples of its attention weights: seven for a ViT-B.
_KEPT = 8
_CONVOLVING = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d, nn.MaxPool2d, nn.AvgPool2d)
# Capturing patches functions of torch, which all threads share: if two threads did so at once, the first to finish would restore
# the originals while the second still needs its patches.
_ONE = threading.RLock()


@contextmanager
def weighing(most: float = math.inf) -> Iterator[list[Tensor]]:
    """Capture the weights [B, heads, T, T] of every attention in this thread, with gradients.

    Args:
        most: limit in bytes.

    Raises:
        NotApplicable: from inside the network, when there are more.
    """
    with _ONE:
        yield from _weighing(most)


def _weighing(most: float) -> Iterator[list[Tensor]]:
    attention, softmax, thread = F.scaled_dot_product_attention, F.softmax, threading.get_ident()
    short_cuts = torch.backends.mha.get_fastpath_enabled()
    found: list[Tensor] = []

    def keep(weights: Tensor) -> Tensor:
        found.append(weights)
        if sum(kept.nbytes for kept in found) > most:
            raise NotApplicable("its attention with gradients is more than memory holds: choose attention rollout, or a CAM")
        return weights

    def attend(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, *, scale: float | None = None, **more: Any,
    ) -> Tensor:  # fmt: skip
        if threading.get_ident() != thread or is_causal or query.ndim != 4 or len(key) != len(query) or more.get("enable_gqa"):
            return attention(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **more)
        logits = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if attn_mask is not None:
            logits = logits.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else logits + attn_mask
        return keep(softmax(logits, -1)) @ value

    def weigh(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
        made = softmax(input, dim, _stacklevel, dtype)
        # The eager implementation in transformers.
        square = made.ndim == 4 and dim in (-1, 3) and made.shape[-1] == made.shape[-2]
        return keep(made) if square and threading.get_ident() == thread else made

    F.scaled_dot_product_attention, F.softmax = attend, weigh  # type: ignore[assignment]
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield found
    finally:
        F.scaled_dot_product_attention, F.softmax = attention, softmax
        torch.backends.mha.set_fastpath_enabled(short_cuts)


def rollout(road: VisualPath) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020): the heads' mean, half residual, multiplied over layers; the same for all
    scores.

    Returns:
        [S, P, h, w]: how much of each patch reaches the token that is read (the class token; without one, all tokens equally).
    """
    return _forward(road, lambda layers: _multiplied([(weights + _itself(weights)) / 2 for weights in layers]))


def last(road: VisualPath) -> Tensor:
    """The last layer's attention from the token that is read, mean over heads; [S, P, h, w], the same for all scores."""
    return _forward(road, lambda layers: layers[-1])


def _forward(road: VisualPath, joined: Callable[[list[Tensor]], Tensor]) -> Tensor:
    """Apply ``joined`` to the weights [rows, T, T] of all layers, mean over heads, first layer to last."""
    network, encoder = _part(road)
    maps = []
    with torch.no_grad():
        count = len(road.network(road.pixels)) if encoder else 0
        for part in road.pixels.split(_AT_ONCE) if encoder else (road.pixels,):
            layers, scores = _attention(road, network, part)
            count = count or len(scores)
            maps.append(_taken(joined([torch.cat(calls).mean(1) for calls in layers])))
    return _placed(road, [drawn.expand(count, -1, -1, -1) for drawn in maps])


def weighted(road: VisualPath) -> Tensor:
    """Gradient-weighted rollout (Chefer et al. 2021): each layer's weights times their positive gradient, accumulated.

    Returns:
        [S, P, h, w] as ``rollout``, but one per score.

    Raises:
        NotApplicable: when there is no attention among the tokens that are read, or it exceeds the memory limit.
    """
    network, encoder = _part(road)
    if not encoder:
        with torch.enable_grad():
            pixels = road.pixels.detach().requires_grad_(True)
            layers, scores = _attention(road, network, pixels, psutil.virtual_memory().available / 2 / _KEPT)
        slopes = slopes_by_score(scores, [call for layer in layers for call in layer])
        return _placed(road, [torch.stack([_marked(layers, by_score) for by_score in slopes])])
    # An encoder handles pictures independently. They are batched, because all layers for a whole clip exceed the memory.
    with torch.no_grad():
        features = torch.cat([network(part).flatten(1) for part in road.pixels.split(_AT_ONCE)])
    with torch.enable_grad():
        features.requires_grad_(True)
        scores = road.network.of_features(features)  # type: ignore[operator]
    wanted = [slope[0].split(_AT_ONCE) for slope in slopes_by_score(scores, [features])]
    maps = []
    for number, part in enumerate(road.pixels.split(_AT_ONCE)):
        with torch.enable_grad():
            layers, answered = _attention(road, network, part.detach().requires_grad_(True))
        weights = [call for layer in layers for call in layer]
        found = [torch.autograd.grad(answered.flatten(1), weights, pieces[number], retain_graph=True) for pieces in wanted]
        maps.append(torch.stack([_marked(layers, by_weight) for by_weight in found]))
    return _placed(road, maps)


def attends(road: VisualPath) -> bool:
    """Whether the layer that is read is one of tokens with self-attention: it or a sibling contains an attention."""
    if not road.layers or any(isinstance(module, _CONVOLVING) for module in road.layers[-1].modules()):
        return False
    name = next((name for name, module in road.network.named_modules() if module is road.layers[-1]), "")
    block = road.network.get_submodule(name.rpartition(".")[0]) if "." in name else road.layers[-1]
    near = (*road.layers[-1].modules(), *block.modules())
    return any("attention" in type(module).__name__.lower() for module in near)


def frame_by_frame(road: VisualPath) -> bool:
    """Whether the layer that is read is inside an encoder that handles each picture independently."""
    return bool(road.layers) and _part(road)[1]


def _part(road: VisualPath) -> tuple[nn.Module, bool]:
    """(encoder, True) if the layers that are read are inside it; else (whole network, False)."""
    encoder = getattr(road.network, "encoder", None)
    if isinstance(encoder, nn.Module) and road.layers[-1] in set(encoder.modules()):
        return encoder, True
    return road.network, False


def _attention(road: VisualPath, network: nn.Module, pixels: Tensor, most: float = math.inf) -> tuple[list[list[Tensor]], Tensor]:
    """For each layer, the weights [rows, heads, T, T] among the tokens that are read, per call; and the network's output.

    Raises:
        NotApplicable: when there is no attention among those tokens, or its weights exceed ``most`` bytes.
    """
    with listening(road.layers, False) as heard, weighing(most) as found:
        scores = network(pixels)
    read = heard[-1]
    tokens = read[0].shape[1] if read and read[0].ndim == 3 else 0
    among = [weights for weights in found if weights.shape[-2:] == (tokens, tokens)]
    if not among or len(among) % len(read):
        raise NotApplicable("no attention is among the tokens of the layer that is to be looked at")
    # A network that processes pictures in batches calls every layer once for each batch.
    depth = len(among) // len(read)
    return [among[i::depth] for i in range(depth)], scores


def _marked(layers: Sequence[Sequence[Tensor]], slopes: Sequence[Tensor]) -> Tensor:
    """[rows, h, w], from all layers' weights per call, and one score's gradients on them in the same order."""
    waiting, mixed = iter(slopes), []
    for layer in layers:
        weights, slope = torch.cat([call.detach() for call in layer]), torch.cat([next(waiting) for _ in layer])
        mixed.append((slope * weights).relu().mean(1) + _itself(weights))
    together = _multiplied(mixed)
    # What a patch keeps of itself through the residual connection is not evidence of attention.
    return _taken(together - _itself(together))


def _itself(weights: Tensor) -> Tensor:
    return torch.eye(weights.shape[-1], device=weights.device, dtype=weights.dtype)


def _multiplied(layers: Sequence[Tensor]) -> Tensor:
    """The matrix product [rows, T, T] over layers, first to last."""
    together = layers[0]
    for layer in layers[1:]:
        together = layer @ together
    return together


def _taken(together: Tensor) -> Tensor:
    """The share of each patch in the token that is read: [rows, h, w]."""
    side = math.isqrt(together.shape[-1])
    patches = together[..., -(side**2) :]
    taken = patches[:, 0] if together.shape[-1] > side**2 else patches.mean(1)
    return taken.unflatten(1, (side, side))


def _placed(road: VisualPath, maps: Sequence[Tensor]) -> Tensor:
    """Maps [S, rows, h, w] of each pass as one per frame, [S, P, h, w]."""
    return torch.stack([road.on_frames(drawn) for drawn in torch.cat(list(maps), 1)])
