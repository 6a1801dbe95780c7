"""Class activation maps: a layer's activations, weighted by the scores' gradients.

They are implemented here, because the player's first heatmap must not wait for the imports of pytorch-grad-cam (matplotlib,
scikit-learn, torchvision: seconds). The tests compare each with that library.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from affectscope.core.explain.paths import Reading, VisualPath, read

SIDE = 16
"""Rows and columns of a heatmap, for every method."""

_CELLS, _MOMENTS = 1.0, 1.5
Weighing = Callable[[Tensor, Tensor], Tensor]


def enlarged(maps: Tensor) -> Tensor:
    """[..., h, w] -> [..., SIDE, SIDE]: bilinear, or area means where the input is larger."""
    flat = maps.flatten(0, -3)[:, None]
    if max(maps.shape[-2:]) > SIDE:
        flat = nn.functional.adaptive_avg_pool2d(flat, SIDE)
    else:
        flat = nn.functional.interpolate(flat, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return flat.view(*maps.shape[:-2], SIDE, SIDE)


def layer_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """LayerCAM (Jiang et al. 2021): each place weighted by its own gradient where that is positive.

    Args:
        values: [R, K, ...] of R maps of K channels; slopes: [..., R, K, ...] their gradient.

    Returns:
        [..., R, ...], >= 0, like all methods here.
    """
    return _summed(slopes.relu() * values, values)


def grad_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017): channels weighted by their mean gradient over the map."""
    return _summed(_means(slopes, values) * values, values)


def grad_cam_plus_plus(values: Tensor, slopes: Tensor) -> Tensor:
    """Grad-CAM++ (Chattopadhay et al. 2018): positive gradients weighted by higher derivatives of the score's exponential."""
    total = values.sum(_places(values), keepdim=True)
    square = slopes**2
    alphas = square / (2 * square + total * square * slopes + 1e-6)
    # As in the library: no weight where there is no gradient.
    alphas = torch.where(slopes != 0, alphas, torch.zeros_like(alphas))
    weights = (slopes.relu() * alphas).sum(_places(values), keepdim=True)
    return _summed(weights * values, values)


def hires_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """HiResCAM (Draelos and Carin 2020): gradient times activation at each place; on a network's input, gradient times input."""
    return _summed(slopes * values, values)


def on_pictures(weigh: Weighing) -> Callable[[VisualPath], Tensor]:
    """The method on the last layer of a road, [S, P, h, w]."""

    def maps(road: VisualPath) -> Tensor:
        reading = read(road)[-1]
        # The clip's score depends on each face by its share. Grad-CAM++ is not the same at every scale: each face as if alone.
        alone = Reading(reading.values, reading.slopes * len(road.pixels)) if weigh is not layer_cam else reading
        return _of(road, alone, weigh)

    return maps


def layer_cam_product(road: VisualPath) -> Tensor:
    """The geometric mean of the last two layers' LayerCAM maps, [S, P, SIDE, SIDE]: a product in the unit of one map."""
    return torch.stack([enlarged(_of(road, reading, layer_cam)) for reading in read(road)[-2:]]).prod(0).sqrt()


def contrast(road: VisualPath) -> Tensor:
    """Where the last layer finds evidence for the class that exceeds the clip's average face.

    The last layer's LayerCAM times the first layer's deviation from its mean over the clip, weighted by the gradient; positive
    parts only, smoothed over ``_CELLS`` and ``_MOMENTS``. A single face has no deviation, so ``layer_cam_product`` is used.
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
    # The square root has the unit of one map, so that frames are comparable.
    return smoothed(found.sqrt())


def score_cam(road: VisualPath) -> Tensor:
    """The scores of the clip with every face masked by one channel of the last layer, for each channel.

    For one face this is pytorch-grad-cam's Score-CAM. For a clip the library would leave all other faces unmasked, and its
    softmax over channels would find almost no difference. Here all faces are masked at once, each by its own map, and the
    channels' weights are the clip's. Needs one forward pass per channel.
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
    """Maps [S, P, h, w] smoothed over ``_CELLS`` and ``_MOMENTS``: a single cell or frame is noise."""
    return _blurred(_blurred(_blurred(maps, -1, _CELLS), -2, _CELLS), 1, _MOMENTS)


def _of(road: VisualPath, reading: Reading, weigh: Weighing) -> Tensor:
    return torch.stack([road.on_frames(cam) for cam in weigh(reading.values, reading.slopes)])


def _places(values: Tensor) -> tuple[int, ...]:
    """The spatial axes of a map, as negative indices."""
    return tuple(range(2 - values.ndim, 0))


def _means(slopes: Tensor, values: Tensor) -> Tensor:
    return slopes.mean(_places(values), keepdim=True)


def _summed(weighted: Tensor, values: Tensor) -> Tensor:
    return weighted.sum(1 - values.ndim).relu()


def _blurred(maps: Tensor, axis: int, width: float) -> Tensor:
    """Gaussian blur of ``width`` along an axis; edge values repeat."""
    reach = math.ceil(3 * width)
    steps = torch.arange(-reach, reach + 1, device=maps.device)
    kernel = torch.exp(-0.5 * (steps / width) ** 2)
    rows = maps.movedim(axis, -1)
    flat = nn.functional.pad(rows.flatten(0, -2)[:, None], (reach, reach), mode="replicate")
    smooth = nn.functional.conv1d(flat, (kernel / kernel.sum()).to(maps)[None, None])
    return smooth.view(rows.shape).movedim(-1, axis)
