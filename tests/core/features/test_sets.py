"""The feature sets of the papers; networks are small and random, written by the test and read by the real loading code."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import efficientnet_b2
from torchvision.models.vgg import make_layers

from affectscope.core import media
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.features.bulk import stages
from affectscope.core.features.bulk.stages import Task
from affectscope.core.features.extractors import networks, opensmile
from affectscope.core.features.extractors.networks import _VGG_CONVOLUTIONS, _VGG_MEAN, EfficientNetB2, VggFace, Wav2Vec2, digest
from affectscope.core.features.sets import FEATURE_SETS, affect_windows
from affectscope.core.media import Sound
from affectscope.core.streams import Stream
from tests.media_files import tone

CROPS = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
PLAN = [2, 2, "M", 2, 2, "M", 2, 2, 2, "M", 3, 3, 3, "M", 3, 3, 3, "M"]


def test_dims_are_the_papers():
    published = {
        "llds-32-16": 130, "llds-25-10": 65, "llds-25-10-2s": 4096, "wav2vec2": 1024, "spectrogram-256": 256, "vgg-face": 4096,
        "efficientnet-b2": 1408, "faces-224": 224 * 224 * 3, "faces-96": 96 * 96 * 3, "snippets-224": 224 * 224 * 3,
    }  # fmt: skip
    assert {name: FEATURE_SETS[name].dim for name in published} == published


@pytest.mark.parametrize(("name", "dim", "window", "step"), [("llds-32-16", 130, 0.032, 0.016), ("llds-25-10", 65, 0.025, 0.010)])
def test_descriptors_in_the_windows_of_the_papers(name, dim, window, step):
    pytest.importorskip("opensmile", reason="openSMILE is not installed")
    samples = np.random.default_rng(0).normal(0, 1e-3, 2 * media.SAMPLE_RATE).astype(np.float32)
    samples[media.SAMPLE_RATE : media.SAMPLE_RATE + 40] = 0.9
    stream = FEATURE_SETS[name].encode({"sound": samples, "sound_start": np.array(0.5)}, None)
    assert stream.values.shape[1] == dim
    assert stream.times[0] == pytest.approx(0.5 + window / 2)
    np.testing.assert_allclose(np.diff(stream.times), step, atol=1e-9)
    # The last of the long windows, 60 ms, has to end within the sound.
    assert len(stream.times) == pytest.approx((2 - 0.06) / step, abs=2)
    energy = stream.values[:, 8]  # pcm_RMSenergy
    assert stream.times[energy.argmax()] == pytest.approx(1.5, abs=step)


def test_windows_of_20_ms_are_the_descriptors_that_were_there_before():
    pytest.importorskip("opensmile", reason="openSMILE is not installed")
    sound = media.read_sound(bundled().media(bundled().table.index[0]))
    old, new = opensmile.extract_llds(sound), opensmile.extract_windows(sound, 0.020, 0.010)
    assert old.times.tolist() == new.times.tolist()
    # The set of 2016 mends how a window is padded; loudness, energy and the cepstrum hardly know.
    for column in (6, 8, 52):
        assert np.corrcoef(old.values[:, column], new.values[:, column])[0, 1] > 0.99


def test_a_clip_without_sound_has_no_frame():
    for name in ("llds-32-16", "llds-25-10", "llds-25-10-2s", "spectrogram-256"):
        assert FEATURE_SETS[name].encode({}, None).values.shape == (0, FEATURE_SETS[name].dim)


def test_two_seconds_of_descriptors_side_by_side():
    frames = np.repeat(np.arange(1, 331, dtype=np.float32)[:, None], 65, 1)
    present = np.ones(330, bool)
    present[33] = False
    wide = affect_windows(Stream(frames, np.arange(330) * 0.01, present))
    # Every 3.3rd of 330 frames.
    assert wide.values.shape == (100, 4096)
    assert wide.times[:4].tolist() == pytest.approx([0.0, 0.03, 0.07, 0.10])
    assert wide.present.tolist().count(False) == 1
    # Frame 50 is number 165; the window is frames 19 to 81, from number 63 to 267, and one zero.
    assert wide.values[50, 31 * 65] == 166
    assert wide.values[50, 0] == 64
    assert wide.values[50, 62 * 65] == 268
    assert wide.values[50, 4095] == 0
    # The first has nothing on its left, and frame 10, number 33, is absent.
    assert not wide.values[0, : 31 * 65].any()
    assert wide.values[0, 41 * 65] == 0
    assert wide.values[0, 42 * 65] == 37


def small_vgg(dim: int = 5) -> tuple[nn.Module, nn.Linear]:
    torch.manual_seed(0)
    return make_layers(PLAN, batch_norm=False).eval(), nn.Linear(3 * 7 * 7, dim)


@pytest.mark.parametrize("unit", [False, True])
def test_vgg_face_is_vgg16_up_to_its_first_full_layer(tmp_path, unit):
    layers, fc6 = small_vgg()
    by_torchvision = {f"features.{k}": v for k, v in layers.state_dict().items()} | {
        "classifier.0.weight": fc6.weight.detach(), "classifier.0.bias": fc6.bias.detach(), "classifier.6.bias": torch.zeros(8),
    }  # fmt: skip
    published = {"fc6.weight": fc6.weight.detach(), "fc6.bias": fc6.bias.detach(), "fc7.bias": torch.zeros(2)}
    for name, place in _VGG_CONVOLUTIONS.items():
        published |= {f"conv{name}.{kind}": layers.state_dict()[f"{place}.{kind}"] for kind in ("weight", "bias")}
    torch.save({f"module.{k}": v for k, v in by_torchvision.items()}, tmp_path / "a.pth")
    save_file(published, tmp_path / "b.safetensors")
    pixels = torch.from_numpy(CROPS).permute(0, 3, 1, 2).float()
    pixels = pixels / 127.5 - 1 if unit else pixels - torch.tensor(_VGG_MEAN).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = fc6(layers(pixels).flatten(1)).relu().numpy()
    for path in (tmp_path / "a.pth", tmp_path / "b.safetensors"):
        encoder = VggFace(path, "cpu", unit=unit)
        assert encoder.dim == 5
        np.testing.assert_allclose(encoder.encode(CROPS), expected, rtol=1e-4, atol=1e-5)
    assert expected.any()
    assert encoder.encode(CROPS[:0]).shape == (0, 5)


def test_weights_of_something_else_are_refused(tmp_path):
    save_file({"conv1_1.weight": torch.zeros(2, 3, 3, 3)}, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"has no conv1_1\.bias"):
        VggFace(tmp_path / "w.safetensors", "cpu")
    with pytest.raises(UserError, match="does not fit"):
        EfficientNetB2(tmp_path / "w.safetensors", "cpu")
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(UserError, match="never run"):
        EfficientNetB2(tmp_path / "whole.pt", "cpu")


def test_efficientnet_gives_what_its_classifier_sees(tmp_path):
    torch.manual_seed(0)
    network = efficientnet_b2(num_classes=8).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pixels = (torch.from_numpy(CROPS).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        expected = network.avgpool(network.features(pixels)).flatten(1).numpy()
    found = FEATURE_SETS["efficientnet-b2"].load(tmp_path / "w.pth").encode(CROPS)
    assert found.shape == (2, 1408)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.fixture
def wav2vec2(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(4,) * 7,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, feat_extract_norm="layer", do_stable_layer_norm=True,
    )  # fmt: skip
    # With a head, as a fine-tuned model has it.
    model = transformers.Wav2Vec2ForCTC(config).eval()
    model.save_pretrained(tmp_path / "w")
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path / "w")
    return tmp_path / "w", model.wav2vec2


def test_wav2vec2_gives_fifty_frames_a_second(wav2vec2):
    path, model = wav2vec2
    sound = tone(1, start=0.25)
    feature_set = FEATURE_SETS["wav2vec2"]
    stream = feature_set.encode({"sound": sound.samples, "sound_start": np.array(0.25)}, feature_set.load(path))
    # 25 ms every 20 ms: (16000 - 400) / 320 + 1.
    assert stream.values.shape == (49, 12)
    assert stream.times[:2].tolist() == pytest.approx([0.2625, 0.2825])
    normal = (sound.samples - sound.samples.mean()) / np.sqrt(sound.samples.var() + 1e-7)
    with torch.inference_mode():
        expected = model(torch.from_numpy(normal)[None]).last_hidden_state[0].numpy()
    np.testing.assert_allclose(stream.values, expected, rtol=1e-3, atol=1e-4)
    assert len(Wav2Vec2(path, "cpu")(Sound(np.zeros(399, np.float32), 0.0))) == 0


def test_a_long_sound_is_heard_in_parts_that_overlap(wav2vec2, monkeypatch):
    path, model = wav2vec2
    monkeypatch.setattr(networks, "WHOLE", 20)
    sound = tone(1)
    found = Wav2Vec2(path, "cpu")(sound)
    assert found.shape == (49, 12)
    normal = torch.from_numpy((sound.samples - sound.samples.mean()) / np.sqrt(sound.samples.var() + 1e-7))[None]
    # The third part: frames 20 to 29, heard with five before and five after them.
    with torch.inference_mode():
        expected = model(normal[:, 15 * 320 : 34 * 320 + 400]).last_hidden_state[0, 5:15].numpy()
    np.testing.assert_allclose(found[20:30], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 19, 20, 21, 30, 31, 49])
def test_the_parts_of_a_sound_are_all_of_it_once(frames, monkeypatch):
    monkeypatch.setattr(networks, "WHOLE", 20)
    parts = list(networks.sections(frames))
    assert [frame for _, first, last, _ in parts for frame in range(first, last)] == list(range(frames))
    assert all(begin <= first < last <= end <= frames and end - begin <= 20 for begin, first, last, end in parts)
    assert len(parts) == (1 if frames <= 20 else -(-frames // 10))


def test_a_wav2vec2_with_a_tensor_missing_is_refused(wav2vec2):
    path, _ = wav2vec2
    before = digest(path)
    state = load_file(path / "model.safetensors")
    del state["wav2vec2.encoder.layer_norm.weight"]
    save_file(state, path / "model.safetensors", {"format": "pt"})
    assert digest(path) != before
    with pytest.raises(UserError, match="lacks 1 tensors"):
        Wav2Vec2(path, "cpu")
    (path / "config.json").write_text(json.dumps({"model_type": "wav2vec2", "hidden_size": "wide"}))
    with pytest.raises(UserError):
        Wav2Vec2(path, "cpu")


@pytest.mark.parametrize("name", ["vgg-face", "vgg-face-unit", "efficientnet-b2", "wav2vec2"])
def test_missing_weights_are_one_sentence(name, tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_WEIGHTS", str(tmp_path))
    feature_set = FEATURE_SETS[name]
    with pytest.raises(UserError, match=f"features weights {name} PATH") as raised:
        feature_set.check(None)
    assert feature_set.weights.file in str(raised.value)
    assert feature_set.weights.origin in str(raised.value)
    assert str(tmp_path / feature_set.weights.file) in str(raised.value)
    (tmp_path / feature_set.weights.file).mkdir()
    assert feature_set.check(None) == tmp_path / feature_set.weights.file


@pytest.fixture(scope="module")
def seen() -> dict[str, np.ndarray]:
    """A bundled clip after detection, with all kinds of crops."""
    corpus = bundled()
    name = corpus.table.index[0]
    task = Task(name, corpus.media(name), ("faces-48", "faces-96", "faces-224"), {})
    return stages.detect(task, stages.decode(task))


def test_crops_show_the_same_face_in_every_size(seen):
    present = ~np.isnan(seen["boxes"][:, 0])
    assert present.all()
    assert seen["rgb-224"].shape == (len(present), 224, 224, 3)
    assert seen["rgb-96"].shape == (len(present), 96, 96, 3)
    small = seen["rgb-224"][5, 16:-16, 16:-16].reshape(48, 4, 48, 4, 3).mean((1, 3, 4))
    grey = seen["grey-64"][5].astype(float)
    # The same square, so the same picture, but for the sharpness: its middle three quarters, 48 pixels wide in either.
    assert np.corrcoef(small.ravel(), _shrunk(grey).ravel())[0, 1] > 0.97


def _shrunk(grey: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(cv2.resize(grey, (224, 224))[16:-16, 16:-16], (48, 48), interpolation=cv2.INTER_AREA)


def test_six_snippets_of_sixteen_faces(seen):
    # 62 frames, of which frame 0 is hidden: 61 in six parts of 10 or 11, and sixteen from each, some twice.
    arrays = dict(seen) | {"boxes": seen["boxes"].copy()}
    assert len(arrays["times"]) == 62
    arrays["boxes"][0] = np.nan
    stream = FEATURE_SETS["snippets-224"].encode(arrays, None)
    assert stream.values.shape == (96, 224 * 224 * 3)
    assert stream.values.dtype == np.uint8
    assert (np.diff(stream.times) >= 0).all()
    # The sixteenth of ten frames that begin with frame 1, and its half: frame 1.
    assert stream.times[0] == seen["times"][1]
    # Channels first, as mocanu2023multimodal's trunk folds a frame.
    assert (stream.values[0].reshape(3, 224, 224) == seen["rgb-224"][1].transpose(2, 0, 1)).all()
    # The second part begins with the eleventh face.
    assert stream.times[16] == seen["times"][11]
    arrays["boxes"][:] = np.nan
    assert FEATURE_SETS["snippets-224"].encode(arrays, None).values.shape == (0, 224 * 224 * 3)
