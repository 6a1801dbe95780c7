import math

import pytest
import torch

from core.models.auxformer import AuxFormer
from core.models.uavm import UAVM
from core.models.vavl import VAVL
from core.streams import Batch
from core.training.regimes import REGIMES, ModalityDropout, OneModality, Optimised, VersatileTraining

SIZES = {"audio_dim": 3, "visual_dim": 4}


def batch(rows: int = 12) -> Batch:
    make = torch.Generator().manual_seed(0)
    return Batch.of(audio=torch.randn(rows, 9, 3, generator=make), visual=torch.randn(rows, 7, 4, generator=make))


def moved(model: torch.nn.Module, regime, stage: str, given: Batch, target: torch.Tensor) -> set[str]:
    """The top-level parts that a stage gives gradients and moves."""
    model.zero_grad()
    loss = regime.loss(model, given, target, stage)
    if loss.requires_grad:
        loss.backward()
    return {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0 and regime.trains(stage, n)}


def test_versatile_training_moves_what_algorithm_1_says():
    torch.manual_seed(0)
    model, regime = VAVL.preset("demo", **SIZES).train(), VersatileTraining()
    target = torch.arange(12) % 6
    audio = moved(model, regime, "audio", batch(), target)
    assert {n.split(".")[0] for n in audio} == {"project", "own", "shared", "predict", "rebuild"}
    assert not any("visual" in n or ".av." in n for n in audio)
    visual = moved(model, regime, "visual", batch(), target)
    assert {n.replace("visual", "audio") for n in visual} == audio
    both = moved(model, regime, "av", batch(), target)
    assert both
    assert all(n.startswith("predict.av.") for n in both)


def test_versatile_training_takes_clips_with_one_modality():
    model, regime, target = VAVL.preset("demo", **SIZES).train(), VersatileTraining(), torch.arange(12) % 6
    deaf = batch().without("audio")
    assert moved(model, regime, "visual", deaf, target)
    assert not moved(model, regime, "audio", deaf, target)
    assert not moved(model, regime, "av", deaf, target)


def test_the_reconstruction_counts_twice_for_classes():
    torch.manual_seed(0)
    model, target = VAVL.preset("demo", **SIZES).eval(), torch.arange(12) % 6
    losses = [VersatileTraining(reconstruction=alpha).loss(model, batch(), target, "audio").item() for alpha in (0.0, 1.0, None)]
    assert losses[2] - losses[0] == pytest.approx(2 * (losses[1] - losses[0]), rel=1e-5)
    assert losses[1] > losses[0]


def test_each_batch_trains_one_modality():
    torch.manual_seed(0)
    model, regime, target = UAVM.preset("demo", **SIZES).train(), OneModality(), torch.arange(12) % 6
    seen = set()
    for _ in range(12):
        parts = moved(model, regime, "all", batch(), target)
        seen.add(frozenset(m for m in ("audio", "visual") if any(m in n for n in parts)))
    assert seen == {frozenset({"audio"}), frozenset({"visual"})}


def test_modality_dropout_takes_a_whole_batch(monkeypatch):
    asked = []
    model = AuxFormer.preset("demo", **SIZES)
    monkeypatch.setattr(model, "forward", lambda given, attention=False: asked.append(given) or AuxFormer.forward(model, given))
    for throw in (0.1, 0.3, 0.9):
        monkeypatch.setattr(torch, "rand", lambda *_, value=throw: torch.tensor(value))
        ModalityDropout().loss(model, batch(), torch.arange(12) % 6, "all")
    there = [tuple(bool(one.present[m].any()) for m in ("audio", "visual")) for one in asked]
    assert there == [(False, True), (True, False), (True, True)]


@pytest.mark.parametrize("regime", [Optimised(), ModalityDropout(probability=0.5)])
def test_dropping_leaves_a_clip_its_only_modality(regime):
    model, deaf = AuxFormer.preset("demo", **SIZES), batch().without("audio")
    for _ in range(4):
        assert math.isfinite(float(regime.loss(model, deaf, torch.arange(12) % 6, "all")))


@pytest.mark.parametrize("name", list(REGIMES))
def test_nothing_to_learn_from_is_no_step(name):
    model = VAVL.preset("demo", **SIZES) if name == "vavl" else AuxFormer.preset("demo", **SIZES)
    regime, nothing = REGIMES[name](), batch().without("audio").without("visual")
    for stage in regime.stages:
        assert not regime.loss(model, nothing, torch.arange(12) % 6, stage).requires_grad
