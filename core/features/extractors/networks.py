"""Encoders whose weights the user has: VGG-Face, EfficientNet-B2, wav2vec 2.0. Nothing is shipped, fetched or unpickled."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.cache.store import cache_root, content_hash
from affectscope.core.errors import UserError
from affectscope.core.files.tensors import read_tensors
from affectscope.core.files.weights import unwrapped
from affectscope.core.media import SAMPLE_RATE, Sound

# Where the convolutions of VGG-16 stand in torchvision's `features`, by their published names; a pool follows each block's last.
_VGG_CONVOLUTIONS = {
    "1_1": 0, "1_2": 2, "2_1": 5, "2_2": 7, "3_1": 10, "3_2": 12, "3_3": 14, "4_1": 17, "4_2": 19, "4_3": 21,
    "5_1": 24, "5_2": 26, "5_3": 28,
}  # fmt: skip
_VGG_LAST = ("1_2", "2_2", "3_3", "4_3", "5_3")
# Mean colour of VGG-Face's training pictures, red, green, blue in 0..255, as its owners publish it with the weights.
_VGG_MEAN = (129.1863, 104.7624, 93.5940)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CHUNK = 32
# Frames of 20 ms: a minute. The memory that attention takes grows with the square.
WHOLE = 3000
_FOLDER_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.bin")


@dataclass(frozen=True)
class Weights:
    """The weights of an encoder: what file holds them, and where the papers got it."""

    file: str
    origin: str

    def find(self, name: str, given: Path | None) -> Path:
        """``given``, else the file in ``$AFFECTSCOPE_WEIGHTS``, else in the folder ``weights`` of the cache.

        Raises:
            UserError: when it is not there.
        """
        folder = os.environ.get("AFFECTSCOPE_WEIGHTS")
        path = given or (Path(folder) if folder else cache_root() / "weights") / self.file
        if not path.exists():
            raise UserError(f"{name} needs {self.file}, which is not at {path}: give `--weights {name}=PATH` ({self.origin}).")
        return path


class Encoder(Protocol):
    """What turns a clip's crops or sound into frames of ``dim`` features."""

    dim: int


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the files of a model's folder."""
    if path.is_file():
        return content_hash(path)
    files = sorted({file for pattern in _FOLDER_FILES for file in path.glob(pattern)})
    return hashlib.sha256("".join(f"{file.name} {content_hash(file)}\n" for file in files).encode()).hexdigest()


class VggFace:
    """VGG-Face (Parkhi et al. 2015) up to its first fully connected layer, after the ReLU: [4096] a face of 224x224.

    Layers are as wide as the weights say. Keys are those of VGG's published file (``conv1_1.weight`` ... ``fc6.weight``) or of a
    torchvision ``vgg16`` that was trained on (``features.0.weight`` ... ``classifier.0.weight``).

    Args:
        unit: pixels are scaled to -1..1, as goncalves2022robust (4.2.1) does for the network that it fine-tunes; otherwise the
            mean colour of the training pictures is taken off, as the published weights want it.
    """

    def __init__(self, path: Path, device: str, unit: bool = False) -> None:
        state = unwrapped(read_tensors(path)[0])
        published = "conv1_1.weight" in state
        names = {k: f"conv{k}" if published else f"features.{i}" for k, i in _VGG_CONVOLUTIONS.items()}
        fc6 = "fc6" if published else "classifier.0"
        try:
            self._layers = [(k, _pair(state, name, device)) for k, name in names.items()]
            self._fc6 = _pair(state, fc6, device)
        except KeyError as error:
            raise UserError(f"{path.name} has no {error.args[0]}: give the weights of VGG-Face, a VGG-16.") from error
        self.dim, self._device = len(self._fc6[1]), device
        self._mean, self._scale = ((127.5,) * 3, 127.5) if unit else (_VGG_MEAN, 1.0)

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Features [N, dim] of RGB crops [N, 224, 224, 3] uint8."""
        return _in_chunks(self._encode, crops, self.dim)

    def _encode(self, crops: Tensor) -> Tensor:
        x = (crops.to(self._device) - _colours(self._mean, self._device)) / self._scale
        for name, (weight, bias) in self._layers:
            x = F.relu(F.conv2d(x, weight, bias, padding=1))
            x = F.max_pool2d(x, 2) if name in _VGG_LAST else x
        return F.relu(F.linear(x.flatten(1), *self._fc6))


class EfficientNetB2:
    """EfficientNet-B2 (Tan and Le 2019) up to the pooled features before its classifier: [1408] a face of 224x224.

    torchvision's network and its keys; goncalves2025versatile (IV-B) takes one that was trained to read emotions. The classifier
    may have any width.
    """

    dim = 1408

    def __init__(self, path: Path, device: str) -> None:
        from torchvision.models import efficientnet_b2

        state = {k: v for k, v in unwrapped(read_tensors(path)[0]).items() if not k.startswith("classifier.")}
        with torch.device("meta"):
            network: nn.Module = efficientnet_b2()
        network.classifier = nn.Identity()
        try:
            network.load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise UserError(
                f"{path.name} does not fit torchvision's efficientnet_b2: save the state_dict of that network."
            ) from error
        self._network, self._device = network.eval().requires_grad_(False).to(device), device

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Features [N, 1408] of RGB crops [N, 224, 224, 3] uint8."""
        return _in_chunks(self._encode, crops, self.dim)

    def _encode(self, crops: Tensor) -> Tensor:
        x = (crops.to(self._device) / 255 - _colours(_IMAGENET_MEAN, self._device)) / _colours(_IMAGENET_STD, self._device)
        return self._network(x)


