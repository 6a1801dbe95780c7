import math

import pytest
import torch

from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.models.base import ModelOutput, ModelSpec
from affectscope.core.models.uavm import UAVM
from affectscope.core.models.vavl import VAVL
from affectscope.core.streams import Batch
from affectscope.core.training.recipes import recipe
from affectscope.core.training.strategies import (
    STRATEGIES,
    MetricLearning,
    ModalityDropout,
    OneModality,
    Optimised,
    Sequences,
    Strategy,
    TripletLearning,
    VersatileTraining,
)

SIZES = {"audio_dim": 3, "visual_dim": 4}


def batch(rows: int = 12) -> Batch:
    make = torch.Generator().manual_seed(0)
    return Batch.of(audio=torch.randn(rows, 9, 3, generator=make), visual=torch.randn(rows, 7, 4, generator=make))


def moved(model: torch.nn.Module, strategy, stage: str, given: Batch, target: torch.Tensor) -> set[str]:
    """The top-level parts that a stage gives gradients and moves."""
    model.zero_grad()
    loss = strategy.loss(model, given, target, stage)
    if loss.requires_grad:
        loss.backward()
    return {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0 and strategy.trains(stage, n)}


def test_versatile_training_moves_what_algorithm_1_says():
    torch.manual_seed(0)
    model, strategy = VAVL.preset("demo", **SIZES).train(), VersatileTraining()
    target = torch.arange(12) % 6
    audio = moved(model, strategy, "audio", batch(), target)
    assert {n.split(".")[0] for n in audio} == {"project", "own", "shared", "predict", "rebuild"}
    assert not any("visual" in n or ".av." in n for n in audio)
    visual = moved(model, strategy, "visual", batch(), target)
    assert {n.replace("visual", "audio") for n in visual} == audio
    both = moved(model, strategy, "av", batch(), target)
    assert both
    assert all(n.startswith("predict.av.") for n in both)


def test_versatile_training_takes_clips_with_one_modality():
    model, strategy, target = VAVL.preset("demo", **SIZES).train(), VersatileTraining(), torch.arange(12) % 6
    deaf = batch().without("audio")
    assert moved(model, strategy, "visual", deaf, target)
    assert not moved(model, strategy, "audio", deaf, target)
    assert not moved(model, strategy, "av", deaf, target)


def test_the_reconstruction_counts_twice_for_classes():
    torch.manual_seed(0)
    model, target = VAVL.preset("demo", **SIZES).eval(), torch.arange(12) % 6
    losses = [VersatileTraining(reconstruction=alpha).loss(model, batch(), target, "audio").item() for alpha in (0.0, 1.0, None)]
    assert losses[2] - losses[0] == pytest.approx(2 * (losses[1] - losses[0]), rel=1e-5)
    assert losses[1] > losses[0]


def test_each_batch_trains_one_modality():
    torch.manual_seed(0)
    model, strategy, target = UAVM.preset("demo", **SIZES).train(), OneModality(), torch.arange(12) % 6
    seen = set()
    for _ in range(12):
        parts = moved(model, strategy, "all", batch(), target)
        seen.add(frozenset(m for m in ("audio", "visual") if any(m in n for n in parts)))
    assert seen == {frozenset({"audio"}), frozenset({"visual"})}


def test_what_one_modality_costs_is_the_mean_of_the_heads_that_draw_on_it():
    torch.manual_seed(0)
    model, target = UAVM.preset("demo", **SIZES).eval(), torch.arange(12) % 6
    deaf = batch().without("audio")
    # The audio-visual head of a clip without sound is the visual head.
    expected = torch.nn.functional.cross_entropy(model(deaf).predictions["visual"], target)
    assert float(OneModality().loss(model, deaf, target, "all")) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("strategy", "whole"), [(Strategy(), 12), (Optimised(), 8), (Optimised(audio_share=0.5), 4)])
def test_what_a_model_is_asked_about_in_a_step(strategy, whole, monkeypatch):
    asked = []
    model = AuxFormer.preset("demo", **SIZES)
    monkeypatch.setattr(model, "forward", lambda given, attention=False: asked.append(given) or AuxFormer.forward(model, given))
    strategy.loss(model, batch(), torch.arange(12) % 6, "all")
    (passed,) = asked
    there = torch.stack([passed.present[m].any(1) for m in ("audio", "visual")])
    assert int(there.all(0).sum()) == whole
    assert there.any(0).all()


def test_modality_dropout_takes_a_whole_batch(monkeypatch):
    asked = []
    model = AuxFormer.preset("demo", **SIZES)
    monkeypatch.setattr(model, "forward", lambda given, attention=False: asked.append(given) or AuxFormer.forward(model, given))
    for throw in (0.1, 0.3, 0.9):
        monkeypatch.setattr(torch, "rand", lambda *_, value=throw: torch.tensor(value))
        ModalityDropout().loss(model, batch(), torch.arange(12) % 6, "all")
    there = [tuple(bool(given.present[m].any()) for m in ("audio", "visual")) for given in asked]
    assert there == [(False, True), (True, False), (True, True)]


