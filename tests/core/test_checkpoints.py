"""Nothing that a hostile or broken file holds is executed, and each gives one sentence."""

import json
import pickle
import struct

import pytest
import safetensors.torch
import torch

from core import checkpoints
from core.errors import UserError
from core.models.auxformer import AuxFormer, AuxFormerConfig

SMALL = AuxFormerConfig(audio_dim=6, visual_dim=9, width=8, heads=2, layers=1, aux_hidden=(12, 10))


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.safetensors"
    checkpoints.save(path, AuxFormer(SMALL), checkpoints.Normaliser(), {})
    return path


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def refused(path, layout=None):
    with pytest.raises(UserError) as caught:
        checkpoints.load_foreign(path, layout) if layout else checkpoints.load(path)
    sentence = str(caught.value)
    assert sentence.endswith((".", "?"))
    assert "\n" not in sentence
    assert path.name in sentence
    return sentence


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("legacy", [True, False])
def test_a_pickle_with_code_is_not_run(tmp_path, suffix, legacy):
    trace, path = tmp_path / "executed", tmp_path / f"bomb{suffix}"
    torch.save({"state_dict": Bomb(trace)}, path, _use_new_zipfile_serialization=not legacy)
    assert "never run" in refused(path)
    assert "never run" in refused(path, "auxformer-v1")
    assert not trace.exists()


def test_a_raw_pickle_renamed_to_safetensors_is_not_run(tmp_path):
    trace, path = tmp_path / "executed", tmp_path / "bomb.safetensors"
    path.write_bytes(pickle.dumps(Bomb(trace)))
    refused(path)
    assert not trace.exists()


def test_a_whole_module_is_refused_with_a_way_out(tmp_path):
    path = tmp_path / "module.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    assert "state_dict" in refused(path, "auxformer-v1")


def test_truncated(good):
    good.write_bytes(good.read_bytes()[:-100])
    assert "damaged" in refused(good)


def test_header_longer_than_the_file(tmp_path):
    path = tmp_path / "long.safetensors"
    path.write_bytes(struct.pack("<Q", 10 * 2**30) + b"{}")
    assert "damaged" in refused(path)


def test_wrong_shapes_and_names_are_listed(good):
    tensors, metadata = checkpoints.read_tensors(good)
    tensors["model.main.out.weight"] = torch.zeros(2, 2)
    tensors["model.extra"] = torch.zeros(1)
    del tensors["model.main.out.bias"]
    safetensors.torch.save_file(tensors, good, metadata)
    sentence = refused(good)
    assert all(part in sentence for part in ("lacks main.out.bias", "does not know extra", "another shape for main.out.weight"))


def test_nan_weights(good):
    tensors, metadata = checkpoints.read_tensors(good)
    tensors["model.main.out.bias"][0] = torch.nan
    safetensors.torch.save_file(tensors, good, metadata)
    assert "NaN" in refused(good)


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.update(system="../../etc/passwd"),
        lambda h: h["config"].update(width=10**9),
        lambda h: h["config"].update(labels=["x"] * 10**6),
        lambda h: h["config"].update(width="wide"),
        lambda h: h["config"].update(layers=-1),
        lambda h: h["config"].update(layers=10**9),
        lambda h: h["config"].update(heads=0),
        lambda h: h["config"].update(variant="foo"),
        lambda h: h["config"].update(width=float("nan")),
        lambda h: h.update(card=7),
        lambda h: h.pop("config"),
    ],
)
def test_a_hostile_header_is_one_sentence(good, change):
    tensors, metadata = checkpoints.read_tensors(good)
    header = json.loads(metadata["affectscope"])
    change(header)
    safetensors.torch.save_file(tensors, good, {**metadata, "affectscope": json.dumps(header)})
    with pytest.raises(UserError):
        checkpoints.load(good)


def test_another_kind_of_file_names_the_layouts(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(1)}, path)
    assert "auxformer-v1" in refused(path)
    assert "auxformer-v2" in refused(path, "auxformer-v2")


def test_missing_file_and_unknown_layout(tmp_path):
    refused(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="auxformer-v1"):
        checkpoints.load_foreign(tmp_path / "none.pt", "nonsense")
