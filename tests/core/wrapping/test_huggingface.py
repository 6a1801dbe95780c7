"""Classifiers in folders that transformers saved: their own numbers, their own labels, and nothing of theirs that runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import affectscope as afs  # noqa: E402
from affectscope.core.errors import UserError  # noqa: E402
from affectscope.core.streams import Batch  # noqa: E402
from affectscope.core.wrapping.declared import WRAPPED  # noqa: E402
from affectscope.core.wrapping.making import make  # noqa: E402
from tests import other_people  # noqa: E402

SIDE = 32
NAMED = {"id2label": {0: "happy", 1: "sad", 2: "angry"}, "label2id": {"happy": 0, "sad": 1, "angry": 2}}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WRAPPED, "_entries", {})
    torch.manual_seed(0)


def vit(folder: Path) -> torch.nn.Module:
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=SIDE, patch_size=8, **NAMED
    )
    return saved(transformers.ViTForImageClassification(config), folder)


def resnet(folder: Path) -> torch.nn.Module:
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **NAMED)
    return saved(transformers.ResNetForImageClassification(config), folder)


def saved(model: torch.nn.Module, folder: Path) -> torch.nn.Module:
    model.save_pretrained(folder)
    prepares = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True, **prepares}))
    return model.eval()


def faces(frames: int) -> torch.Tensor:
    return torch.rand(1, frames, 3 * SIDE * SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", [vit, resnet])
def test_faces_are_normalised_as_its_folder_says_and_their_logits_averaged(kind, tmp_path: Path) -> None:
    bare = kind(tmp_path)
    declaration = afs.huggingface("faces", tmp_path, modality="visual")
    model = make(declaration).model
    assert model.spec.inputs == {"visual": 3 * SIDE * SIDE}
    assert model.spec.features == {"visual": f"faces-{SIDE}-rgb"}
    assert model.spec.labels == ("happy", "sad", "angry")
    pixels, there = faces(70), torch.arange(70)[None] % 3 > 0
    mean, spread = (torch.tensor(v).view(3, 1, 1) for v in ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]))
    with torch.inference_mode():
        expected = bare((pixels.view(70, 3, SIDE, SIDE) - mean) / spread).logits[there[0]].mean(0)
        found = model(Batch.of(present={"visual": there}, visual=pixels))
    assert torch.allclose(found.predictions["visual"][0], expected, atol=1e-6)
    assert found.embeddings["pooled"].shape[0] == 1
    assert "visual" in model.look_at


def test_an_answer_at_each_frame(tmp_path: Path) -> None:
    bare = vit(tmp_path)
    model = make(afs.huggingface("faces", tmp_path, modality="visual", reference="visual", labels=["a", "b", "c"])).model
    pixels = faces(4)
    mean, spread = (torch.tensor(v).view(3, 1, 1) for v in ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]))
    with torch.inference_mode():
        expected = bare((pixels.view(4, 3, SIDE, SIDE) - mean) / spread).logits
        found = model(Batch.of(visual=pixels)).predictions["visual"]
        blinked = model(Batch.of(visual=pixels, present={"visual": [[True, False, True, True]]})).predictions["visual"]
    assert model.spec.labels == ("a", "b", "c")
    assert torch.allclose(found[0], expected, atol=1e-6)
    # A frame without a face is no black face.
    assert blinked[0, 1].tolist() == [0.0, 0.0, 0.0]
    assert torch.allclose(blinked[0, [0, 2, 3]], expected[[0, 2, 3]], atol=1e-6)


def test_speech_is_heard_as_its_extractor_prepares_it(tmp_path: Path) -> None:
    bare = other_people.wav2vec2()
    bare.save_pretrained(tmp_path)
    other_people.feature_extractor().save_pretrained(tmp_path)
    model = make(afs.huggingface("speech", tmp_path, modality="audio")).model
    sound = np.random.default_rng(0).standard_normal(100 * 320).astype(np.float32)
    heard = other_people.feature_extractor()(sound, sampling_rate=16_000, return_tensors="pt").input_values
    with torch.inference_mode():
        expected = bare(heard).logits
        found = model(Batch.of(audio=sound.reshape(1, 100, 320)), attention=True)
    assert torch.allclose(found.predictions["audio"], expected, atol=1e-6)
    assert [attention.weights.shape for attention in found.attention] == [(1, 2, 100, 100)] * 2
    assert torch.allclose(found.attention[0].weights.sum(-1), torch.ones(1, 2, 100), atol=1e-5)


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no config\.json"):
        afs.huggingface("x", tmp_path, modality="visual")
    vit(tmp_path)
    with pytest.raises(UserError, match="is a vit that takes no waveform"):
        afs.huggingface("x", tmp_path, modality="audio")
    with pytest.raises(UserError, match="of audio or visual, not of text"):
        afs.huggingface("x", tmp_path, modality="text")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(UserError, match="lacks 16 tensors of its model, first"):
        make(afs.huggingface("x", tmp_path, modality="visual"))


def test_code_that_a_folder_brings_is_never_run(tmp_path: Path) -> None:
    vit(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    own = {"model_type": "theirs", "auto_map": {"AutoConfig": "evil.C", "AutoModelForImageClassification": "evil.M"}}
    (tmp_path / "config.json").write_text(json.dumps({**config, **own}))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(UserError, match="holds no classifier of visual that transformers reads"):
        make(afs.huggingface("x", tmp_path, modality="visual"))
    assert not (tmp_path / "ran").exists()
