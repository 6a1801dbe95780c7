"""Classifiers saved in a folder by Hugging Face's transformers: speech from waveforms, and pictures of faces.

Reads local files only, and never runs code from the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.text import shown
from affectscope.core.wrapping.declared import Declared
from affectscope.core.wrapping.given import Inputs

_MISSING = "Models of Hugging Face need transformers: run `pip install 'affectscope[wav2vec2]'`."
# Model types that take the waveform itself, normalised or not.
_OF_WAVEFORMS = frozenset(
    ("data2vec-audio", "hubert", "sew", "sew-d", "unispeech", "unispeech-sat", "wav2vec2", "wav2vec2-conformer", "wavlm")
)
_SIDE = 224
_GREY = (0.5, 0.5, 0.5)
# Video frames per forward pass of an image model.
_CHUNK = 64
# Layers of a vision transformer whose tokens all affect the output. After the last attention only the first one is read.
_OF_TOKENS = ("layernorm_before", "norm1", "layer_norm1")


@dataclass(frozen=True)
class Folder:
    """A model folder.

    Attributes:
        config, prepares: contents of ``config.json`` and ``preprocessor_config.json``.
    """

    path: Path
    config: Mapping[str, Any]
    prepares: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Folder:
        """Read a folder's configuration.

        Raises:
            UserError: when transformers did not save the folder.
        """
        if not (path / "config.json").is_file():
            raise UserError(f"{shown(str(path), 300)} holds no config.json: name a folder that `save_pretrained` wrote.")
        return cls(path, _json(path / "config.json"), _json(path / "preprocessor_config.json"))

    @property
    def labels(self) -> tuple[str, ...]:
        named = self.config.get("id2label") or {}
        return tuple(str(named[key]) for key in sorted(named, key=int))

    @property
    def side(self) -> int:
        """Width and height in pixels of the image model's input."""
        size = self.prepares.get("crop_size") or self.prepares.get("size") or self.config.get("image_size") or _SIDE
        if isinstance(size, Mapping):
            size = size.get("height") or size.get("shortest_edge") or _SIDE
        return int(size)


def declared(
    name: str, folder: str | Path, modality: str, labels: Sequence[str] = (), features: str = "", reference: str = ""
) -> Declared:
    """Declare a classifier in a folder.

    Args:
        modality: ``audio`` for waveforms, ``visual`` for faces.
        labels: names of the outputs; default: from the config.
        features: the feature set; default: waveforms at 16 kHz, or faces of the model's input size.
        reference: ``visual`` for a prediction per frame; default: one per clip, the mean over its frames.

    Raises:
        UserError: when the folder holds no classifier, or one of an unsupported kind.
    """
    source = Folder.read(Path(folder).expanduser())
    task = "regression" if source.config.get("problem_type") == "regression" else "classification"
    names = tuple(labels) or source.labels
    kind = shown(str(source.config.get("model_type", "")))
    if modality not in ("audio", "visual"):
        raise UserError(f"A model of Hugging Face is of audio or visual, not of {shown(modality)}: use affectscope.model.")
    if modality == "audio" and kind not in _OF_WAVEFORMS:
        raise UserError(f"{name} is a {kind or 'model'} that takes no waveform: wrap it with affectscope.model on its features.")
    own = "waveform-20ms" if modality == "audio" else f"faces-{source.side}-rgb"

    def build(path: Path) -> nn.Module:
        return _loaded(declaration, Folder.read(Path(path)), modality)

    declaration = Declared(
        name, build, names, {modality: features or own}, {modality: (modality,)}, task=task,  # type: ignore[arg-type]
        reference=reference, absence={modality: "mask"}, weights=source.path.absolute(),
    )  # fmt: skip
    declaration.answer = partial(_speech, source) if modality == "audio" else partial(_faces, source, bool(reference))
    return declaration


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(str(path), 300)} cannot be read: copy the folder again.") from error
    return content if isinstance(content, dict) else {}


def _loaded(declaration: Declared, folder: Folder, modality: str) -> nn.Module:
    try:
        import transformers
    except ImportError as error:
        raise UserError(_MISSING) from error
    kinds = {"audio": transformers.AutoModelForAudioClassification, "visual": transformers.AutoModelForImageClassification}
    transformers.utils.logging.disable_progress_bar()
    given = {"local_files_only": True, "trust_remote_code": False, "output_loading_info": True}
    called = shown(str(folder.path), 300)
    try:
        # Only the eager implementation of attention returns its weights.
        network, about = kinds[modality].from_pretrained(str(folder.path), attn_implementation="eager", **given)
    # Whatever transformers raises, the folder caused it.
    except Exception as error:
        why = shown((str(error).splitlines() or [""])[0], 160)
        raise UserError(f"{called} holds no classifier of {modality} that transformers reads: {why}.") from error
    if lacking := [key for key in about["missing_keys"] if "masked_spec_embed" not in key]:
        raise UserError(f"{called} lacks {len(lacking)} tensors of its model, first {shown(lacking[0])}: copy the folder again.")
    declaration.attentions, declaration.vectors, declaration.looks = [], [], {}
    if modality == "audio":
        declaration.attention("self", query="audio", key="audio")
    if isinstance(getattr(network, "classifier", None), nn.Module):
        declaration.embedding("pooled", module="classifier", of="input")
    if modality == "visual" and (layer := _look(network)):
        declaration.look_at("visual", layer)
    return network


def _look(network: nn.Module) -> str:
    """The layer that heatmaps read: the last one whose places or tokens all affect the output; empty if unknown."""
    names = [name for name, _ in network.named_modules()]
    tokens = [name for name in names if name.split(".")[-1] in _OF_TOKENS]
    if tokens:
        return tokens[-1]
    wide = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1)]
    return wide[-1] if wide else ""


def _speech(folder: Folder, network: Any, batch: Inputs) -> Any:
    sound = batch.audio.flatten(1)
    if folder.prepares.get("do_normalize", True):
        sound = (sound - sound.mean(1, keepdim=True)) / (sound.var(1, correction=0, keepdim=True) + 1e-7).sqrt()
    return network(sound, output_attentions=batch.wants_attention)


def _faces(folder: Folder, by_frame: bool, network: Any, batch: Inputs) -> dict[str, Tensor]:
    frames = batch.visual[0]
    if folder.prepares.get("do_normalize", True):
        mean, spread = (frames.new_tensor(folder.prepares.get(key) or _GREY).view(3, 1, 1) for key in ("image_mean", "image_std"))
        frames = (frames - mean) / spread
    logits = torch.cat([network(part).logits for part in frames.split(_CHUNK)])
    there = batch.visual_present[0]
    if by_frame:
        # Of a frame without a face nothing is known: all classes alike.
        return {"visual": torch.where(there[:, None], logits, 0)[None]}
    return {"visual": logits[there].mean(0, keepdim=True)}