@pytest.mark.parametrize("strategy", [Optimised(), ModalityDropout(probability=0.5)])
def test_dropping_leaves_a_clip_its_only_modality(strategy):
    model, deaf = AuxFormer.preset("demo", **SIZES), batch().without("audio")
    for _ in range(4):
        assert math.isfinite(float(strategy.loss(model, deaf, torch.arange(12) % 6, "all")))


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_nothing_to_learn_from_is_no_step(name):
    model = VAVL.preset("demo", **SIZES) if name == "vavl" else AuxFormer.preset("demo", **SIZES)
    strategy, nothing = STRATEGIES[name](), batch().without("audio").without("visual")
    for stage in strategy.stages:
        assert not strategy.loss(model, nothing, torch.arange(12) % 6, stage).requires_grad


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


def test_clips_are_cut_into_sequences_one_after_the_other():
    """The first clip has five frames of sound and three of picture; the second only a sound, at its beginning."""
    given = Batch.of(
        audio=torch.stack([column(1, 2, 3, 4, 5), column(6, 0, 0, 0, 0)]),
        visual=torch.stack([column(10, 20, 30), column(0, 0, 0)]),
        present={"audio": [[True] * 5, [True] + [False] * 4], "visual": [[True] * 3, [False] * 3]},
    )
    target = torch.stack([column(0.1, 0.2, 0.3, 0.4, 0.5), column(0.6, *[math.nan] * 4)])
    cut, cut_target = Sequences(frames=2).cut(given, target)
    assert cut.values["audio"][..., 0].tolist() == [[1, 2], [3, 4], [5, 0], [6, 0]]
    assert cut.values["visual"][..., 0].tolist() == [[10, 20], [30, 0], [0, 0], [0, 0]]
    assert cut.present["audio"].tolist() == [[True, True], [True, True], [True, False], [True, False]]
    assert cut.present["visual"].tolist() == [[True, True], [True, False], [False, False], [False, False]]
    expected = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, math.nan], [0.6, math.nan]])
    torch.testing.assert_close(cut_target[..., 0], expected, equal_nan=True)


class Says:
    """A model that answers what it is told to."""

    def __init__(self, labels: tuple[str, ...], reference: str | None, answer) -> None:
        task = "regression" if reference else "classification"
        self.spec = ModelSpec(
            "made up", {"audio": 1}, labels, ("audio",), {"audio": ("audio",)}, ("audio",), task=task, reference=reference
        )
        self.answer = answer

    def __call__(self, given: Batch) -> ModelOutput:
        predictions, embeddings = self.answer(given)
        return ModelOutput({"audio": predictions}, {"audio": given.present["audio"].any(1)}, embeddings)


def test_every_sequence_has_its_own_concordance():
    model = Says(("arousal",), "audio", lambda given: (given.values["audio"], {}))
    given, target = Batch.of(audio=column(0, 1, 2, 0, 1, 2)[None]), column(0, 2, 4, 0, 1, 2)[None]
    # Of the first three 5/13, as in test_losses; the others agree.
    assert float(Sequences(frames=3).loss(model, given, target, "all")) == pytest.approx(5 / 26, rel=1e-5)
    # Of all: means 1 and 1.5, variances 2/3 and (0 + 4 + 16 + 0 + 1 + 4) / 6 - 2.25 = 23/12, covariance 15/6 - 1.5 = 1.
    for whole in (Strategy(), Sequences(frames=6), Sequences()):
        assert float(whole.loss(model, given, target, "all")) == pytest.approx(1 - 2 / (8 / 12 + 23 / 12 + 3 / 12), rel=1e-5)


def test_published_models_of_every_frame_learn_from_sequences():
    for system in ("affect-transformer", "affect-rnn"):
        assert (recipe(system, "paper").strategy, recipe(system, "demo").strategy) == ("sequences", "standard")
        assert Sequences().frames == 100


def test_the_metric_losses_are_added_to_the_cross_entropy():
    """On unit vectors two angers are at right angles, fear is opposite the first and calm opposite the second."""
    embedding = torch.tensor([[3.0, 0.0], [0.0, 2.0], [-5.0, 0.0], [0.0, -7.0]])
    model = Says(("anger", "fear", "calm"), None, lambda given: (torch.zeros(4, 3), {"fused": embedding}))
    given, target = Batch.of(audio=torch.ones(4, 1, 1)), torch.tensor([0, 0, 1, 2])
    # Even answers cost ln 3. Squared distances: 2 between neighbours, 4 between opposites.
    # Triplets with alpha 0.5: each anger has 2 - 2 + 0.5 to the nearer negative and 2 - 4 + 0.5 < 0 to the other; mean 1 / 4.
    plain = TripletLearning(alpha=0.5, beta=9.0).loss(model, given, target, "all")
    assert float(plain) == pytest.approx(math.log(3) + 0.25, rel=1e-5)
    # Emotions, own class against fear: the first anger 2 - 4 + 0.5 < 0, the second 0.5; mean 0.25.
    # Related against calm, beta 0.75: the first anger 4 - 2 + 0.75, the second 2 - 4 + 0.75 < 0, fear 4 - 2 + 0.75 with the first
    # anger and 2 - 2 + 0.75 with the second; mean 6.25 / 4.
    full = MetricLearning(alpha=0.5, beta=0.75, weight=2.0).loss(model, given, target, "all")
    assert float(full) == pytest.approx(math.log(3) + 2 * (0.25 + 6.25 / 4), rel=1e-5)
    assert float(MetricLearning(metric="softmax").loss(model, given, target, "all")) == pytest.approx(math.log(3), rel=1e-5)
