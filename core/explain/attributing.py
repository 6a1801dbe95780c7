"""Pixel attributions: integrated gradients and occlusion, with Captum's definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from affectscope.core.explain.attending import frame_by_frame
from affectscope.core.explain.cams import enlarged, smoothed
from affectscope.core.explain.gradients import quadrature
from affectscope.core.explain.paths import VisualPath, slopes_by_score

STEPS = 8
"""Quadrature points of integrated gradients on pictures; each needs one pass of the clip's faces through the encoder."""
CELLS = 6
"""Patches per side of a face, occluded in turn."""
FRAMES = 8
"""Frames per occlusion, a third of a second of video; without an encoder, all frames."""


def plain(pixels: Tensor) -> Tensor:
    """[P, C, 1, 1]: each face's mean colour, the baseline and the fill colour of occlusion."""
    return pixels.mean((2, 3), keepdim=True)


def integrated_pixels(road: VisualPath, steps: int = STEPS) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017) of each score on all faces of the clip, [S, P, C, H, W].

    The baseline is ``plain``. For each score they sum to its difference from the baseline.

    Raises:
        NotApplicable: when the network is not differentiable.
    """
    pixels, start = road.pixels.detach(), plain(road.pixels.detach())
    total: Tensor | None = None
    for share, weight in zip(*quadrature(steps), strict=True):
        with torch.enable_grad():
            here = (start + share * (pixels - start)).requires_grad_(True)
            scores = road.network(here)
        slopes = torch.stack([slope[0] for slope in slopes_by_score(scores, [here])])
        total = weight * slopes if total is None else total + weight * slopes
    assert total is not None
    return total * (pixels - start)


def integrated(road: VisualPath) -> Tensor:
    """``integrated_pixels`` summed over colours and cells, smoothed, positive part: [S, P, SIDE, SIDE].

    Neighbouring pixels have opposite signs and cancel. Clipping below 0 before summing would show the picture's edges rather than
    the evidence (docs/trust.md, What the exam found).
    """
    return smoothed(enlarged(integrated_pixels(road).sum(2))).relu()


def occlusion(road: VisualPath) -> Tensor:
    """How much each score falls when a patch of the face is hidden for some frames; positive part, [S, P, CELLS, CELLS].

    Occlusion as in Zeiler and Fergus 2014, over time as well as space.
    """
    with torch.inference_mode():
        return occluded(road).relu()


def occluded(road: VisualPath) -> Tensor:
    """[S, P, CELLS, CELLS]: how much each score falls; negative where it rises."""
    pixels, count = road.pixels, len(road.pixels)
    encoder = frame_by_frame(road)
    width = FRAMES if encoder else count
    starts = range(0, count, width)
    network: Any = road.network
    whole: Any = network.features(pixels) if encoder else None
    base = network.of_features(whole) if encoder else network(pixels)
    maps = base.new_zeros(len(base), count, CELLS, CELLS)
    for row, column, hidden in _hidden(pixels):
        if not encoder:
            maps[:, :, row, column] = (base - network(hidden))[:, None]
            continue
        # The encoder handles faces independently, so only the hidden ones are encoded again, a few frames at a time.
        assert whole is not None
        features = network.features(hidden)
        rows = whole.repeat(len(starts), 1, 1)
        for place, start in enumerate(starts):
            rows[place, start : start + width] = features[start : start + width]
        falls = base - network.of_many(rows)
        for place, start in enumerate(starts):
            maps[:, start : start + width, row, column] = falls[place][:, None]
    return maps


def edges(size: int) -> list[int]:
    """Borders of the patches along a side of ``size`` pixels, [CELLS + 1]."""
    return [round(size * i / CELLS) for i in range(CELLS + 1)]


def _hidden(pixels: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Row and column of each patch, and the pictures with it hidden."""
    stands = plain(pixels)
    down, across = (edges(size) for size in pixels.shape[-2:])
    for row in range(CELLS):
        for column in range(CELLS):
            part = pixels.clone()
            part[..., down[row] : down[row + 1], across[column] : across[column + 1]] = stands
            yield row, column, part
