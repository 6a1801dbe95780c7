"""One step of training, through the product's own loop, against the second writing of every system and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.models.base import AVModel
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.training.batches import Batches
from affectscope.core.training.loop import TrainConfig, train
from affectscope.core.training.strategies import Sequences, Strategy, VersatileTraining
from tests.rewrites import detecting, robust, versatile
from tests.rewrites.made import corpus_clips, made_clips, small, weights_of
from tests.rewrites.plain import weighted_losses

ANSWERS = (0, 3, 1, 3)
LABELS = [EMOTIONS[i] for i in ANSWERS]
LOST = {0: "visual", 2: "audio"}
SMALL = {"width": 12, "heads": 3, "layers": 2}
CONFORMER = {"projected": 4, "width": 8, "heads": 2, "layers": 1, "kernel": 3}
RATE, NORM = 0.5, 0.8
# Momentum 0: a step is the gradient, whatever its length.
STEP = TrainConfig(epochs=1, optimiser="sgd", betas=(0.0, 0.0), learning_rate=RATE, clip_norm=NORM, batch_size=4)


@pytest.fixture(autouse=True)
def _no_chance(monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)


def stepped(model: AVModel, clips, strategy: Strategy, config: TrainConfig = STEP) -> dict[str, Tensor]:
    batches = Batches(clips, model.spec, Normaliser(), size=config.batch_size)
    train(model, batches, batches, strategy, config)
    return {name: p.detach().double() for name, p in model.named_parameters()}


def by_hand(w: dict[str, Tensor], loss: Tensor, names: Sequence[str], norm: float, rate: float = RATE) -> dict[str, Tensor]:
    """Gradients of all together no longer than ``norm``, then one step down."""
    found = dict(zip(names, torch.autograd.grad(loss, [w[n] for n in names], allow_unused=True), strict=True))
    length = sum(float(g.square().sum()) for g in found.values() if g is not None) ** 0.5
    scale = min(1.0, norm / length) if norm else 1.0
    assert not norm or scale < 1, "a gradient that is not cut shows nothing of the cutting"
    return {n: w[n].detach() - (rate * scale * g if g is not None else 0) for n, g in found.items()}


def agrees(ours: dict[str, Tensor], theirs: dict[str, Tensor], before: dict[str, Tensor]) -> None:
    moved = {name for name in theirs if not torch.equal(theirs[name], before[name])}
    assert len(moved) > len(theirs) / 4
    for name, expected in theirs.items():
        torch.testing.assert_close(ours[name], expected, atol=3e-5, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}")


def checked(
    model: AVModel, clips, loss: Callable[[dict[str, Tensor]], Tensor], strategy: Strategy, corpus=None, norm: float = NORM
) -> None:
    w = weights_of(model, learn=True)
    names = [name for name, _ in model.named_parameters()]
    theirs = by_hand(w, loss(w), names, norm)
    ours = stepped(model, corpus or corpus_clips(clips, LABELS), strategy, replace(STEP, clip_norm=norm))
    agrees(ours, theirs, {n: w[n].detach() for n in names})


BY_CLIP = {
    "auxformer": (SMALL | {"aux_hidden": (7, 9), "loss_weights": (0.5, 0.3, 0.2)}, lambda w, c, x: robust.auxformer(w, c, x)[0]),
    "unimodal-attention": (SMALL | {"aux_hidden": (7, 9)}, robust.unimodal_attention),
    "mult": (SMALL | {"memory_layers": 2}, robust.mult),
    "crossmodal": (SMALL, robust.crossmodal),
    "uavm": ({"width": 12, "heads": 3, "layers": 1, "shared_layers": 1, "steps": 3}, versatile.uavm),
    "tlstm": (SMALL | {"recurrent": 7}, versatile.tlstm),
}
LAMBDAS = {
    "auxformer": {"av": 0.5, "audio": 0.3, "visual": 0.2},
    "unimodal-attention": {"main": 0.5, "auxiliary": 0.5},
    "uavm": {"audio": 0.5, "visual": 0.5},
}


@pytest.mark.parametrize("system", BY_CLIP)
def test_a_step_by_clip(system):
    changes, forward = BY_CLIP[system]
    model = small(system, **changes)
    # The model of one modality learns from clips that have it.
    clips = made_clips(lost={} if system == "unimodal-attention" else LOST)

    def loss(w):
        return weighted_losses([forward(w, model.config, clip) for clip in clips], ANSWERS, LAMBDAS.get(system, {"av": 1.0}))

    checked(model, clips, loss, Strategy())


def test_a_step_counts_the_classes_as_they_are_weighed():
    model, clips = small("crossmodal", **SMALL), made_clips()
    by_class = (1.0, 2.0, 1.0, 0.25, 1.0, 1.0)

    def loss(w):
        costs = [
            weighted_losses([robust.crossmodal(w, model.config, x)], [i], {"av": 1.0})
            for x, i in zip(clips, ANSWERS, strict=True)
        ]
        return sum(by_class[i] * cost for cost, i in zip(costs, ANSWERS, strict=True)) / sum(by_class[i] for i in ANSWERS)

    checked(model, clips, loss, Strategy(class_weights=by_class))


@pytest.mark.parametrize("system", ["unimodal-conformer", "sfav"])
def test_a_step_with_batch_norms(system):
    if system == "sfav":
        model, forward = small(system, audio_channels=(4, 6, 5, 4), visual_channels=(5, 4, 6, 4)), versatile.sfav
    else:
        model, forward = small(system, **CONFORMER, hidden=9), versatile.unimodal_conformer
    head, clips = model.spec.heads[0], made_clips()
    checked(model, clips, lambda w: weighted_losses(forward(w, model.config, clips, True), ANSWERS, {head: 1.0}), Strategy())


@pytest.mark.parametrize(("task", "alpha"), [("classification", 2.0), ("regression", 1.0)])
def test_algorithm_1_of_goncalves2025versatile(task, alpha):
    """Sound and the shared layers, then picture and the shared layers as they are now, then the audio-visual head alone."""
    labels = EMOTIONS if task == "classification" else ("sentiment",)
    model = small("vavl", **CONFORMER, shared_layers=1, hidden=(7, 9), task=task, labels=labels)
    clips, rate = made_clips(lost=LOST, scale=2.0), 0.05
    corpus = corpus_clips(clips, LABELS)
    for clip, value in zip(corpus, ANSWERS, strict=True):
        clip.labels["sentiment"] = float(value)  # type: ignore[index]
    w = weights_of(model, learn=True)
    before = {n: w[n].detach().clone() for n, _ in model.named_parameters()}

    def cost(answers: list[dict[str, Tensor]], head: str, which: list[int]) -> Tensor:
        if task == "regression":
            return torch.stack([(answers[i][head][0] - ANSWERS[i]).abs() for i in which]).mean()
        return weighted_losses([answers[i] for i in which], [ANSWERS[i] for i in which], {head: 1.0})

    for m in ("audio", "visual"):
        alone = [{k: (v if k == m else (v[0], torch.zeros_like(v[1]))) for k, v in clip.items()} for clip in clips]
        answers = versatile.vavl(w, model.config, alone, training=True)
        which = [i for i, answer in enumerate(answers) if m in answer]
        means = [clips[i][m][0][clips[i][m][1]].mean(0) for i in which]
        rebuilt = torch.stack([(answers[i][f"rebuilt {m}"] - mean).square() for i, mean in zip(which, means, strict=True)]).mean()
        names = [n for n in before if n.startswith("shared.") or f".{m}." in n]
        _into(w, by_hand(w, cost(answers, m, which) + alpha * rebuilt, names, 0.0, rate))
    answers = versatile.vavl(w, model.config, clips, training=True)
    paired = [i for i, clip in enumerate(clips) if all(present.any() for _, present in clip.values())]
    _into(w, by_hand(w, cost(answers, "av", paired), [n for n in before if n.startswith("predict.av.")], 0.0, rate))
    config = TrainConfig(epochs=1, optimiser="sgd", betas=(0.0, 0.0), learning_rate=rate, clip_norm=0.0, batch_size=4)
    agrees(stepped(model, corpus, VersatileTraining(), config), {n: w[n].detach() for n in before}, before)


def _into(w: dict[str, Tensor], new: dict[str, Tensor]) -> None:
    for name, value in new.items():
        w[name] = value.requires_grad_()


@pytest.mark.parametrize(
    ("system", "preset", "changes"),
    [
        ("affect-transformer", "paper", SMALL),
        ("affect-transformer", "paper-residual", SMALL),
        ("affect-rnn", "paper", {"width": 7, "fc": 9}),
        ("affect-rnn", "paper-static", {"fc": 9}),
    ],
)
def test_a_step_on_sequences(system, preset, changes):
    model = small(system, preset, **changes)
    frames, size = (6, 3), 3
    clips = made_clips([(n, n) for n in frames], {"audio": ((), ()), "visual": ((), ())})
    random = torch.Generator().manual_seed(2)
    truth = {name: [torch.randn(n, generator=random) for n in frames] for name in model.spec.labels}

    def loss(w):
        losses = []
        for i, clip in enumerate(clips):
            for start in range(0, frames[i], size):
                part = {m: (v[start : start + size], p[start : start + size]) for m, (v, p) in clip.items()}
                if system == "affect-rnn":
                    answers = detecting.affect_rnn(w, model.config, part, w["prior"])
                else:
                    answers = detecting.affect_transformer(w, model.config, part, w["prior"], preset == "paper-residual")
                target = torch.stack([truth[name][i][start : start + size] for name in truth], 1).double()
                losses.append(detecting.concordance_loss(answers, target))
        return torch.stack(losses).mean()

    checked(model, clips, loss, Sequences(frames=size), corpus_clips(clips, attributes=truth), norm=0.01)
