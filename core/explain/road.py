"""The differentiable path ("road") from a clip's faces to the scores of a model's heads, for explanations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Layers = Sequence[nn.Module]


class NoWay(Exception):
    """A plugin's network does not support an explanation; the message is a half-sentence that says why."""


@dataclass(frozen=True)
class VisualRoad:
    """The path from the faces of one clip to the explained scores, differentiable throughout.

    Scores are per clip, not per frame: one gradient gives the maps of all frames.

    Attributes:
        pixels: [P, C, H, W] float32, the faces of the present frames, preprocessed for the network.
        network: pixels -> scores [S], one for each explained head, with all other inputs fixed.
        layers: the modules inside ``network`` whose maps are used, from the first to the last. If there are none, the pixels
            themselves are the map.
        places: [P] the indices of these frames in the stream.
        frames: the number of frames T of the stream, including absent ones.
        longest: the number of frames of the batch's longest modality, to which some systems pad.
        on_pictures: for a network with several views of a face, combines their maps [R, h, w] into one per face, [P, h, w].
        part: left, top, right, bottom of the visible part, as fractions of the face box.
    """

    pixels: Tensor
    network: nn.Module
    layers: tuple[nn.Module, ...]
    places: np.ndarray
    frames: int
    longest: int = 0
    on_pictures: Callable[[Tensor], Tensor] | None = None
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def on_frames(self, maps: Tensor) -> Tensor:
        """Assign maps [R, h, w], or maps of video networks [R, t, h, w], to frames: [P, h, w].

        A network returns one map for each present frame, or for each frame of the stream, at least up to the last present one.
        A video network returns maps over the whole stream for one snippet; for several snippets, the maps divide the present
        frames evenly in order, as ``blocks.snippets`` cuts them.
        """
        if self.on_pictures is not None:
            maps = self.on_pictures(maps)
        film = maps.ndim == 4
        rows = maps.flatten(0, 1) if film else maps
        everywhere = torch.from_numpy(self.places).to(rows.device)
        if film and len(maps) == 1:
            return rows[_share(everywhere, self.frames, len(rows))]
        if len(rows) == len(everywhere):
            return rows
        if len(rows) in (self.frames, self.longest, self.places[-1] + 1):
            return rows[everywhere]
        return rows[_share(torch.arange(len(everywhere), device=rows.device), len(everywhere), len(rows))]


@dataclass(frozen=True)
class Reading:
    """The activations of one layer, and the gradients of the scores with respect to them.

    Attributes:
        values: [R, K, h, w], or for video [R, K, t, h, w]: R maps of K channels.
        slopes: [S, R, K, ...], the gradient of each score; empty if not requested.
    """

    values: Tensor
    slopes: Tensor


def read(road: VisualRoad, gradients: bool = True) -> tuple[Reading, ...]:
    """One forward pass, and one backward pass per score to the first layer: one reading per layer of ``road.layers``.

    Raises:
        NoWay: if the network never calls a layer, or no score depends on it.
    """
    if not road.layers:
        return (_read_pixels(road, gradients),)
    with torch.set_grad_enabled(gradients), listening(road.layers, gradients) as heard:
        scores = road.network(road.pixels)
    if not all(heard):
        raise NoWay("the network never calls the layer that is to be looked at")
    slopes = _slopes(scores, [call for calls in heard for call in calls]) if gradients else []
    readings = []
    for calls in heard:
        own = [slopes.pop(0) for _ in calls] if gradients else []
        values = as_maps(torch.cat([call.detach() for call in calls]))
        readings.append(Reading(values, _joined(own, len(scores), values)))
    return tuple(readings)


@contextmanager
def listening(layers: Layers, gradients: bool) -> Iterator[list[list[Tensor]]]:
    """Record the outputs of ``layers`` in this thread, per layer and call. Before the first layer, no gradients are computed.

    Other threads may use the same network at the same time, because all models and clips share the face encoder.
    """
    heard: list[list[Tensor]] = [[] for _ in layers]
    thread = threading.get_ident()

    def hook(place: int) -> Callable[..., Any]:
        def keep(module: nn.Module, given: Any, output: Any) -> Any:
            if threading.get_ident() != thread:
                return None
            value = output if isinstance(output, Tensor) else output[0]
            if gradients and not value.requires_grad:
                value = value.detach().requires_grad_(True)
            heard[place].append(value)
            # The next module may modify its input in place, as an in-place ReLU does.
            passed = value.clone()
            return passed if isinstance(output, Tensor) else (passed, *output[1:])

        return keep

    handles = [layer.register_forward_hook(hook(place)) for place, layer in enumerate(layers)]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def as_maps(values: Tensor) -> Tensor:
    """Tokens [R, N, K] as maps [R, K, h, w]; maps unchanged. The last square number of tokens are positions; others are dropped.

    Raises:
        NoWay: if they are neither tokens nor maps.
    """
    if values.ndim in (4, 5):
        return values
    if values.ndim != 3:
        raise NoWay(f"the layer to look at gives neither maps [N, K, H, W] nor tokens [N, T, K], but {list(values.shape)}")
    side = isqrt(values.shape[1])
    return values[:, -(side**2) :].transpose(1, 2).unflatten(2, (side, side))


def _read_pixels(road: VisualRoad, gradients: bool) -> Reading:
    pixels = road.pixels.detach().requires_grad_(gradients)
    if not gradients:
        return Reading(pixels, pixels.new_zeros(0))
    with torch.enable_grad():
        scores = road.network(pixels)
    return Reading(pixels.detach(), torch.stack([slopes[0] for slopes in slopes_by_score(scores, [pixels])]))


def _slopes(scores: Tensor, values: Sequence[Tensor]) -> list[Tensor]:
    """[S, ...] for each of ``values``."""
    return [torch.stack(slopes) for slopes in zip(*slopes_by_score(scores, values), strict=True)]


def slopes_by_score(scores: Tensor, values: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    """The gradient of each of ``scores`` [S] with respect to each of ``values``.

    Raises:
        NoWay: if no score depends on any of them.
    """
    if not scores.requires_grad:
        raise NoWay("no gradient of the answer reaches what is to be looked at")
    found = []
    for number, score in enumerate(scores):
        try:
            slopes = torch.autograd.grad(score, values, retain_graph=number + 1 < len(scores), allow_unused=True)
        except RuntimeError as error:
            # For example, a tensor was modified in place after its use.
            raise NoWay(f"torch cannot take a gradient through the network ({str(error).splitlines()[0][:120]})") from error
        if all(slope is None for slope in slopes):
            raise NoWay("no gradient of the answer reaches what is to be looked at")
        # A head that does not use some frames has no gradient for them.
        found.append(tuple(torch.zeros_like(v) if s is None else s for s, v in zip(slopes, values, strict=True)))
    return found


def _joined(slopes: Sequence[Tensor], scores: int, values: Tensor) -> Tensor:
    """Concatenate the gradients [S, rows, ...] of all calls."""
    if not slopes:
        return values.new_zeros(0)
    together = torch.cat(list(slopes), 1)
    return torch.stack([as_maps(together[i]) for i in range(scores)])


def _share(frames: Tensor, count: int, rows: int) -> Tensor:
    """The part of each of ``frames`` if ``count`` frames are split into ``rows`` equal parts; part p begins at p * count //
    rows."""
    return ((frames + 1) * rows - 1) // max(1, count)
