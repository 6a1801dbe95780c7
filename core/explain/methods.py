"""The ways to say where in a face the evidence lies, by name: what turns a ``VisualRoad`` into heatmaps.

LayerCAM is reckoned here, in a line, since the player's first heatmap must not wait for what pytorch-grad-cam imports
(matplotlib, scikit-learn, torchvision: seconds); the tests hold it against that library. Other members of the family are the
library's own. A plugin may register a ``Method`` too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from affectscope.core.explain import attending
from affectscope.core.explain.road import Reading, VisualRoad, read
from affectscope.core.registry import Registry

SIDE = 16
"""Rows and columns of a heatmap, whatever was read."""


@dataclass(frozen=True)
class Method:
    """One way to explain.

    Attributes:
        title: what a person reads.
        source: whose it is, and what it does.
        maps: a road -> [S, P, h, w], for each score and face how much each place speaks for it; of any size, 0 and above, on the
            clip's own scale.
        reads: what the road must have: ``layer``, the first and last of several ``layers``, ``tokens`` that attend to each other,
            or nothing beyond ``pixels``.
    """

    title: str
    source: str
    maps: Callable[[VisualRoad], Tensor]
    reads: Literal["pixels", "layer", "layers", "tokens"] = "layer"


METHODS: Registry[Method] = Registry("explanation")


def enlarged(maps: Tensor) -> Tensor:
    """[..., h, w] -> [..., SIDE, SIDE]: bilinear, or the mean where there is more than that."""
    flat = maps.flatten(0, -3)[:, None]
    if max(maps.shape[-2:]) > SIDE:
        flat = nn.functional.adaptive_avg_pool2d(flat, SIDE)
    else:
        flat = nn.functional.interpolate(flat, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return flat.view(*maps.shape[:-2], SIDE, SIDE)


def layer_cam(road: VisualRoad) -> Tensor:
    """The last layer's maps, each place weighted by its own gradient where that is positive."""
    return _layer_cam(road, read(road)[-1])


def layer_cam_product(road: VisualRoad) -> Tensor:
    """Where all layers find evidence: the product of their LayerCAM maps, [S, P, SIDE, SIDE]."""
    return torch.stack([enlarged(_layer_cam(road, reading)) for reading in read(road)]).prod(0)


def _layer_cam(road: VisualRoad, reading: Reading) -> Tensor:
    cams = (reading.slopes.relu() * reading.values).sum(2).relu()
    return torch.stack([road.on_frames(one) for one in cams])


def _of_library(name: str) -> Callable[[VisualRoad], Tensor]:
    """A method of pytorch-grad-cam on the last layer. Its own scaling of each picture would hide which frames matter."""

    def maps(road: VisualRoad) -> Tensor:
        import pytorch_grad_cam

        reading = read(road)[-1]
        # The clip's score hangs on each face by its share. Grad-CAM++ is not the same at every scale: each face as if alone.
        slopes = reading.slopes * len(road.pixels)
        values, found = reading.values.cpu().numpy(), []
        with getattr(pytorch_grad_cam, name)(road.network, []) as library:
            for one in slopes.cpu().numpy():
                cam = library.get_cam_image(road.pixels, None, None, values, one, False)
                found.append(road.on_frames(torch.from_numpy(cam).float().relu()))
        return torch.stack(found)

    return maps


def score_cam(road: VisualRoad) -> Tensor:
    """What the scores are of the clip when every face shows only what one channel of the last layer marks, channel by channel.

    Of one face this is pytorch-grad-cam's Score-CAM. Of a clip the library would leave all other faces as they are, and its
    softmax over channels find next to no difference between them; here all faces are masked at once, each by its own map, and
    the channels' weights are the clip's. Once through the network for each channel.
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
        cams = [torch.einsum("k,rk...->r...", one, values).relu() for one in weights]
        return torch.stack([road.on_frames(one) for one in cams])


def _register(name: str, *about: Any, **more: Any) -> None:
    METHODS.register(name)(Method(*about, **more))


_register(
    "layer-cam-product",
    "LayerCAM, two layers",
    "The product of two layers' LayerCAM maps: where both find evidence. Plain Grad-CAM, which averages the gradient over the "
    "map, loses where in mini-XCEPTION: in the pointing game on 60 training clips it hit 1.1 to 1.3 times as often as chance, "
    "the product of the third block's maps, 8x8, and the fourth's, 4x4, 1.9 to 2.2 times, either block alone or their mean less "
    "on one of two sets.",
    layer_cam_product,
    reads="layers",
)
_register("layer-cam", "LayerCAM", "Jiang et al. 2021: each place weighted by its own positive gradient.", layer_cam)
_register("grad-cam", "Grad-CAM", "Selvaraju et al. 2017: channels weighted by their mean gradient.", _of_library("GradCAM"))
_register(
    "grad-cam++",
    "Grad-CAM++",
    "Chattopadhay et al. 2018: positive gradients weighted by higher derivatives.",
    _of_library("GradCAMPlusPlus"),
)
_register(
    "hires-cam",
    "HiResCAM",
    "Draelos and Carin 2020: gradient times value at each place; on pixels, gradient times input.",
    _of_library("HiResCAM"),
    reads="pixels",
)
_register(
    "score-cam",
    "Score-CAM",
    "Wang et al. 2020: channels weighted by the score of faces that show what they mark; slow, once through for each channel.",
    score_cam,
)
_register(
    "gradient-attention",
    "Gradient-weighted attention",
    "Chefer et al. 2021: attention times its positive gradient, from layer to layer; for vision transformers.",
    attending.weighted,
    reads="tokens",
)
_register(
    "attention-rollout",
    "Attention rollout",
    "Abnar and Zuidema 2020: attention multiplied from layer to layer, whatever is asked; for vision transformers.",
    attending.rollout,
    reads="tokens",
)
