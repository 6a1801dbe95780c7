"""Public repositories' checkpoints as people really have them: wrapped, nested, renamed, beside other things, cut off."""

from __future__ import annotations

import argparse
import collections
import datetime
import gzip
import io
import pickle
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from affectscope.core.checkpoints import foreign
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.choices import Choices
from affectscope.core.errors import UserError
from affectscope.core.files.kinds import fault_of
from affectscope.core.files.tensors import read_weights
from tests import public_states as public
from tests.foreign_files import AV, V2, answer, refused, saved


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    return answer(foreign.read(saved(tmp_path_factory.mktemp("plain") / "x.pt", V2)).model)


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "model._orig_mod.",
        "net.",
        "_fsdp_wrapped_module.",
        "_forward_module.module.",
        "module.model.net.",
        "student.encoder.",
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_whatever_stands_before_the_keys_and_beside_them(tmp_path: Path, expected: Tensor, prefix: str, zipped: bool) -> None:
    state = {f"{prefix}{k}": v for k, v in V2.items()} | {"criterion.weight": torch.ones(4), "_extra_state": None, "epoch": 3}
    found = foreign.read(saved(tmp_path / "x.pth", state, zipped))
    torch.testing.assert_close(answer(found.model), expected, atol=1e-5, rtol=0)
    assert found.layout == "auxformer-v2"
    (line,) = found.remarks
    assert all(name in line for name in ("criterion.weight", "epoch"))


def test_wrappers_in_the_middle_of_keys(tmp_path: Path, expected: Tensor) -> None:
    wrapped = {".layers.": "._fsdp_wrapped_module.layers.", ".self_attn.": "._checkpoint_wrapped_module.self_attn."}
    state = dict(V2)
    for plain, odd in wrapped.items():
        state = {k.replace(plain, odd): v for k, v in state.items()}
    torch.testing.assert_close(answer(foreign.read(saved(tmp_path / "x.pth", state)).model), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("key", ["net", "network", "weights", "model_state", "model_ema", "model.state_dict", "generator"])
def test_weights_under_any_key(tmp_path: Path, expected: Tensor, key: str) -> None:
    content = {
        key: V2,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(5000)}}},
        "epoch": torch.tensor(3),
        "criterion": {"weight": torch.ones(4)},
    }
    found = foreign.read(saved(tmp_path / "x.ckpt", content))
    torch.testing.assert_close(answer(found.model), expected, atol=1e-5, rtol=0)
    assert any("optimizer" in line for line in found.remarks)
    nested = foreign.read(saved(tmp_path / "y.ckpt", {"a": {"b": {key: V2}}}))
    torch.testing.assert_close(answer(nested.model), expected, atol=1e-5, rtol=0)


def test_of_two_weights_one_is_taken_and_the_other_can_be_chosen(tmp_path: Path, expected: Tensor) -> None:
    other = {k: v / 2 for k, v in V2.items()}
    path = saved(tmp_path / "x.pth", {"model_ema": other, "model": V2})
    found = foreign.read(path)
    torch.testing.assert_close(answer(found.model), expected, atol=1e-5, rtol=0)
    assert found.remarks[0] == "The weights under model were taken; the file has others under model_ema (--weights)."
    assert found.questions[-1].options == ("model", "model_ema")
    chosen = foreign.read(path, choices=Choices(weights="model_ema")).model
    torch.testing.assert_close(chosen.main.out.weight, found.model.main.out.weight / 2)
    assert "choose one of model_ema, model" in refused(path, choices=Choices(weights="nonsense"))


@pytest.mark.parametrize("key", ["ema_model", "avg", "exp_avg", "modelEMA", "target_net", "my_shadow", "teacher"])
def test_averages_and_what_optimisers_keep_are_not_the_weights(tmp_path: Path, expected: Tensor, key: str) -> None:
    other = {k: v / 2 for k, v in V2.items()}
    found = foreign.read(saved(tmp_path / "x.pth", {key: other, "best": V2}))
    torch.testing.assert_close(answer(found.model), expected, atol=1e-5, rtol=0)
    assert found.remarks == (f"The weights under best were taken; the file has others under {key} (--weights).",)


@pytest.mark.parametrize("content", [[V2], (V2, 3), {"models": [V2, None]}, list(V2.items()), {0: V2}, {"folds": {1: V2}}])
def test_weights_in_lists_and_under_numbers(tmp_path: Path, expected: Tensor, content: object) -> None:
    torch.testing.assert_close(answer(foreign.read(saved(tmp_path / "x.pth", content)).model), expected, atol=1e-5, rtol=0)


