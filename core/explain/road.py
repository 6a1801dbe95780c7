"""The road from a clip's pictures to what a model's heads say of it, and what an explanation reads along it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from threading import get_ident
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Layers = Sequence[nn.Module]


class NoWay(Exception):
    """Nothing can be read along a road, as half a sentence that says why: the network is somebody's own, and not made for it."""


@dataclass(frozen=True)
class VisualRoad:
    """From the faces of one clip to the scores that are explained, open to gradients all the way.

    Scores are of the clip, not of a frame: one gradient gives the maps of all frames.

    Attributes:
        pixels: [P, C, H, W] float32, the faces of the frames that are there, as the network wants them.
        network: pixels -> scores [S], one for each explained head, all else held.
        layers: the modules inside ``network`` where maps are read, from the first to the last. Without any, the pixels themselves
            are the map.
        places: [P] which of the stream's frames those are.
        frames: [T] is so long; a network may also have run over the absent ones.
        longest: frames of the batch's longest modality, to which some systems pad.
        on_pictures: of a network that sees several views of a picture, their maps [R, h, w] as one a picture, [P, h, w].
        part: left, top, right, bottom of what the pictures show, in fractions of the face's box.
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
        """Maps [R, h, w], or of films [R, t, h, w], as one a frame: [P, h, w].

        A network makes one map for each present frame, or for each frame of the stream, at least up to the last present one; of
        one film, maps over the whole stream; of several, maps that share the present frames evenly in order, as
        ``blocks.snippets`` cuts them.
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
    """What one layer held, and how the scores hang on it.

    Attributes:
        values: [R, K, h, w], or of films [R, K, t, h, w]: R maps of K channels.
        slopes: [S, R, K, ...], the gradient of each score; empty where none was asked for.
    """

    values: Tensor
    slopes: Tensor


def read(road: VisualRoad, gradients: bool = True) -> tuple[Reading, ...]:
    """Run the road once, and each score back as far as the first layer: a reading a layer, in the order of ``road.layers``.

    Raises:
        NoWay: when the network never calls a layer, or no score hangs on it.
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
    """What each of ``layers`` returns while this holds, call by call. Before the first of them nothing needs a gradient.

    Only calls of this thread are heard: encoders are shared, and what another sends through one meanwhile is another clip.
    """
    heard: list[list[Tensor]] = [[] for _ in layers]
    listener = get_ident()

    def hook(place: int) -> Callable[..., Any]:
        def keep(module: nn.Module, given: Any, output: Any) -> Any:
            if get_ident() != listener:
                return None
            value = output if isinstance(output, Tensor) else output[0]
            if gradients and not value.requires_grad:
                value = value.detach().requires_grad_(True)
            heard[place].append(value)
            # What follows may write into what it is given, as an in-place ReLU does.
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
    """Tokens [R, N, K] as maps [R, K, h, w]; maps as they are. Of tokens, those before the last square number are no places.

    Raises:
        NoWay: when they are neither.
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
    """The gradient of each of ``scores`` [S] on each of ``values``.

    Raises:
        NoWay: when no score hangs on any.
    """
    if not scores.requires_grad:
        raise NoWay("no gradient of the answer reaches what is to be looked at")
    found = []
    for number, score in enumerate(scores):
        try:
            slopes = torch.autograd.grad(score, values, retain_graph=number + 1 < len(scores), allow_unused=True)
        except RuntimeError as error:
            # A tensor that is written over after it was used, for one.
            raise NoWay(f"torch cannot take a gradient through the network ({str(error).splitlines()[0][:120]})") from error
        if all(slope is None for slope in slopes):
            raise NoWay("no gradient of the answer reaches what is to be looked at")
        # A head that does not use some of the frames says nothing of them.
        found.append(tuple(torch.zeros_like(v) if s is None else s for s, v in zip(slopes, values, strict=True)))
    return found


def _joined(slopes: Sequence[Tensor], scores: int, values: Tensor) -> Tensor:
    """Slopes [S, rows, ...] of each call as those of all maps."""
    if not slopes:
        return values.new_zeros(0)
    together = torch.cat(list(slopes), 1)
    return torch.stack([as_maps(together[i]) for i in range(scores)])


def _share(frames: Tensor, count: int, rows: int) -> Tensor:
    """Which of ``rows`` equal parts of ``count`` frames each of ``frames`` lies in: part p begins at p * count // rows."""
    return ((frames + 1) * rows - 1) // max(1, count)
