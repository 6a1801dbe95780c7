"""Four networks of other people's (tests/plugins), in a folder as they would lie on a disk: code, weights, arrays, plugins."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

HERE = Path(__file__).parent / "plugins"
MODELS = {"gru": "gru", "cnn": "cross-net", "affect": "affect-net", "speech": "speech"}
"""Plugin -> what it calls its model."""
FRAMES, WIDTH = 60, 4096


def prepare(folder: Path, clips: Iterable[str], speech: bool = True) -> dict[str, Path]:
    """Model's name -> plugin."""
    for file in HERE.glob("*.py"):
        shutil.copy(file, folder)
    for name in ("gru", "cnn", "affect"):
        code(name).save(folder / f"{name}.pt")
    (folder / "arrays").mkdir()
    for number, clip in enumerate(clips):
        np.save(folder / "arrays" / f"{clip}.npy", features(number))
    if speech:
        wav2vec2().save_pretrained(folder / "wav2vec2")
        feature_extractor().save_pretrained(folder / "wav2vec2")
    return {MODELS[name]: folder / f"{name}_plugin.py" for name in MODELS if speech or name != "speech"}


def code(name: str) -> ModuleType:
    """A person's own code, imported as they would."""
    if str(HERE) not in sys.path:
        sys.path.append(str(HERE))
    return importlib.import_module(f"{name}_net")


def features(number: int) -> np.ndarray:
    """What a person has precomputed of a clip [60, 4096]."""
    return np.random.default_rng(number).standard_normal((FRAMES, WIDTH), np.float32)


def wav2vec2():
    """A tiny network of random weights, of transformers' own class."""
    import transformers

    torch.manual_seed(4)
    config = transformers.Wav2Vec2Config(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=(16,) * 7,
        classifier_proj_size=8, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, num_labels=4,
        id2label=dict(enumerate(["anger", "happiness", "neutral", "sadness"])),
    )  # fmt: skip
    return transformers.Wav2Vec2ForSequenceClassification(config).eval()


def feature_extractor():
    import transformers

    return transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
