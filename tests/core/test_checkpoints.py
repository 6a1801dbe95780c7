"""Nothing that a hostile or broken file holds is executed, and each gives one sentence."""

import json
import pickle
import struct
import zipfile

import pytest
import safetensors.torch
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.errors import UserError
from affectscope.core.files.weights import unwrapped
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig

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
    assert "Traceback" not in sentence
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
        lambda h: h.update(card=None),
        lambda h: h.update(system=["auxformer"]),
        lambda h: h.update(system="x" * 10**6),
        lambda h: h.update(config=[1, 2]),
        lambda h: h["config"].update(width=True),
        lambda h: h["config"].update(width=10**30),
        lambda h: h["config"].update(width=8.5),
        lambda h: h["config"].update(width=None),
        lambda h: h["config"].update(layers=5000),
        lambda h: h["config"].update(layers=[1]),
        lambda h: h["config"].update(encoder_dropout="half"),
        lambda h: h["config"].update(encoder_dropout=float("inf")),
        lambda h: h["config"].update(aux_hidden=[12, 10, 8]),
        lambda h: h["config"].update(aux_hidden={"a": 1}),
        lambda h: h["config"].update(labels="abcdef"),
        lambda h: h["config"].update(labels=[]),
        lambda h: h["config"].update(labels=[1, 2, 3, 4, 5, 6]),
        lambda h: h["config"].update(labels=[["a"], "b", "c", "d", "e", "f"]),
        lambda h: h["config"].update(labels=["a"] * 6),
        lambda h: h["config"].update(labels=["a", "b", "c", "d", "e", "x" * 10**5]),
        lambda h: h["config"].update(labels=["a", "b", "c", "d", "e", "line\nbreak"]),
        lambda h: h["config"].update(labels=["a", "b", "c", "d", "e", "\u202egnp.exe"]),
        lambda h: h["config"].update(labels=["a", "b", "c", "d", "e", "nul\0"]),
        lambda h: h["config"].update(labels=["a", "b", "c", "d", "e", " "]),
        lambda h: h.pop("config"),
    ],
)
def test_a_hostile_header_is_one_sentence(good, change):
    tensors, metadata = checkpoints.read_tensors(good)
    header = json.loads(metadata["affectscope"])
    change(header)
    safetensors.torch.save_file(tensors, good, {**metadata, "affectscope": json.dumps(header)})
    assert len(refused(good)) < 400


@pytest.mark.parametrize("header", ["[" * 10**5, "{", "null", "7", '{"system": "auxformer"}', "x" * (5 << 20)])
def test_a_header_that_is_no_description(good, header):
    tensors, metadata = checkpoints.read_tensors(good)
    safetensors.torch.save_file(tensors, good, {**metadata, "affectscope": header})
    refused(good)


@pytest.mark.parametrize("label", ["<img src=x onerror=alert(1)>", "**bold** [link](javascript:1)", "Freude 😀", "怒り"])
def test_a_label_may_be_any_text_that_a_line_can_hold(good, label):
    tensors, metadata = checkpoints.read_tensors(good)
    header = json.loads(metadata["affectscope"])
    header["config"]["labels"][0] = label
    safetensors.torch.save_file(tensors, good, {**metadata, "affectscope": json.dumps(header)})
    assert checkpoints.load(good).spec.labels[0] == label


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("key", ["model.main.out.weight", "model.prior"])
def test_weights_that_are_no_numbers(good, key, value):
    tensors, metadata = checkpoints.read_tensors(good)
    tensors[key].view(-1)[-1] = value
    safetensors.torch.save_file(tensors, good, metadata)
    assert "NaN or infinite" in refused(good)


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.complex64])
def test_weights_of_another_kind(good, kind):
    tensors, metadata = checkpoints.read_tensors(good)
    tensors["model.main.out.weight"] = torch.ones_like(tensors["model.main.out.weight"]).to(kind)
    safetensors.torch.save_file(tensors, good, metadata)
    assert "float32" in refused(good)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_answered_in_single(good, kind):
    tensors, metadata = checkpoints.read_tensors(good)
    safetensors.torch.save_file({k: v.to(kind) for k, v in tensors.items()}, good, metadata)
    assert {p.dtype for p in checkpoints.load(good).model.parameters()} == {torch.float32}


