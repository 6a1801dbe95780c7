"""VGG-Face fine-tuned on a folder of faces: a small network and faces that differ in how bright they are."""

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from affectscope.core.errors import UserError
from affectscope.core.features.extractors.networks import _VGG_CONVOLUTIONS, VggFace
from affectscope.core.training.faces import FaceConfig, finetune, labelled_faces, read_face

WIDTHS = (2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3)


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    state, before = {}, 3
    for name, width in zip(_VGG_CONVOLUTIONS, WIDTHS, strict=True):
        # As wide a spread as keeps the signal through thirteen layers.
        state[f"conv{name}.weight"] = torch.randn(width, before, 3, 3) * (2 / (9 * before)) ** 0.5 + 0.05
        state[f"conv{name}.bias"] = torch.full((width,), 0.05)
        before = width
    state |= {"fc6.weight": torch.randn(8, 3 * 7 * 7) * 0.1, "fc6.bias": torch.zeros(8)}
    save_file(state, tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.safetensors"


def faces(folder, **brightness):
    chance = np.random.default_rng(0)
    for label, level in brightness.items():
        (folder / label).mkdir(parents=True)
        for i in range(6):
            face = np.clip(chance.normal(level, 5, (20, 16, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / label / f"{i}.png"), face)
    return folder


def test_what_is_learnt_is_read_by_the_feature_set_and_tells_the_classes(tmp_path, weights):
    folder = faces(tmp_path / "faces", anger=20, fear=230)
    torch.manual_seed(3)
    told = finetune(folder, weights, tmp_path / "out.safetensors", FaceConfig(6, 0.001, 4, held=0.34))
    assert (told["classes"], told["learnt"], told["held"]) == (["anger", "fear"], 8, 4)
    assert told["accuracy"] == 1.0
    before, after = load_file(weights), load_file(tmp_path / "out.safetensors")
    assert {k: v.shape for k, v in before.items()} == {k: v.shape for k, v in after.items()}
    assert not torch.equal(before["conv1_1.weight"], after["conv1_1.weight"])
    encoder = VggFace(tmp_path / "out.safetensors", "cpu", unit=True)
    assert encoder.encode(read_face(folder / "fear" / "0.png")[None]).shape == (1, 8)


def test_the_papers_epochs_and_rate():
    assert (FaceConfig().epochs, FaceConfig().learning_rate) == (50, 7.5e-5)


def test_folders_without_faces_are_one_sentence(tmp_path, weights):
    (tmp_path / "faces" / "anger").mkdir(parents=True)
    with pytest.raises(UserError, match="two classes or more"):
        labelled_faces(tmp_path / "faces")
    (tmp_path / "faces" / "fear").mkdir()
    with pytest.raises(UserError, match="no picture of anger"):
        labelled_faces(tmp_path / "faces")
    faces(tmp_path / "good", anger=20, fear=230)
    (tmp_path / "good" / "fear" / "0.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"0.png cannot be read as a picture"):
        finetune(tmp_path / "good", weights, tmp_path / "out.safetensors", FaceConfig(1))
    with pytest.raises(UserError, match="safetensors"):
        finetune(tmp_path / "good", weights, tmp_path / "out.pth")
