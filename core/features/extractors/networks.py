"""Encoders with weights from the user: VGG-Face, EfficientNet-B2, wav2vec 2.0. Nothing is shipped, downloaded or unpickled."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.cache.store import cache_root, content_hash
from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.files.tensors import read_tensors
from affectscope.core.files.weights import unwrapped
from affectscope.core.media import SAMPLE_RATE, Sound

# Published name -> index of VGG-16's convolutions in torchvision's `features`. A pool follows the last one of each block.
_VGG_CONVOLUTIONS = {
    "1_1": 0, "1_2": 2, "2_1": 5, "2_2": 7, "3_1": 10, "3_2": 12, "3_3": 14, "4_1": 17, "4_2": 19, "4_3": 21,
    "5_1": 24, "5_2": 26, "5_3": 28,
}  # fmt: skip
_VGG_LAST = ("1_2", "2_2", "3_3", "4_3", "5_3")
# Mean colour of VGG-Face's training pictures, RGB in 0..255, as published with the weights.
_VGG_MEAN = (129.1863, 104.7624, 93.5940)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CHUNK = 32
# In frames of 20 ms: one minute. Attention's memory grows with the square.
WHOLE = 3000
# The embedding that masks frames in training.
_UNHEARD = "masked_spec_embed"
_FOLDER_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.bin")


@dataclass(frozen=True)
class Weights:
    """The weights of an encoder: the expected file, and where the papers obtained it."""

    file: str
    origin: str

    def find(self, name: str, given: Path | None) -> Path:
        """The path of the weights: ``given``, the user's settings, ``$AFFECTSCOPE_WEIGHTS``, or the cache's ``weights`` folder.

        Raises:
            UserError: when it is not there.
        """
        folder = os.environ.get("AFFECTSCOPE_WEIGHTS")
        usual = (Path(folder) if folder else cache_root() / "weights") / self.file
        path = given or settings.weights().get(name) or usual
        if not path.exists():
            raise UserError(
                f"{name} needs {self.file}, which is not at {path}: name it once with `affectscope features weights {name} PATH` "
                f"({self.origin})."
            )
        return path


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the files in a model folder."""
    if path.is_file():
        return content_hash(path)
    files = sorted({file for pattern in _FOLDER_FILES for file in path.glob(pattern)})
    return hashlib.sha256("".join(f"{file.name} {content_hash(file)}\n" for file in files).encode()).hexdigest()


