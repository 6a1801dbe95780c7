"""Class activation maps: a layer's activations, weighted by the gradients of the scores.

Each is a line or two. They are implemented here because pytorch-grad-cam imports matplotlib, scikit-learn and torchvision,
which would delay the player's first heatmap by seconds; tests verify each one against that library.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from affectscope.core.explain.road import Reading, VisualRoad, read

SIDE = 16
"""Rows and columns of a heatmap, whatever was read."""

_CELLS, _MOMENTS = 1.0, 1.5
Weighing = Callable[[Tensor, Tensor], Tensor]


def enlarged(maps: Tensor) -> Tensor:
    """[..., h, w] -> [..., SIDE, SIDE]: bilinear, or the mean where there is more than that."""
    flat = maps.flatten(0, -3)[:, None]
    if max(maps.shape[-2:]) > SIDE:
        flat = nn.functional.adaptive_avg_pool2d(flat, SIDE)
    else:
        flat = nn.functional.interpolate(flat, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return flat.view(*maps.shape[:-2], SIDE, SIDE)


def layer_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """LayerCAM (Jiang et al. 2021): each position weighted by its own gradient, if positive.

    Args:
        values: [R, K, ...], R maps of K channels; slopes: [..., R, K, ...], the gradients with respect to them.

    Returns:
        [..., R, ...], at least 0, as from all functions of this kind.
    """
    return _summed(slopes.relu() * values, values)


def grad_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017): channels weighted by their mean gradient over the map."""
    return _summed(_means(slopes, values) * values, values)


def grad_cam_plus_plus(values: Tensor, slopes: Tensor) -> Tensor:
    """Grad-CAM++ (Chattopadhay et al. 2018): positive gradients weighted by higher derivatives of the exponential of the
    score."""
    total = values.sum(_places(values), keepdim=True)
    square = slopes**2
    alphas = square / (2 * square + total * square * slopes + 1e-6)
    # The library's: where there is no gradient, there is no weight.
    alphas = torch.where(slopes != 0, alphas, torch.zeros_like(alphas))
    weights = (slopes.relu() * alphas).sum(_places(values), keepdim=True)
    return _summed(weights * values, values)


def hires_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """HiResCAM (Draelos and Carin 2020): gradient times value at each position; on the network's input, gradient times input."""
    return _summed(slopes * values, values)


def on_pictures(weigh: Weighing) -> Callable[[VisualRoad], Tensor]:
    """Apply a method to the last layer of a road: [S, P, h, w]."""

    def maps(road: VisualRoad) -> Tensor:
        reading = read(road)[-1]
        # The clip's score depends on each face by its share. Grad-CAM++ is not the same at every scale: each face as if alone.
        alone = Reading(reading.values, reading.slopes * len(road.pixels)) if weigh is not layer_cam else reading
        return _of(road, alone, weigh)

    return maps


def layer_cam_product(road: VisualRoad) -> Tensor:
    """The geometric mean of the LayerCAM maps of the last two layers, [S, P, SIDE, SIDE]: its maximum is that of their
    product, and its unit that of a single map."""
    return torch.stack([enlarged(_of(road, reading, layer_cam)) for reading in read(road)[-2:]]).prod(0).sqrt()


def contrast(road: VisualRoad) -> Tensor:
    """Change for the class: evidence in the last layer where this moment differs from the clip's average face.

    The last layer's LayerCAM, times gradient times the first layer's difference from its mean over the clip, positive parts only,
    smoothed over ``_CELLS`` and ``_MOMENTS``. For a single face, which differs from nothing, ``layer_cam_product``.
    """
    if len(road.pixels) < 2:
        return layer_cam_product(road)
    first, *_, last = read(road)
    views = len(first.values) // len(road.pixels) if road.on_pictures else 1
    rows = first.values.unflatten(0, (-1, views))
    over = (0, 3) if first.values.ndim == 5 else (0,)
    differs = (rows - rows.mean(over, keepdim=True)).flatten(0, 1)
    changes = (first.slopes * differs).sum(2).relu()
    found = enlarged(torch.stack([road.on_frames(change) for change in changes])) * enlarged(_of(road, last, layer_cam))
    # The root has the unit of one map, so that frames compare.
    return smoothed(found.sqrt())


def score_cam(road: VisualRoad) -> Tensor:
    """Score-CAM: the scores of the clip when every face shows only what one channel of the last layer highlights, channel by
    channel.

    For a single face this equals pytorch-grad-cam's Score-CAM. For a clip, the library would leave all other faces unchanged,
    so its softmax over channels would hardly distinguish them. Here all faces are masked at once, each by its own map, and the
    channel weights are those of the clip. It takes one forward pass per channel.
    """
    values = read(road, gradients=False)[-1].values
    with torch.no_grad():
        scores = []
        for channel in range(values.shape[1]):
            marks = road.on_frames(values[:, channel])[:, None]
            marks = nn.functional.interpolate(marks, road.pixels.shape[-2:], mode="bilinear", align_corners=True)
            low, high = marks.amin((2, 3), keepdim=True), marks.amax((2, 3), keepdim=True)
            scores.append(road.network(road.pixels * ((marks - low) / (high - low + 1e-8))))
        weights = torch.stack(scores).softmax(0).T
        cams = [torch.einsum("k,rk...->r...", weight, values).relu() for weight in weights]
        return torch.stack([road.on_frames(cam) for cam in cams])


def smoothed(maps: Tensor) -> Tensor:
    """Average maps [S, P, h, w] of a clip's frames over ``_CELLS`` and ``_MOMENTS``, because single cells and frames are
    noisy."""
    return _blurred(_blurred(_blurred(maps, -1, _CELLS), -2, _CELLS), 1, _MOMENTS)


def _of(road: VisualRoad, reading: Reading, weigh: Weighing) -> Tensor:
    return torch.stack([road.on_frames(cam) for cam in weigh(reading.values, reading.slopes)])


def _places(values: Tensor) -> tuple[int, ...]:
    """The spatial axes of a map, counted from the end."""
    return tuple(range(2 - values.ndim, 0))


def _means(slopes: Tensor, values: Tensor) -> Tensor:
    return slopes.mean(_places(values), keepdim=True)


def _summed(weighted: Tensor, values: Tensor) -> Tensor:
    return weighted.sum(1 - values.ndim).relu()


def _blurred(maps: Tensor, axis: int, width: float) -> Tensor:
    """Gaussian blur of ``width`` along an axis, with the last value repeated beyond the ends."""
    reach = math.ceil(3 * width)
    steps = torch.arange(-reach, reach + 1, device=maps.device)
    kernel = torch.exp(-0.5 * (steps / width) ** 2)
    rows = maps.movedim(axis, -1)
    flat = nn.functional.pad(rows.flatten(0, -2)[:, None], (reach, reach), mode="replicate")
    smooth = nn.functional.conv1d(flat, (kernel / kernel.sum()).to(maps)[None, None])
    return smooth.view(rows.shape).movedim(-1, axis)