def test_half_precision_is_said(tmp_path: Path, expected: Tensor) -> None:
    found = foreign.read(saved(tmp_path / "x.pth", {k: v.half() for k, v in V2.items()}))
    torch.testing.assert_close(answer(found.model), expected, atol=0.05, rtol=0)
    assert found.remarks == ("Its weights are kept in float16, and used in float32.",)


@pytest.mark.parametrize("place", ["cuda:0", "mps", "xla:1", "npu:0"])
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_a_device_that_is_not_here(tmp_path: Path, expected: Tensor, place: str, zipped: bool) -> None:
    def pickled(text: str) -> bytes:
        return b"X" + len(text).to_bytes(4, "little") + text.encode()

    path = saved(tmp_path / "x.pth", V2, zipped)
    content = path.read_bytes().replace(pickled("cpu"), pickled(place))
    if zipped:
        out = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                new.writestr(name, old.read(name).replace(pickled("cpu"), pickled(place)))
        content = out.getvalue()
    path.write_bytes(content)
    torch.testing.assert_close(answer(foreign.read(path).model), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["x.ckpt", "x.pth.tar", "x.bin", "x.PTH", "x.safetensors", "x", "x.csv"])
def test_content_decides_and_not_the_ending(tmp_path: Path, expected: Tensor, name: str) -> None:
    for zipped in (True, False):
        torch.testing.assert_close(answer(foreign.read(saved(tmp_path / name, V2, zipped)).model), expected, atol=1e-5, rtol=0)
    ours = tmp_path / "ours.safetensors"
    checkpoints.save(ours, foreign.read(tmp_path / name).model, checkpoints.Normaliser(), {})
    ours.rename(tmp_path / name)
    torch.testing.assert_close(answer(checkpoints.load(tmp_path / name).model), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "beside",
    [np.float64(0.7), np.float32(1), np.int64(3), np.bool_(True), np.arange(6.0), np.arange(6).reshape(2, 3).T, np.array(["a"]),
     np.array([{"a": 1}], dtype=object), np.random.RandomState(1).get_state()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_numpy_beside_the_weights_is_let_in(tmp_path: Path, expected: Tensor, zipped: bool, beside: object) -> None:
    path = saved(tmp_path / "x.pth", {"state_dict": V2, "best": beside}, zipped)
    torch.testing.assert_close(answer(foreign.read(path).model), expected, atol=1e-5, rtol=0)


def test_weights_that_are_numpy_arrays(tmp_path: Path, expected: Tensor) -> None:
    arrays = {k: np.asfortranarray(v.numpy()) for k, v in V2.items()}
    torch.testing.assert_close(answer(foreign.read(saved(tmp_path / "x.pth", arrays)).model), expected, atol=1e-5, rtol=0)


def test_a_numpy_state_that_does_not_go_with_its_bytes_is_no_array(tmp_path: Path) -> None:
    content = io.BytesIO()
    torch.save({"w": np.arange(12.0), "a": torch.ones(2)}, content)
    for shape in (b"K\x0d", b"K\x00", b"J\xff\xff\xff\x7f"):
        path = tmp_path / "x.pth"
        path.write_bytes(content.getvalue().replace(b"K\x0c\x85", shape + b"\x85", 1))
        with suppress(UserError):
            assert "w" not in read_weights(path)[0].state


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("beside", "named"),
    [
        (argparse.Namespace(lr=1), "argparse.Namespace"),
        (Path("/a"), "pathlib."),
        (collections.defaultdict(list), "collections.defaultdict"),
        (datetime.datetime(2026, 1, 1), "datetime.datetime"),
        (np.random.default_rng(1), "numpy.random"),
    ],
)
def test_anything_else_is_named_with_the_lines_that_strip_it(tmp_path: Path, zipped: bool, beside: object, named: str) -> None:
    sentence = refused(saved(tmp_path / "x.pth", {"state_dict": V2, "beside": beside}, zipped))
    assert named in sentence
    assert "torch.load('x.pth', weights_only=False)" in sentence
    assert "torch.save(content['state_dict'], 'weights.pt')" in sentence


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        (range(3), "xrange"),
        (frozenset({1}), "frozenset"),
        (torch.optim.SGD([nn.Parameter(torch.ones(1))]), "torch.optim.sgd.SGD"),
        (nn.CrossEntropyLoss(), "torch.nn.modules.loss.CrossEntropyLoss"),
    ],
)
def test_plain_types_and_torchs_own_are_no_code(tmp_path: Path, beside: object, named: str) -> None:
    sentence = refused(saved(tmp_path / "x.pth", {"state_dict": V2, "beside": beside}))
    assert named in sentence
    assert "content['state_dict']" in sentence
    assert "whole module" not in sentence