class FaceNetwork(nn.Module):
    """A network on RGB faces of 224x224: pixels -> features. It is differentiable, and names the layer that explanations read.

    A plugin's encoder has the same three parts: ``prepare``, ``forward`` and ``look_at``.
    """

    dim: int
    mean: Tensor
    scale: Tensor

    def __init__(self, mean: tuple[float, ...], scale: tuple[float, ...]) -> None:
        super().__init__()
        # Not persistent: a state_dict does not contain them.
        self.register_buffer("mean", _colours(mean), persistent=False)
        self.register_buffer("scale", _colours(scale), persistent=False)

    @property
    def look_at(self) -> tuple[nn.Module, ...]:
        """The layers that explanations read, first to last."""
        raise NotImplementedError

    def prepare(self, crops: np.ndarray) -> Tensor:
        """RGB crops [N, 224, 224, 3] uint8 as input of ``forward``, [N, 3, 224, 224] float32."""
        pixels = torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float()
        return (pixels.to(self.mean) - self.mean) / self.scale

    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Features [N, dim] of RGB crops [N, 224, 224, 3] uint8."""
        parts = [np.zeros((0, self.dim), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(crops), _CHUNK):
                parts.append(self(self.prepare(crops[start : start + _CHUNK])).float().cpu().numpy())
        return np.concatenate(parts)


class VggFace(FaceNetwork):
    """VGG-Face (Parkhi et al. 2015) up to its first fully connected layer, after the ReLU: [4096] per face of 224x224.

    Layer widths follow the weights. Keys are those of VGG's published file (``conv1_1.weight`` ... ``fc6.weight``) or of a
    fine-tuned torchvision ``vgg16`` (``features.0.weight`` ... ``classifier.0.weight``).

    Args:
        unit: scale pixels to -1..1, as goncalves2022robust (4.2.1) does for the network that it fine-tunes. By default, subtract
            the mean colour of the training pictures, as the published weights require.
    """

    def __init__(self, path: Path, device: str, unit: bool = False) -> None:
        super().__init__((127.5,) * 3 if unit else _VGG_MEAN, (127.5 if unit else 1.0,) * 3)
        state = unwrapped(read_tensors(path)[0])
        published = "conv1_1.weight" in state
        names = {k: f"conv{k}" if published else f"features.{i}" for k, i in _VGG_CONVOLUTIONS.items()}
        layers: list[nn.Module] = []
        try:
            for key, name in names.items():
                layers += [_convolution(*_pair(state, name)), nn.ReLU()]
                layers += [nn.MaxPool2d(2)] if key in _VGG_LAST else []
            self.fc6 = _linear(*_pair(state, "fc6" if published else "classifier.0"))
        except KeyError as error:
            raise UserError(f"{path.name} has no {error.args[0]}: give the weights of VGG-Face, a VGG-16.") from error
        self.layers = nn.Sequential(*layers)
        self.dim = self.fc6.out_features
        self.eval().requires_grad_(False).to(device)

    @property
    def look_at(self) -> tuple[nn.Module, ...]:
        """The last convolution after its ReLU, 14x14; the pool after it localises less well."""
        return (self.layers[-2],)

    def forward(self, pixels: Tensor) -> Tensor:
        """Features [N, dim] of prepared pixels [N, 3, 224, 224]."""
        return F.relu(self.fc6(self.layers(pixels).flatten(1)))


class EfficientNetB2(FaceNetwork):
    """EfficientNet-B2 (Tan and Le 2019) up to the pooled features before its classifier: [1408] per face of 224x224.

    torchvision's network and keys. goncalves2025versatile (IV-B) uses one that was trained on emotions. The classifier may have
    any width.
    """

    dim = 1408

    def __init__(self, path: Path, device: str) -> None:
        from torchvision.models import efficientnet_b2

        super().__init__(tuple(255 * m for m in _IMAGENET_MEAN), tuple(255 * s for s in _IMAGENET_STD))
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
        self.network = network
        self.eval().requires_grad_(False).to(device)

    @property
    def look_at(self) -> tuple[nn.Module, ...]:
        """The last convolution, 7x7."""
        return (self.network.features[-1],)  # type: ignore[index, return-value]

    def forward(self, pixels: Tensor) -> Tensor:
        """Features [N, 1408] of prepared pixels [N, 3, 224, 224]."""
        return self.network(pixels)


class Wav2Vec2:
    """The last hidden layer of wav2vec 2.0 (Baevski et al. 2020): a frame of 25 ms every 20 ms, 1024 wide for ``large``."""

    window, step = 400, 320

    def __init__(self, path: Path, device: str) -> None:
        try:
            model, self._prepare = _wav2vec2_of_file(path) if path.is_file() else _wav2vec2_of_folder(path)
        except ImportError as error:
            raise UserError("wav2vec 2.0 needs transformers: run `pip install 'affectscope[wav2vec2]'`.") from error
        self._model, self._device = model.eval().requires_grad_(False).to(device), device
        self.dim = int(model.config.hidden_size)

    def __call__(self, sound: Sound) -> np.ndarray:
        """Features [T, dim]; no frames for less than 25 ms."""
        if len(sound.samples) < self.window:
            return np.zeros((0, self.dim), np.float32)
        values = self._prepare(sound.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_values
        with torch.inference_mode():
            parts = [self._section(values, *section) for section in sections((values.shape[1] - self.window) // self.step + 1)]
        return np.concatenate(parts)

    def _section(self, values: Tensor, begin: int, first: int, last: int, end: int) -> np.ndarray:
        heard = values[:, begin * self.step : (end - 1) * self.step + self.window].to(self._device)
        return self._model(heard).last_hidden_state[0, first - begin : last - begin].cpu().numpy()


def _wav2vec2_of_folder(path: Path) -> tuple[Any, Any]:
    """The model that transformers saved in a folder, and its preprocessor."""
    from transformers import AutoFeatureExtractor, Wav2Vec2Model

    try:
        loaded: Any = Wav2Vec2Model.from_pretrained(str(path), local_files_only=True, output_loading_info=True)
        prepare = AutoFeatureExtractor.from_pretrained(str(path), local_files_only=True)
    # A malformed folder can make transformers raise anything.
    except Exception as error:
        raise UserError(f"{path} holds no wav2vec 2.0 model: give a folder that transformers saved.") from error
    model, about = loaded
    # The mask embedding may be missing; anything else would be initialised randomly.
    lacking = [key for key in about["missing_keys"] if _UNHEARD not in key]
    if lacking or about.get("mismatched_keys"):
        raise UserError(f"{path} lacks {len(lacking) or 'some'} tensors of its wav2vec 2.0 model: copy the folder again.")
    return model, prepare


def _wav2vec2_of_file(path: Path) -> tuple[Any, Any]:
    """A model from its state_dict alone, as in AuxFormer v2 (``final_model.pt``) and VAVL (``final_wav2vec.pt``).

    Sizes are inferred from the tensors. Heads are 64 wide, and models with layer norm in their convolutions are pre-norm, as in
    all published models.
    """
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    state = {key.removeprefix("wav2vec2."): value for key, value in unwrapped(read_tensors(path)[0]).items()}
    state = {key: value for key, value in state.items() if key.startswith(("feature_", "encoder.")) or key == _UNHEARD}
    try:
        convolutions = sorted(key for key in state if key.endswith(".conv.weight") and key.startswith("feature_extractor."))
        wide, hidden = state["encoder.layers.0.feed_forward.intermediate_dense.weight"].shape
        positions = next(
            value for key, value in state.items() if "pos_conv_embed" in key and value.ndim == 3 and value.shape[1] > 1
        )
        norms = "feature_extractor.conv_layers.1.layer_norm.weight" in state
        config = Wav2Vec2Config(
            hidden_size=hidden, intermediate_size=wide, num_attention_heads=max(1, hidden // 64), apply_spec_augment=False,
            num_hidden_layers=1 + max(int(key.split(".")[2]) for key in state if key.startswith("encoder.layers.")),
            conv_dim=tuple(len(state[key]) for key in convolutions), conv_bias=convolutions[0].replace("weight", "bias") in state,
            num_conv_pos_embeddings=positions.shape[2], num_conv_pos_embedding_groups=hidden // positions.shape[1],
            feat_extract_norm="layer" if norms else "group", do_stable_layer_norm=norms,
        )  # fmt: skip
        model = Wav2Vec2Model(config)
        lacking, more = model.load_state_dict(state, strict=False)
    # A malformed file can make transformers raise anything.
    except Exception as error:
        raise UserError(f"{path.name} holds no wav2vec 2.0 model: give its state_dict, or the folder of it.") from error
    if lacking := [key for key in lacking if _UNHEARD not in key] or more:
        raise UserError(
            f"{path.name} does not fit wav2vec 2.0 ({lacking[0]}): save the state_dict of transformers' Wav2Vec2Model."
        )
    return model, Wav2Vec2FeatureExtractor(do_normalize=True)


def sections(frames: int) -> Iterator[tuple[int, int, int, int]]:
    """Split a sound of ``frames`` frames for a network with full self-attention.

    Up to ``WHOLE`` frames are one section; longer sounds are split into sections with some seconds of context on both sides.

    Yields:
        Start of the context, start and end of the section, end of the context; ends are exclusive.
    """
    if frames <= WHOLE:
        yield 0, 0, frames, frames
        return
    for first in range(0, frames, WHOLE // 2):
        last = min(frames, first + WHOLE // 2)
        yield max(0, first - WHOLE // 4), first, last, min(frames, last + WHOLE // 4)


@lru_cache(maxsize=8)
# As for ``load_face_encoder``: the first caller may be in inference mode.
@torch.inference_mode(False)
def load(kind: type, path: Path, device: str, **options: Any) -> Any:
    """Load an encoder, once per process."""
    return kind(path, device, **options)


def _pair(state: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return state[f"{name}.weight"].float(), state[f"{name}.bias"].float()


def _convolution(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, device="meta")
    return _given(layer, weight, bias)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    return _given(nn.Linear(weight.shape[1], weight.shape[0], device="meta"), weight, bias)


def _given(layer: Any, weight: Tensor, bias: Tensor) -> Any:
    layer.weight, layer.bias = nn.Parameter(weight, False), nn.Parameter(bias, False)
    return layer


def _colours(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)