class Wav2Vec2:
    """wav2vec 2.0 (Baevski et al. 2020), its last hidden layer: a frame of 25 ms every 20 ms, 1024 wide for ``large``."""

    window, step = 400, 320

    def __init__(self, path: Path, device: str) -> None:
        try:
            from transformers import AutoFeatureExtractor, Wav2Vec2Model
        except ImportError as error:
            raise UserError("wav2vec 2.0 needs transformers: run `pip install 'affectscope[wav2vec2]'`.") from error
        try:
            model, about = Wav2Vec2Model.from_pretrained(str(path), local_files_only=True, output_loading_info=True)
            self._prepare = AutoFeatureExtractor.from_pretrained(str(path), local_files_only=True)
        # Whatever a made-up folder does to transformers, it is the folder's fault.
        except Exception as error:
            raise UserError(f"{path} holds no wav2vec 2.0 model: give a folder that transformers saved.") from error
        # The vector that masks frames in training may be missing; anything else would be left at random.
        lacking = [key for key in about["missing_keys"] if "masked_spec_embed" not in key]
        if lacking or about.get("mismatched_keys"):
            raise UserError(f"{path} lacks {len(lacking) or 'some'} tensors of its wav2vec 2.0 model: copy the folder again.")
        self._model, self._device = model.eval().requires_grad_(False).to(device), device
        self.dim = int(model.config.hidden_size)

    def __call__(self, sound: Sound) -> np.ndarray:
        """Features [T, dim]; of less than 25 ms, none."""
        if len(sound.samples) < self.window:
            return np.zeros((0, self.dim), np.float32)
        values = self._prepare(sound.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_values
        with torch.inference_mode():
            parts = [self._section(values, *section) for section in sections((values.shape[1] - self.window) // self.step + 1)]
        return np.concatenate(parts)

    def _section(self, values: Tensor, begin: int, first: int, last: int, end: int) -> np.ndarray:
        heard = values[:, begin * self.step : (end - 1) * self.step + self.window].to(self._device)
        return self._model(heard).last_hidden_state[0, first - begin : last - begin].cpu().numpy()


def sections(frames: int) -> Iterator[tuple[int, int, int, int]]:
    """How a sound of so many frames goes through a network that attends from each to all.

    Up to ``WHOLE`` as a whole, and above it in parts that hear some seconds before and after themselves.

    Yields:
        The first frame heard, the first and last ones wanted, and the last one heard; last ones are exclusive.
    """
    if frames <= WHOLE:
        yield 0, 0, frames, frames
        return
    for first in range(0, frames, WHOLE // 2):
        last = min(frames, first + WHOLE // 2)
        yield max(0, first - WHOLE // 4), first, last, min(frames, last + WHOLE // 4)


@lru_cache(maxsize=8)
def load(kind: type, path: Path, device: str, **options: Any) -> Any:
    """An encoder, loaded once a process."""
    return kind(path, device, **options)


def _pair(state: Mapping[str, Tensor], name: str, device: str) -> tuple[Tensor, Tensor]:
    return state[f"{name}.weight"].float().to(device), state[f"{name}.bias"].float().to(device)


def _colours(values: tuple[float, ...], device: str) -> Tensor:
    return torch.tensor(values, device=device).view(1, 3, 1, 1)


def _in_chunks(encode: Any, crops: np.ndarray, dim: int) -> np.ndarray:
    parts = [np.zeros((0, dim), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(crops), _CHUNK):
            pixels = torch.from_numpy(np.ascontiguousarray(crops[start : start + _CHUNK])).permute(0, 3, 1, 2).float()
            parts.append(encode(pixels).float().cpu().numpy())
    return np.concatenate(parts)
