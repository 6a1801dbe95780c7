"""The differentiable path from a clip's pictures to the scores of a model's heads, and the layers that explanations read."""

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


class NotApplicable(Exception):
    """A method does not apply to a (user's) network; the message is the reason, as half a sentence."""


@dataclass(frozen=True)
class VisualPath:
    """From the faces of one clip to the explained scores, differentiable end to end.

    Scores are per clip, not per frame: one gradient gives the maps of all frames.

    Attributes:
        pixels: [P, C, H, W] float32, the faces of the present frames, preprocessed.
        network: pixels -> scores [S], one per explained head; all other inputs are fixed.
        layers: modules in ``network`` whose maps are read, first to last. If empty, the pixels themselves are read.
        places: [P] indices of those frames in the stream.
        frames: length T of the stream; a network may also run on absent frames.
        longest: frames of the batch's longest modality, to which some models pad.
        on_pictures: for networks with several views of a picture: merges their maps [R, h, w] to one per picture, [P, h, w].
        part: left, top, right, bottom of the pictures' content, in fractions of the face's box.
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
        """Maps [R, h, w], or over time [R, t, h, w], as one per frame: [P, h, w].

        R may be the number of present frames, or of the stream's frames (at least up to the last present one). Maps over time
        cover the whole stream if R is 1; otherwise they divide the present frames evenly in order, as ``blocks.snippets``.
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
    """The activations of one layer, and the scores' gradients on them.

    Attributes:
        values: [R, K, h, w], or over time [R, K, t, h, w]: R maps of K channels.
        slopes: [S, R, K, ...], the gradient of each score; empty if not requested.
    """

    values: Tensor
    slopes: Tensor


def read(road: VisualPath, gradients: bool = True) -> tuple[Reading, ...]:
    """One forward pass, and a backward pass per score to the first layer. Returns a reading per layer, in order.

    Raises:
        NotApplicable: when the network does not call a layer, or no score depends on it.
    """
    if not road.layers:
        return (_read_pixels(road, gradients),)
    with torch.set_grad_enabled(gradients), listening(road.layers, gradients) as heard:
        scores = road.network(road.pixels)
    if not all(heard):
        raise NotApplicable("the network never calls the layer that is to be looked at")
    slopes = _slopes(scores, [call for calls in heard for call in calls]) if gradients else []
    readings = []
    for calls in heard:
        own = [slopes.pop(0) for _ in calls] if gradients else []
        values = as_maps(torch.cat([call.detach() for call in calls]))
        readings.append(Reading(values, _joined(own, len(scores), values)))
    return tuple(readings)


@contextmanager
def listening(layers: Layers, gradients: bool) -> Iterator[list[list[Tensor]]]:
    """Record the output of each of ``layers`` in this thread, per call. No gradients are kept before the first layer.

    Other threads may use the same network meanwhile: models and clips share the face encoder.
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
    """Tokens [R, N, K] as maps [R, K, h, w]; maps are unchanged. Leading tokens beyond a square number are dropped.

    Raises:
        NotApplicable: for any other shape.
    """
    if values.ndim in (4, 5):
        return values
    if values.ndim != 3:
        raise NotApplicable(
            f"the layer to look at gives neither maps [N, K, H, W] nor tokens [N, T, K], but {list(values.shape)}"
        )
    side = isqrt(values.shape[1])
    return values[:, -(side**2) :].transpose(1, 2).unflatten(2, (side, side))


def _read_pixels(road: VisualPath, gradients: bool) -> Reading:
    pixels = road.pixels.detach().requires_grad_(gradients)
    if not gradients:
        return Reading(pixels, pixels.new_zeros(0))
    with torch.enable_grad():
        scores = road.network(pixels)
    return Reading(pixels.detach(), torch.stack([slopes[0] for slopes in slopes_by_score(scores, [pixels])]))


def _slopes(scores: Tensor, values: Sequence[Tensor]) -> list[Tensor]:
    """The gradients, [S, ...] for each of ``values``."""
    return [torch.stack(slopes) for slopes in zip(*slopes_by_score(scores, values), strict=True)]


def slopes_by_score(scores: Tensor, values: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    """The gradient of each of ``scores`` [S] on each of ``values``.

    Raises:
        NotApplicable: when no score depends on any.
    """
    if not scores.requires_grad:
        raise NotApplicable("no gradient of the answer reaches what is to be looked at")
    found = []
    for number, score in enumerate(scores):
        try:
            slopes = torch.autograd.grad(score, values, retain_graph=number + 1 < len(scores), allow_unused=True)
        except RuntimeError as error:
            # For example, a tensor was modified in place after its use.
            raise NotApplicable(
                f"torch cannot take a gradient through the network ({str(error).splitlines()[0][:120]})"
            ) from error
        if all(slope is None for slope in slopes):
            raise NotApplicable("no gradient of the answer reaches what is to be looked at")
        # A head that does not use some frames has no gradient for them.
        found.append(tuple(torch.zeros_like(v) if s is None else s for s, v in zip(slopes, values, strict=True)))
    return found


def _joined(slopes: Sequence[Tensor], scores: int, values: Tensor) -> Tensor:
    """Gradients [S, rows, ...] of each call, concatenated over calls."""
    if not slopes:
        return values.new_zeros(0)
    together = torch.cat(list(slopes), 1)
    return torch.stack([as_maps(together[i]) for i in range(scores)])


def _share(frames: Tensor, count: int, rows: int) -> Tensor:
    """The part p of each of ``frames``, of ``rows`` equal parts of ``count`` frames: part p starts at p * count // rows."""
    return ((frames + 1) * rows - 1) // max(1, count)