def test_a_whole_module_has_the_lines_that_take_its_weights(tmp_path: Path) -> None:
    sentence = refused(saved(tmp_path / "x.pth", nn.Sequential(nn.Linear(2, 2))))
    assert "whole module (torch.nn.modules.container.Sequential)" in sentence
    assert "torch.save(model.state_dict(), 'weights.pt')" in sentence


class Calls:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("call", [exec, eval, open, torch.load, __import__("os").system, __import__("subprocess").call])
def test_code_is_named_and_no_way_to_run_it_is_offered(tmp_path: Path, call) -> None:
    sentence = refused(saved(tmp_path / "x.pth", {"state_dict": V2, "beside": Calls(call, "1")}))
    assert "never run" in sentence
    assert call.__name__ in sentence
    assert "weights_only" not in sentence


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n", "Git LFS"),
        (b"\n\n<!DOCTYPE html><html>", "web page"),
        (b"<HTML><title>Sign in</title>", "web page"),
        (b"Entry not found", "text"),
        (b'{"error": "gated"}', "text"),
    ],
)
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x.bin"])
def test_what_a_download_left_instead(tmp_path: Path, content: bytes, message: str, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    sentence = refused(tmp_path / name)
    assert message in sentence
    assert "download it again" in sentence


def numpys(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.ones(2))


def plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": np.ones(2)}))


def traced(path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), path)


def packed(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", b"PK")


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("x.pth"))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (numpys, "torch.save(dict(numpy.load('x.pth')), 'weights.pt')"),
        (plain_pickle, "pickle.load(open('x.pth', 'rb'))"),
        (traced, "TorchScript"),
        (packed, "unpack it"),
        (tarred, "tar archive: unpack it"),
        (lambda path: path.write_bytes(gzip.compress(b"x")), "gzip: unpack it"),
        (lambda path: path.write_bytes(b"sys_info\0" + bytes(1000)), "PyTorch before 0.2"),
        (lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch\x1a\x051.0"), "ONNX"),
        (lambda path: path.write_bytes(b'{"metadata": {}, "weight_map": {}}'), "name the folder"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "HDF5"),
        (lambda path: path.symlink_to(path), "a link that leads to no file"),
        (lambda path: path.symlink_to(path.parent / "gone"), "a link that leads to no file"),
        (lambda path: path.mkdir(), "holds no file with weights"),
        (lambda path: saved(path, 7), "holds no state_dict"),
        (lambda path: saved(path, list(V2.values())), "holds no state_dict"),
        (lambda path: saved(path, {k: v.to("meta") for k, v in V2.items()}), "without plain numbers"),
        (lambda path: saved(path, {k: v.to_sparse() for k, v in V2.items()}), "without plain numbers"),
        (lambda path: saved(path, {k: (9 * v).to(torch.int8) for k, v in V2.items()}), "float32"),
        (lambda path: saved(path, {k: torch.zeros(()).expand(v.shape) for k, v in V2.items()}), "larger tensors than it holds"),
    ],
)
def test_what_is_no_checkpoint_is_told_by_what_it_is(tmp_path: Path, write, message: str) -> None:
    write(tmp_path / "x.pth")
    assert message in refused(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "empty", [public.mult(AV, 10, 0, 1, 1), public.mult({"a": 0, "v": 5}, 10, 1, 1, 1), public.auxformer(10, 0, 10, 1, 4)]
)
def test_a_model_without_inputs_or_outputs_is_no_model(tmp_path: Path, empty: dict[str, list[int]]) -> None:
    state = {k: torch.zeros(shape) if 0 in shape else public.filled({k: shape})[k] for k, shape in empty.items()}
    sentence = refused(saved(tmp_path / "x.pth", state))
    assert "no outputs" in sentence or "less than 1" in sentence