def test_weights_too_large_for_single_precision(good):
    tensors, metadata = checkpoints.read_tensors(good)
    tensors["model.main.out.bias"] = torch.full_like(tensors["model.main.out.bias"], 1e300, dtype=torch.float64)
    safetensors.torch.save_file(tensors, good, metadata)
    assert "infinite" in refused(good)


def test_a_shape_larger_than_the_file_is_not_allocated(tmp_path):
    path = tmp_path / "claims.safetensors"
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)
    assert "damaged" in refused(path)


@pytest.mark.parametrize("packed", [True, False])
def test_a_stretched_tensor_is_not_filled_in(tmp_path, packed):
    path = tmp_path / "stretched.pt"
    torch.save({"out_layer.weight": torch.zeros(1).expand(10**6, 10**6)}, path, _use_new_zipfile_serialization=packed)
    assert "claims" in refused(path, "auxformer-v1")


def test_many_names_of_one_tensor_are_not_filled_in(tmp_path):
    path = tmp_path / "shared.pt"
    tensor = torch.zeros(10**5)
    torch.save({f"w{i}": tensor for i in range(100)}, path)
    assert "claims" in refused(path, "auxformer-v1")


def repacked(path, method, claim=None):
    """A .pt written again with another compression, its records perhaps made of zeros without end."""
    with zipfile.ZipFile(path) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, bytes(claim) if claim and "/data/" in name else content)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_not_unpacked(tmp_path, method):
    path = tmp_path / "bomb.pt"
    torch.save({"w": torch.zeros(4)}, path)
    repacked(path, method, claim=50 << 20)
    assert path.stat().st_size < 1 << 20
    assert "no checkpoint is" in refused(path, "mult")


def test_a_zip_whose_directory_claims_more_than_it_holds(tmp_path):
    path = tmp_path / "claims.pt"
    torch.save({"w": torch.zeros(4)}, path)
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content)
    refused(path, "mult")


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "..\\escaped"])
def test_names_inside_an_archive_lead_nowhere(tmp_path, name):
    path = tmp_path / "inner" / "names.pt"
    path.parent.mkdir()
    torch.save({"w": torch.zeros(4)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"gotcha")
    refused(path, "mult")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"w": "text"}},
        {1: torch.zeros(1)},
        {("a", "b"): torch.zeros(1)},
        [torch.zeros(1)],
        torch.zeros(3),
        {"w": torch.zeros(2, 2).to_sparse()},
        {"w": torch.zeros(2, device="meta")},
        {},
    ],
    ids=str,
)
def test_what_is_no_state_dict(tmp_path, content):
    path = tmp_path / "odd.pt"
    torch.save(content, path)
    refused(path, "uavm")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02.", b"<html>", bytes(64), b"\x89PNG\r\n\x1a\n" * 9])
def test_bytes_that_are_no_checkpoint(tmp_path, suffix, content):
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(content)
    refused(path)


def test_a_program_is_not_run(tmp_path):
    path = tmp_path / "script.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    assert "never run" in refused(path, "mult")


def test_a_name_of_any_kind_stays_one_line(tmp_path):
    path = tmp_path / f"{'a' * 150}\n<b>.pt"
    path.write_bytes(b"no")
    with pytest.raises(UserError) as caught:
        checkpoints.load_foreign(path, "mult")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model.", "_orig_mod.module."])
def test_what_a_wrapper_puts_before_the_keys_is_taken_off(wrapper):
    state = {f"{wrapper}{key}": torch.zeros(1) for key in ("a.weight", "b.bias")}
    assert unwrapped(state).keys() == {"a.weight", "b.bias"}


def test_an_older_card_tells_its_training_strategy(tmp_path):
    path = tmp_path / "old.safetensors"
    checkpoints.save(path, AuxFormer(SMALL), checkpoints.Normaliser(), {"regime": "optimised"})
    assert checkpoints.load(path).card == {"strategy": "optimised"}


def test_another_kind_of_file_names_the_layouts(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(1)}, path)
    assert "auxformer-v1" in refused(path)
    assert "auxformer-v2" in refused(path, "auxformer-v2")


def test_missing_file_and_unknown_layout(tmp_path):
    refused(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="auxformer-v1"):
        checkpoints.load_foreign(tmp_path / "none.pt", "nonsense")
