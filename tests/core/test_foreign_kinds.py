"""Files and folders of other programs at the door for checkpoints: what each is, and where the weights may be instead."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from affectscope.core.checkpoints import foreign
from affectscope.core.files.kinds import fault_of
from tests.foreign_files import AV, V2, answer, refused, saved
from tests.public_states import filled, mult


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x1c\0\0\0TFL3" + bytes(50), "a model of TensorFlow"),
        (b"\x08\x01\x12\x9e\x01\n\x05*\x03Add" + bytes(50), "a model of TensorFlow"),
        (b"\x08\x08\x12\x07skl2onn" + bytes(50), "a graph of ONNX"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(50), "a file of MATLAB"),
        (b"x\x9c" + bytes(50), "zlib, as joblib writes"),
        (b"\x81\xa6params\x81" + bytes(50), "a checkpoint of Flax"),
        (b"ftrt" + bytes(50), "an engine of TensorRT"),
        (b'{"architectures": ["X"], "hidden_size": 768}', "a model's config"),
    ],
)
def test_other_programs_models_are_told_by_their_kind(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(content)
    assert what in refused(path)


@pytest.mark.parametrize("begin", [b"x\x9c", b"\x08\x01\x12", b"\x08\x08\x12\x07"])
def test_a_safetensors_header_may_be_of_any_length(begin: bytes) -> None:
    """Its length comes first: of 40,056 bytes it begins as zlib does."""
    (length,) = struct.unpack("<Q", begin.ljust(8, b"\0"))
    assert fault_of(struct.pack("<Q", length) + b'{"a": {"dtype"') == ""


def test_tensors_that_two_layers_share_are_kept_once(tmp_path: Path) -> None:
    """As Hugging Face's save_model writes them: the header names what was left out."""
    kept, left_out = "trans_a_with_v.layer_norm.weight", "trans_v_with_a.layer_norm.weight"
    tied = V2 | {left_out: V2[kept]}
    path = tmp_path / "tied.safetensors"
    save_file({key: value for key, value in tied.items() if key != left_out}, path, metadata={left_out: kept, "format": "pt"})
    whole = foreign.read(saved(tmp_path / "whole.pt", tied)).model
    torch.testing.assert_close(answer(foreign.read(path).model), answer(whole), rtol=0, atol=0)


def test_another_layout_is_named_where_the_keys_tell_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", V2)
    assert refused(path, "mult").endswith("by its keys it is of auxformer-v2, choose that.")
    assert refused(saved(tmp_path / "m.pt", filled(mult(AV, 10, 1, 1, 1))), "auxformer-v2").endswith("of mult, choose that.")


def test_a_folder_whose_weights_lie_deeper_and_one_without_any(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "args.json").write_text("{}")
    assert "holds no file with weights" in refused(folder)
    saved(folder / "checkpoints" / "best.pth", V2)
    assert "run itself holds no weights, but checkpoints/best.pth in it may" in refused(folder)
    saved(folder / "strange.pt", {"encoder.weight": torch.ones(3, 3)})
    assert "of a known layout" in refused(folder)
    other = tmp_path / "tf"
    other.mkdir()
    (other / "saved_model.pb").write_bytes(b"\x08\x01\x12")
    assert "a model of TensorFlow" in refused(other)