def shards(folder: Path, ending: str = "bin", count: int = 3) -> None:
    keys = sorted(V2)
    for i in range(count):
        part = {k: V2[k] for k in keys[i::count]}
        path = folder / f"model-{i + 1:05}-of-{count:05}.{ending}"
        safetensors.torch.save_file(part, path) if ending == "safetensors" else saved(path, part)
    (folder / f"model.{ending}.index.json").write_text('{"metadata": {}, "weight_map": {}}')


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_a_model_in_several_files(tmp_path: Path, expected: Tensor, ending: str) -> None:
    shards(tmp_path, ending)
    torch.testing.assert_close(answer(foreign.read(tmp_path).model), expected, atol=1e-5, rtol=0)
    assert "is file 2 of 3 of a model: name their folder" in refused(tmp_path / f"model-00002-of-00003.{ending}")
    (tmp_path / f"model-00002-of-00003.{ending}").unlink()
    assert "lacks file 2 of the 3" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "joins"), [("__0_0.distcp", "dcp_to_torch"), ("zero_pp_rank_0_mp_rank_00_optim_states.pt", "zero_to_fp32.py")]
)
def test_a_folder_of_parts_names_what_joins_them(tmp_path: Path, name: str, joins: str) -> None:
    saved(tmp_path / name, V2)
    assert joins in refused(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_download_that_was_cut_off(tmp_path: Path, zipped: bool, kept: float) -> None:
    path = saved(tmp_path / "x.pth", V2, zipped)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert "download it again" in refused(path)


def in_parts(change: object) -> dict[str, Tensor]:
    """The weights with one layer's as a wrapper of PyTorch's keeps it."""
    out = torch.nn.Linear(V2["out_layer.weight"].shape[1], len(V2["out_layer.weight"]))
    out.load_state_dict({"weight": V2["out_layer.weight"], "bias": V2["out_layer.bias"]})
    change(out)  # type: ignore[operator]
    rest = {k: v for k, v in V2.items() if not k.startswith("out_layer.")}
    return rest | {f"out_layer.{k}": v.detach() for k, v in out.state_dict().items()}


@pytest.mark.parametrize(
    "change",
    [
        torch.nn.utils.weight_norm,
        torch.nn.utils.parametrizations.weight_norm,
        lambda layer: prune.l1_unstructured(layer, "weight", amount=1),
        lambda layer: torch.nn.utils.spectral_norm(layer, n_power_iterations=50).eval(),
        lambda layer: torch.nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=50).eval(),
    ],
)
def test_weights_in_parts_are_joined(tmp_path: Path, change) -> None:
    state = in_parts(change)
    layer = torch.nn.Linear(V2["out_layer.weight"].shape[1], len(V2["out_layer.weight"]))
    layer.load_state_dict({"weight": V2["out_layer.weight"], "bias": V2["out_layer.bias"]})
    change(layer)
    layer.load_state_dict({k.removeprefix("out_layer."): v for k, v in state.items() if k.startswith("out_layer.")})
    layer(torch.ones(1, layer.in_features))
    found = foreign.read(saved(tmp_path / "x.pth", {f"module.{k}": v for k, v in state.items()})).model
    torch.testing.assert_close(found.main.out.weight, layer.weight, atol=1e-6, rtol=1e-5)


def test_adapters_are_merged_by_who_knows_their_scale(tmp_path: Path) -> None:
    state = {**V2, "out_layer.lora_A.default.weight": torch.ones(4, 100), "out_layer.lora_B.default.weight": torch.ones(6, 4)}
    message = refused(saved(tmp_path / "x.pth", {"model": {f"base_model.model.{k}": v for k, v in state.items()}}))
    assert "adapters (LoRA)" in message
    assert "merge_and_unload" in message


def test_parts_that_nobody_can_join_are_named(tmp_path: Path) -> None:
    state = in_parts(torch.nn.utils.parametrizations.orthogonal)
    assert "keeps out_layer in parts" in refused(saved(tmp_path / "x.pth", state))


@pytest.mark.parametrize(
    "text", ["clip,label,anger\na,anger,0.5\n", "clip;anger;joy\na;0,5;0,5\n", "clip\tanger\nx\t0.1\n", "PAR1\x15\x04\x15"]
)
def test_a_table_is_sent_where_tables_are_read(text: str) -> None:
    assert "import-predictions" in fault_of(text.encode())
    assert "import-predictions" not in fault_of(b"Not found, sorry.\nTry again, later, please.\n")
    assert "import-predictions" not in fault_of(b'{"a": 1, "b": 2}\n{"a": 1, "b": 2}\n')
