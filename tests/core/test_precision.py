"""bfloat16: refused where a machine would imitate it, and elsewhere a change in the third digit that is said."""

from __future__ import annotations

import pickle
import re

import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.evaluation.sweep import sweep
from affectscope.core.inference import precision
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS
from tests.rewrites.made import batch_of, made_clips, small


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A processor with these flags."""

    def with_flags(*flags: str) -> None:
        (tmp_path / "cpuinfo").write_text(f"model name : made up\nflags : fpu {' '.join(flags)}\n")
        monkeypatch.setattr(precision, "_CPU", tmp_path / "cpuinfo")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    return with_flags


@pytest.mark.parametrize(("flags", "there"), [(("avx2",), False), (("avx512_bf16",), True), (("amx_bf16", "amx_tile"), True)])
def test_a_processor_says_whether_it_multiplies_bfloat16(machine, flags, there):
    machine(*flags)
    assert precision.has_bf16() is there
    if there:
        assert (precision.check("bf16"), precision.of_training("bf16")) == ("bf16", "bf16-mixed")
        return
    for refused in (precision.check, precision.of_training):
        with pytest.raises(UserError, match=r"no bfloat16 arithmetic.*leave out --precision bf16"):
            refused("bf16")


def test_other_precisions_are_named(machine):
    machine()
    assert (precision.check("fp32"), precision.of_training("fp32"), precision.of_training("16-mixed")) == (
        "fp32",
        "32-true",
        "16-mixed",
    )
    with pytest.raises(UserError, match="choose fp32 or bf16"):
        precision.check("fp8")


def test_a_gpu_is_not_asked_about_by_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not precision.has_bf16("cuda:0")


@pytest.mark.parametrize("system", list(MODELS))
def test_answers_stay_float32_and_near(system):
    model = MODELS[system].preset("demo").eval() if system == "double-attention" else small(system)
    if system == "double-attention":
        pytest.skip("pixels take seconds in an imitated precision")
    clips = made_clips(((6, 6),) * 3, {"audio": ((1,), (), ()), "visual": ((), (2,), ())})
    batch = batch_of(clips)
    with torch.inference_mode():
        exact = model(batch, attention=True)
        model.precision = "bf16"
        near = model(batch, attention=True)
    for found, expected in ((near.predictions, exact.predictions), (near.embeddings, exact.embeddings)):
        for name, value in found.items():
            assert value.dtype == torch.float32
            scale = float(expected[name].abs().max())
            torch.testing.assert_close(value, expected[name], atol=0.1 * scale, rtol=0)
    assert all(attention.weights.dtype == torch.float32 for attention in near.attention)
    assert any(not torch.equal(near.predictions[head], exact.predictions[head]) for head in exact.predictions)
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_it_goes_where_the_model_goes_and_a_sweep_is_asked_in_it(monkeypatch):
    model = small("crossmodal")
    model.precision = "bf16"
    assert pickle.loads(pickle.dumps(model)).precision == "bf16"  # noqa: S301
    seen = set()
    forward = type(model).forward

    def noted(self, batch, attention=False):
        seen.add(torch.is_autocast_enabled("cpu"))
        return forward(self, batch, attention)

    monkeypatch.setattr(type(model), "forward", noted)
    clips = [(batch_of(made_clips()), torch.tensor([0, 1, 2, 3]))]
    table = sweep(model, clips, ["audio"], [0.0, 0.5], draws=2)
    assert seen == {True}
    assert table["accuracy"].between(0, 1).all()


def test_what_changes_is_said_with_its_size():
    model = small("crossmodal")
    batch, target = batch_of(made_clips()), torch.tensor([0, 1, 2, 3])
    sentence = precision.change(model, [(batch, target)] * 20)
    with torch.inference_mode():
        exact = model.decide(model(batch))
        model.precision = "bf16"
        most = float((model.decide(model(batch)) - exact).abs().max())
    assert most > 0
    # 64 clips are enough, 16 batches of four.
    assert re.fullmatch(
        rf"In bfloat16 the logits of the first 64 clips differ by {most:.2g} at most from those in float32; \d+ of the answers "
        r"change\.", sentence
    ), sentence  # fmt: skip
    assert model.precision == "bf16"
    attributes = precision.change(small("affect-transformer", "paper", width=12, heads=3, layers=1), [(batch, target)])
    assert attributes.startswith("In bfloat16 the values of the first 4 clips")
    assert "answers" not in attributes
