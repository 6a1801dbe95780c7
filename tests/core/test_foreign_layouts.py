"""Public repositories' checkpoints by layout: folders of several files, what is asked about, and the published numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from affectscope.core.checkpoints import foreign
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.choices import Choices, answered
from affectscope.core.checkpoints.untrusted import examine
from affectscope.core.library.cards import read_card
from affectscope.core.streams import Batch
from tests import public_states as public
from tests.foreign_files import AV, V2, answer, refused, saved
from tests.reference import golden_input, golden_state, goldens, needs_shared


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    return answer(foreign.read(saved(tmp_path_factory.mktemp("plain") / "x.pt", V2)).model)


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
    assert "is one of the files of a VAVL model" in refused(tmp_path / f"final_visual_head{suffix}")
    (tmp_path / f"final_visual_head{suffix}").unlink()
    assert "lacks final_visual_head.pt of VAVL's files" in refused(tmp_path)


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


@needs_shared
def test_the_value_of_one_output_is_the_public_codes(tmp_path: Path) -> None:
    """Two clips of 20 words, 30 audio and 25 visual frames: 0.566 and 0.817."""
    found = foreign.read(saved(tmp_path / "x.pt", golden_state("mult_keys.txt", "MULTModel")))
    shapes = {"text": [2, 20, 300], "audio": [2, 30, 74], "visual": [2, 25, 35]}
    with torch.inference_mode():
        output = found.model(Batch.of(**{m: golden_input(m, shape) for m, shape in shapes.items()}))
    torch.testing.assert_close(found.model.decide(output).flatten(), torch.tensor([0.566, 0.817]), atol=5e-4, rtol=0)


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
    assert "two classes of one name" in refused(path, choices=Choices(labels=("a", "b", "c", "a")))
    assert "plain text" in refused(path, choices=Choices(labels=("a", "b", "c", "d\n")))


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
    card = read_card(tmp_path / "out.safetensors")
    assert any("5 attention heads, as the public repository has" in line for line in card.assumed)
    assert card.answered == ()
    chosen = answered({"heads": "2", "causal": "yes", "labels": "sad, glad, odd", "task": "classification"})
    assert not examine(path, tmp_path / "out.safetensors", choices=chosen).error
    kept = checkpoints.load(tmp_path / "out.safetensors")
    assert (kept.model.config.heads, kept.model.config.causal, kept.spec.labels) == (2, False, ("sad", "glad", "odd"))
    assert kept.card["assumed"] == []
    assert read_card(tmp_path / "out.safetensors").answered == (
        "Its 3 classes are called sad, glad, odd: so it was answered.",
        "2 attention heads: so it was answered.",
        "Its outputs are one of several classes: so it was answered.",
        "Frames see later ones (no causal mask): so it was answered.",
    )


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
    assert "8 wide, which the public repository's 5 attention heads do not divide" in (sentence := refused(narrow))
    assert "one of 1, 2, 4, 8" in sentence
    assert foreign.read(narrow, choices=Choices(heads=4)).model.config.heads == 4
    kernel = public.filled({**public.mult(AV, 10, 3, 1, 1), "proj_a.weight": [10, 6, 3]})
    assert "3 frames at once" in refused(saved(tmp_path / "kernel.pt", kernel))


def test_three_outputs_of_vavls_authors_are_attributes(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", public.filled(public.auxformer(10, 12, 10, 1, 3)))
    assert foreign.read(path).model.spec.labels == ("arousal", "valence", "dominance")
    assert foreign.read(path, choices=Choices(labels=("a", "b", "c"))).model.spec.task == "classification"


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
