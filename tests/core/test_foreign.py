# ruff: noqa: E501
"""Public repositories' checkpoints as people really have them: wrapped, nested, renamed, beside other things, cut off."""

from __future__ import annotations

import argparse
import collections
import datetime
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core import checkpoints, foreign, guard
from core.admit import examine
from core.cards import read_card
from core.choices import Choices, answered
from core.errors import UserError
from core.models.auxformer import AuxFormer, AuxFormerConfig
from core.models.mult import MulT
from core.streams import Batch
from core.tensorfiles import read_weights
from tests import public_states as public
from tests.reference import SHARED, golden_input, golden_state, goldens, needs_shared

V2 = public.filled(public.auxformer(10, 12, 10, layers=1, classes=4))
AV = {"a": 6, "v": 5}


def saved(path: Path, content: object, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def answer(model: nn.Module, seed: int = 0) -> Tensor:
    make = torch.Generator().manual_seed(seed)
    inputs = {m: torch.randn(2, 7, dim, generator=make) for m, dim in model.spec.inputs.items()}
    with torch.inference_mode():
        return torch.cat([model(Batch.of(**inputs)).predictions[head] for head in model.spec.heads], 1)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    return answer(foreign.read(saved(tmp_path_factory.mktemp("plain") / "x.pt", V2)).model)


def refused(path: Path, layout: str = "", choices: Choices | None = None) -> str:
    with pytest.raises(UserError) as caught:
        foreign.read(path, layout, choices or Choices())
    sentence = str(caught.value)
    assert sentence.startswith(path.name)
    assert sentence.endswith(".")
    assert sentence.isprintable()
    return sentence


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
    state = {k.replace(".layers.", "._fsdp_wrapped_module.layers.").replace(".self_attn.", "._checkpoint_wrapped_module.self_attn."): v
             for k, v in V2.items()}  # fmt: skip
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
        found, said = {}, "damaged"
        try:
            found = read_weights(path)[0].state
        except UserError as error:
            said = str(error)
        assert "w" not in found
        assert "damaged" in said


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
    ("content", "said"),
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
def test_what_a_download_left_instead(tmp_path: Path, content: bytes, said: str, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    sentence = refused(tmp_path / name)
    assert said in sentence
    assert "download it again" in sentence


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_download_that_was_cut_off(tmp_path: Path, zipped: bool, kept: float) -> None:
    path = saved(tmp_path / "x.pth", V2, zipped)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert "download it again" in refused(path)


def vavl_files(folder: Path, suffix: str = ".pt", without: tuple[str, ...] = ()) -> None:
    for name in foreign.VAVL_FILES:
        if name not in without:
            state = {k: v for k, v in golden_state("vavl_keys.txt", name).items() if not k.endswith(".pe")}
            torch.save({f"module.{k}": v for k, v in state.items()}, folder / name.replace(".pt", suffix))


@needs_shared
@pytest.mark.parametrize(
    ("suffix", "without"), [(".pth", ()), (".pt", ("MLP_av_head.pt",)), (".pt", ("MLP_rec_a_head.pt", "MLP_rec_v_head.pt"))]
)
def test_a_folder_of_vavl_in_its_variants(tmp_path: Path, suffix: str, without: tuple[str, ...]) -> None:
    vavl_files(tmp_path, suffix, without)
    torch.save({"wav2vec2.x": torch.ones(2)}, tmp_path / "final_wav2vec.pt")
    (tmp_path / "train_norm_stat.pkl").write_bytes(b"\x80\x02cos\nsystem\n.")
    found = foreign.read(tmp_path)
    assert found.layout == "vavl"
    assert "final_wav2vec.pt" in found.remarks[0]
    assert found.model.config.reconstruct == (len(without) < 2)


def test_auxformers_own_folder(tmp_path: Path, expected: Tensor) -> None:
    saved(tmp_path / "final_head.pt", V2)
    saved(tmp_path / "final_model.pt", {"wav2vec2.encoder.layers.0.weight": torch.ones(3, 3)})
    found = foreign.read(tmp_path)
    torch.testing.assert_close(answer(found.model), expected, atol=1e-5, rtol=0)
    assert "final_model.pt" in found.remarks[-1]
    saved(tmp_path / "best_head.pt", V2)
    assert "choose one of its files (best_head.pt, final_head.pt)" in refused(tmp_path)


def test_one_output_is_a_value(tmp_path: Path) -> None:
    found = foreign.read(saved(tmp_path / "x.pt", public.filled(public.mult(AV, 10, 1, 1, 1))))
    assert (found.model.spec.task, found.model.spec.labels) == ("regression", ("sentiment",))
    assert any("5 attention heads" in line for line in found.assumed)
    assert any("causal" in line for line in found.assumed)
    assert "one output" in refused(tmp_path / "x.pt", choices=Choices(task="classification"))


def test_four_pairs_of_outputs_are_four_answers(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", public.filled(public.mult(AV, 10, 8, 1, 1)))
    model = foreign.read(path).model
    assert model.spec.heads == ("neutral", "happiness", "sadness", "anger")
    assert model.spec.labels == ("no", "yes")
    whole = foreign.read(path, choices=Choices(task="classification")).model
    assert len(whole.spec.labels) == 8
    # Answer i is outputs 2 i and 2 i + 1 of the public code.
    torch.testing.assert_close(answer(model), answer(whole), atol=1e-5, rtol=0)
    named = foreign.read(path, choices=Choices(labels=("a", "b", "c", "d"))).model
    assert named.spec.heads == ("a", "b", "c", "d")
    assert "4 questions, and 3 names" in refused(path, choices=Choices(labels=("a", "b", "c")))


def test_heads_and_mask_are_asked_for_and_stand_on_the_card(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", public.filled(public.mult(AV, 10, 3, 1, 1)))
    asked = examine(path, tmp_path / "out.safetensors", choices=None)
    assert asked.asked
    assert not (tmp_path / "out.safetensors").exists()
    told = {question.field: (question.default, question.options) for question in asked.questions}
    assert told["heads"] == ("5", ("1", "2", "5", "10"))
    assert told["causal"] == ("no", ("no", "yes"))
    assert told["labels"] == ("class 0, class 1, class 2", ())
    assert not examine(path, tmp_path / "out.safetensors").error
    assert any(
        "5 attention heads, as the public repository has" in line for line in read_card(tmp_path / "out.safetensors").assumed
    )
    chosen = answered({"heads": "2", "causal": "yes", "labels": "sad, glad, odd", "task": "classification"})
    assert not examine(path, tmp_path / "out.safetensors", choices=chosen).error
    kept = checkpoints.load(tmp_path / "out.safetensors")
    assert (kept.model.config.heads, kept.model.config.causal, kept.spec.labels) == (2, False, ("sad", "glad", "odd"))
    assert kept.card["assumed"] == []


def test_the_mask_decides_who_sees_whom(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", public.filled(public.mult(AV, 10, 3, 1, 1)))
    maps = {}
    for causal in (True, False):
        model = foreign.read(path, choices=Choices(causal=causal)).model
        output = model(Batch.of(audio=torch.randn(1, 6, 6), visual=torch.randn(1, 6, 5)), attention=True)
        maps[causal] = output.attention[0].weights[0, 0]
    assert float(maps[True].triu(1).detach().abs().max()) == 0
    assert float(maps[False].triu(1).detach().abs().max()) > 0


def test_what_cannot_be_is_one_true_sentence(tmp_path: Path) -> None:
    narrow = saved(tmp_path / "narrow.pt", public.filled(public.mult(AV, 8, 3, 1, 1)))
    assert "8 wide" in (said := refused(narrow))
    assert "one of 1, 2, 4, 8" in said
    assert foreign.read(narrow, choices=Choices(heads=4)).model.config.heads == 4
    kernel = public.filled({**public.mult(AV, 10, 3, 1, 1), "proj_a.weight": [10, 6, 3]})
    assert "3 frames at once" in refused(saved(tmp_path / "kernel.pt", kernel))


def test_three_outputs_of_vavls_authors_are_attributes(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", public.filled(public.auxformer(10, 12, 10, 1, 3)))
    assert foreign.read(path).model.spec.labels == ("arousal", "valence", "dominance")
    assert foreign.read(path, choices=Choices(labels=("a", "b", "c"))).model.spec.task == "classification"


def sfav_by_hand(state: dict[str, Tensor], fusion: str, audio: Tensor, visual: Tensor) -> Tensor:
    """The public code from its face network's features on, written down anew: audio [B, Ta, 10], visual [B, Tv, 1024]."""

    def block(x: Tensor, name: str, pool: bool) -> Tensor:
        x = F.conv1d(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"], padding=0 if pool else 1)
        x = F.batch_norm(x, *(state[f"{name}.1.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))
        return F.max_pool1d(F.relu(x), 2, 1) if pool else F.relu(x)

    def stage(x: dict[str, Tensor], numbers: tuple[int, int]) -> dict[str, Tensor]:
        for i in numbers:
            x = {m: block(v, f"{m}_model.conv1d_{i}", m == "audio") for m, v in x.items()}
        return x

    def attention(name: str, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        q = query @ state[f"{name}.q.weight"].T
        k, v = (key @ state[f"{name}.kv.weight"].T).chunk(2, -1)
        weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        return weights, F.linear(weights @ v, state[f"{name}.proj.weight"], state[f"{name}.proj.bias"])

    def fused(name: str, query: Tensor, key: Tensor) -> Tensor:
        def norm(x: Tensor, kind: str) -> Tensor:
            return F.layer_norm(x, x.shape[-1:], state[f"{name}.{kind}.weight"], state[f"{name}.{kind}.bias"])

        h = attention(f"{name}.attn", norm(query, "norm1_q"), norm(key, "norm1_k"))[1]
        inner = F.gelu(F.linear(norm(h, "norm2"), state[f"{name}.mlp.fc1.weight"], state[f"{name}.mlp.fc1.bias"]))
        return h + F.linear(inner, state[f"{name}.mlp.fc2.weight"], state[f"{name}.mlp.fc2.bias"])

    x = stage({"audio": audio.transpose(1, 2), "visual": visual.transpose(1, 2)}, (0, 1))
    if fusion == "lt":
        x = stage(x, (2, 3))
    a, v = x["audio"].transpose(1, 2), x["visual"].transpose(1, 2)
    if fusion == "lt":
        pooled = [fused("av", a, v).mean(1), fused("va", v, a).mean(1)]
        return F.linear(torch.cat(pooled, 1), state["classifier_1.0.weight"], state["classifier_1.0.bias"])
    if fusion == "it":
        x = {"audio": x["audio"] + fused("av1", a, v).transpose(1, 2), "visual": x["visual"] + fused("va1", v, a).transpose(1, 2)}
    else:
        gate_v, gate_a = attention("av1", a, v)[0].sum(1), attention("va1", v, a)[0].sum(1)
        x = {"audio": x["audio"] * gate_a[:, None], "visual": x["visual"] * gate_v[:, None]}
    x = stage(x, (2, 3))
    return F.linear(
        torch.cat([x["audio"].mean(-1), x["visual"].mean(-1)], 1), state["classifier_1.0.weight"], state["classifier_1.0.bias"]
    )


@pytest.mark.parametrize("fusion", ["ia", "it", "lt"])
def test_sfav_as_its_trainer_saves_it(tmp_path: Path, fusion: str) -> None:
    state = public.filled(public.sfav(fusion, audio=10, visual=16))
    content = {"epoch": 9, "arch": "multimodalcnn", "state_dict": {f"module.{k}": v for k, v in state.items()}, "best_prec1": torch.tensor(71.0),
               "optimizer": {"state": {}, "param_groups": []}}  # fmt: skip
    found = foreign.read(saved(tmp_path / "x.pth", content))
    assert found.layout == "sfav"
    assert found.model.spec.labels[1] == "calm"
    assert any("EfficientFace" in line for line in found.remarks)
    make = torch.Generator().manual_seed(1)
    audio, visual = torch.randn(2, 20, 10, generator=make), torch.randn(2, 15, 16, generator=make)
    with torch.inference_mode():
        output = found.model(Batch.of(audio=audio, visual=visual), attention=True)
    torch.testing.assert_close(output.predictions["av"], sfav_by_hand(state, fusion, audio, visual), atol=1e-5, rtol=1e-5)
    shapes = {(a.query, tuple(a.weights.shape)) for a in output.attention}
    assert shapes == {("audio", (2, 1, 20, 15)), ("visual", (2, 1, 15, 20))}
    for one in output.attention:
        torch.testing.assert_close(one.weights.sum(-1), torch.ones(one.weights.shape[:-1]))


@needs_shared
@pytest.mark.parametrize("fusion", ["ia", "it", "lt"])
def test_sfavs_published_keys(tmp_path: Path, fusion: str) -> None:
    state = golden_state(f"sfav_{fusion}_keys.txt", "MultiModalCNN")
    found = foreign.read(saved(tmp_path / "x.pth", {"state_dict": {f"module.{k}": v for k, v in state.items()}}))
    assert (found.model.config.fusion, found.model.spec.inputs) == (fusion, {"audio": 10, "visual": 1024})


def test_uavm_as_its_trainer_saves_it(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "best_audio_model.pth", {f"module.{k}": v for k, v in public.filled(public.uavm()).items()}, zipped=False
    )
    report = examine(path, tmp_path / "out.safetensors")
    assert (report.error, report.layout) == ("", "uavm")
    assert checkpoints.load(tmp_path / "out.safetensors").spec.inputs == {"audio": 8, "visual": 12}


@needs_shared
def test_the_shapes_made_here_are_the_published_ones() -> None:
    def kept(state: dict[str, Tensor]) -> dict[str, list[int]]:
        return {k: list(v.shape) for k, v in state.items() if not k.endswith(("_float_tensor", "num_batches_tracked"))}

    assert kept(golden_state("auxformer_v2_keys.txt", "AVmodel")) == public.auxformer()
    assert kept(golden_state("mult_keys.txt", "MULTModel")) == public.mult({"l": 300, "a": 74, "v": 35})
    assert kept(golden_state("uavm_keys.txt", "UnifiedTrans")) == public.uavm(1024, 1408, 1024, 3, 6)
    for fusion in ("ia", "it", "lt"):
        published = kept(golden_state(f"sfav_{fusion}_keys.txt", "MultiModalCNN"))
        own = {k: v for k, v in published.items() if not k.startswith("visual_model.") or ".conv1d_" in k or ".classifier" in k}
        assert {**own, "visual_model.conv1.0.weight": [29, 3, 3, 3]} == public.sfav(fusion)


@needs_shared
def test_the_golden_numbers_through_every_wrapping(tmp_path: Path) -> None:
    golden = goldens()["auxformer-v2"]
    state = golden_state("auxformer_v2_keys.txt", "AVmodel")
    content = {"epoch": 3, "best": np.float64(0.6), "net": {f"model._orig_mod.module.{k}": v for k, v in state.items()}}
    report = examine(saved(tmp_path / "x.pth.tar", content), tmp_path / "out.safetensors")
    assert not report.error
    model = checkpoints.load(tmp_path / "out.safetensors").model
    output = model(Batch.of(**{m: golden_input(m, golden[m]) for m in ("audio", "visual")})).predictions
    for head, key in (("av", "av"), ("audio", "audio_head"), ("visual", "visual_head")):
        torch.testing.assert_close(output[head], torch.tensor(golden[key]), atol=1e-5, rtol=0)


SMALL = AuxFormerConfig(audio_dim=6, visual_dim=9, width=8, heads=2, layers=1, aux_hidden=(12, 10))


@pytest.mark.parametrize("value", [0, -1, -8, 3, 10**7, 10**30, 2.5, 8.0, True, "8", [8], None, {}])
@pytest.mark.parametrize("field", ["heads", "width", "layers", "audio_dim"])
def test_a_size_that_no_model_has_is_named(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "x.safetensors"
    checkpoints.save(path, AuxFormer(SMALL), checkpoints.Normaliser(), {})
    tensors, metadata = checkpoints.read_tensors(path)
    header = json.loads(metadata["affectscope"])
    header["config"][field] = value
    checkpoints.safetensors.torch.save_file(tensors, path, {**metadata, "affectscope": json.dumps(header)})
    report = examine(path, tmp_path / "out.safetensors")
    assert report.error.startswith("x.safetensors")
    assert report.error.isprintable()
    assert "cannot be read" not in report.error
    assert not (tmp_path / "out.safetensors").exists()


def test_weights_that_answer_with_nan_are_refused(tmp_path: Path) -> None:
    model = AuxFormer(SMALL)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1e30)
    path = tmp_path / "x.safetensors"
    checkpoints.save(path, model, checkpoints.Normaliser(), {})
    assert "answers with NaN or infinite numbers" in examine(path, tmp_path / "out.safetensors").error
    state = {k: v * 1e30 for k, v in V2.items()}
    assert "answers with NaN" in refused(saved(tmp_path / "y.pth", state))


@pytest.mark.skipif(not (SHARED / "cases").is_dir(), reason="the shared cases are not here")
def test_the_case_of_a_config_that_cannot_run(tmp_path: Path) -> None:
    report = examine(SHARED / "cases" / "checkpoints" / "04-cfgkind.safetensors", tmp_path / "out.safetensors")
    assert "its config has heads = -1" in report.error


def test_what_is_tried_in_the_process_that_reads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    code = (
        "import os, sys, socket\nfrom pathlib import Path\nfrom core import guard\n"
        f"guard.confine([Path({str(tmp_path / 'in')!r})], [Path({str(tmp_path / 'out')!r})])\n"
        "def refused(call):\n    try:\n        call()\n    except PermissionError:\n        return True\n"
        f"os.makedirs({str(tmp_path / 'out')!r})\n"
        f"open({str(tmp_path / 'out' / 'mine')!r}, 'w').close()\n"
        f"assert refused(lambda: open({str(tmp_path / 'other')!r}, 'w'))\n"
        f"assert refused(lambda: open({str(tmp_path / 'in' / 'x')!r}, 'w'))\n"
        "assert refused(lambda: open('/etc/passwd'))\n"
        "assert refused(lambda: os.system('true'))\n"
        "assert refused(lambda: os.fork())\n"
        "assert refused(lambda: os.execv('/bin/true', ['true']))\n"
        "assert refused(lambda: socket.create_connection(('127.0.0.1', 9)))\n"
        f"assert refused(lambda: os.remove({str(tmp_path / 'in')!r}))\n"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], cwd=guard.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_converted_in_a_terminal(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from core.cli import app

    path = saved(tmp_path / "x.pth", public.filled(public.mult(AV, 10, 2, 1, 1)))
    out = tmp_path / "new" / "out.safetensors"
    asked = [
        "convert",
        str(path),
        "--layout",
        "mult",
        "--labels",
        "no, yes",
        "--heads",
        "2",
        "--no-causal",
        "-o",
        str(out),
        "--json",
    ]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    kept = checkpoints.load(out)
    assert isinstance(kept.model, MulT)
    assert (kept.spec.labels, kept.model.config.heads, kept.model.config.causal) == (("no", "yes"), 2, False)
    wrong = CliRunner().invoke(app, [*asked[:4], "--labels", "a", "-o", str(out)])
    assert isinstance(wrong.exception, UserError)
    assert checkpoints.load(out).spec.labels == ("no", "yes")
