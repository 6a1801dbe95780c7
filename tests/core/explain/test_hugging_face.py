"""A vision transformer as transformers saves it, looked through by every method."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import affectscope as afs
from affectscope.core.explain import face_input
from affectscope.core.explain.methods import METHODS
from affectscope.core.streams import Batch, Stream
from affectscope.core.wrapping.declared import WRAPPED

transformers = pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.fixture
def vit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> afs.Model:
    monkeypatch.setattr(WRAPPED, "_entries", {})
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32, image_size=64, patch_size=16,
        num_labels=3, id2label=dict(enumerate(("anger", "joy", "neutral"))),
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    prepares = {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 64, "width": 64}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(prepares))
    afs.huggingface("vit", tmp_path, modality="visual")
    return afs.load("vit")


def test_every_method_looks_through_it(vit: afs.Model) -> None:
    faces = np.random.default_rng(0).random((5, 3 * 64 * 64), np.float32)
    seen = Stream(faces, np.arange(5) / 30, np.array([True, True, False, True, True]))
    checkpoint = vit.checkpoint
    batch = Batch.collate([{"visual": seen}], checkpoint.spec.inputs)
    looks = face_input.face_input_of("faces-64-rgb")
    road = face_input.on_pixels(looks, checkpoint, seen, batch, {"visual": 1})
    for name in METHODS:
        if METHODS[name].maps is not None and METHODS[name].reads != "layers":
            maps = METHODS[name].maps(road)
            size = {"integrated-gradients": (16, 16), "occlusion": (6, 6)}.get(name, (4, 4))
            assert maps.shape == (1, 4, *size)
            assert torch.isfinite(maps).all()
            assert maps.any()
    network = checkpoint.model.network
    pictures = torch.from_numpy(faces[seen.present]).view(4, 3, 64, 64)
    with torch.no_grad():
        weights = network((pictures - 0.5) / 0.5, output_attentions=True).attentions
    mixed = [(layer.mean(1) + torch.eye(17)) / 2 for layer in weights]
    expected = (mixed[2] @ mixed[1] @ mixed[0])[:, 0, 1:].unflatten(1, (4, 4))
    torch.testing.assert_close(METHODS["attention-rollout"].maps(road)[0], expected)
    torch.testing.assert_close(METHODS["attention"].maps(road)[0], weights[2].mean(1)[:, 0, 1:].unflatten(1, (4, 4)))
