"""What the loop does between the steps: the norm of a step, its length, when that falls, when it ends, and what is kept."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.training import loop
from affectscope.core.training.loop import TrainConfig, train
from affectscope.core.training.strategies import Strategy
from tests.core.training.test_training import SMALL, batches, make_clips

PLAIN = TrainConfig(epochs=1, optimiser="sgd", betas=(0.0, 0.0), learning_rate=0.01, clip_norm=0.0, patience=99)
CLIPS = make_clips(16)


@pytest.fixture
def scripted(monkeypatch):
    """Development losses as they are told; what the learning rate and the weights were at the end of each epoch."""
    told, rates, weights = [], [], []
    epoch, development = loop._epoch, loop._development

    def measured(model, given, strategy):
        weights.append({k: v.clone() for k, v in model.state_dict().items()})
        row = development(model, given, strategy)
        return row | {"dev_loss": told[len(weights) - 1]}

    def one_epoch(fabric, step, optimiser, *rest):
        rates.append(optimiser.param_groups[0]["lr"])
        return epoch(fabric, step, optimiser, *rest)

    monkeypatch.setattr(loop, "_development", measured)
    monkeypatch.setattr(loop, "_epoch", one_epoch)
    return told, rates, weights


def fresh() -> AuxFormer:
    torch.manual_seed(0)
    return AuxFormer(SMALL)


def run(config: TrainConfig, strategy: Strategy = Strategy(), clips=CLIPS) -> tuple[AuxFormer, list[dict[str, float]]]:  # noqa: B008
    model = fresh()
    return model, train(model, batches(clips), batches(CLIPS), strategy, config)


def moved(model: AuxFormer) -> float:
    """How far all weights together are from where they began."""
    before = fresh().state_dict()
    return math.sqrt(sum(float((p.detach() - before[name]).square().sum()) for name, p in model.named_parameters()))


def test_a_step_is_no_longer_than_the_norm_allows():
    one_batch = CLIPS[:8]
    free, _ = run(PLAIN, clips=one_batch)
    assert moved(free) / PLAIN.learning_rate > 0.2
    cut, _ = run(replace(PLAIN, clip_norm=0.1), clips=one_batch)
    assert moved(cut) == pytest.approx(0.1 * PLAIN.learning_rate, rel=1e-3)
    loose, _ = run(replace(PLAIN, clip_norm=1e3), clips=one_batch)
    assert moved(loose) == pytest.approx(moved(free), rel=1e-4)


def test_the_published_norm_is_cut_to():
    """goncalves2022robust, 4.3, and goncalves2022auxformer, 5.1."""
    config = TrainConfig()
    assert (config.clip_norm, config.learning_rate, config.batch_size, config.epochs, config.decay_patience) == (
        0.8, 7.25e-4, 32, 25, 5
    )  # fmt: skip
    assert (config.optimiser, config.schedule, config.split) == ("adam", "plateau", "speaker")


def test_the_rate_falls_to_a_tenth_when_epochs_bring_nothing(scripted):
    told, rates, _ = scripted
    told += [1.0, 0.9, *[0.95] * 8]
    run(replace(PLAIN, epochs=10, decay_patience=2))
    # Best in the second; the third to fifth are worse, more than two: the sixth goes slowly, and again three epochs later.
    assert rates == pytest.approx([0.01] * 5 + [0.001] * 3 + [0.0001] * 2)


def test_a_constant_rate_never_falls(scripted):
    told, rates, _ = scripted
    told += [1.0] * 8
    run(replace(PLAIN, epochs=8, decay_patience=1, schedule="constant"))
    assert rates == [0.01] * 8


def test_training_ends_when_patience_does_and_the_best_epoch_stays(scripted):
    told, _, weights = scripted
    told += [1.0, 0.7, 0.8, 0.75, 0.9, 0.1]
    model, history = run(replace(PLAIN, epochs=6, patience=3))
    assert [row["dev_loss"] for row in history] == [1.0, 0.7, 0.8, 0.75, 0.9]
    assert [row["epoch"] for row in history] == [0, 1, 2, 3, 4]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, weights[1][name], atol=0, rtol=0)
    assert any(not torch.equal(weights[1][name], weights[4][name]) for name in weights[1])
    assert not model.training


def test_the_first_of_equal_epochs_is_kept(scripted):
    told, _, weights = scripted
    told += [0.5, 0.5, 0.5]
    model, _ = run(replace(PLAIN, epochs=3))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, weights[0][name], atol=0, rtol=0)


def test_a_loss_that_is_no_number_is_one_sentence(scripted):
    told, _, _ = scripted
    told += [1.0, math.nan]
    with pytest.raises(UserError, match=r"diverged in epoch 2.*smaller learning rate than 0\.01"):
        run(replace(PLAIN, epochs=3))


@pytest.mark.parametrize(
    ("kind", "expected"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_the_optimiser_is_as_the_config_has_it(kind, expected):
    config = TrainConfig(optimiser=kind, learning_rate=0.02, betas=(0.7, 0.95), weight_decay=0.03)
    made = loop._optimiser(fresh(), config)
    assert type(made) is expected
    (group,) = made.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.03)
    assert (group["momentum"] if kind == "sgd" else group["betas"]) == (0.7 if kind == "sgd" else (0.7, 0.95))
    assert sum(p.numel() for p in group["params"]) == sum(p.numel() for p in fresh().parameters())


def test_a_step_begins_without_the_gradient_of_the_last():
    """Two batches with no norm to cut them: the second step is the second batch's gradient alone."""
    model = fresh()
    config = replace(PLAIN, learning_rate=0.1)
    seen = list(batches(CLIPS))
    assert len(seen) == 2
    for batch, target in seen:
        model.zero_grad()
        # As in training, with dropout and its chance.
        Strategy().loss(model.eval(), batch, target, "all").backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= config.learning_rate * parameter.grad
    ours = fresh()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)
        history = train(ours, batches(CLIPS), batches(CLIPS), Strategy(), config)
    for a, b in zip(ours.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)
    assert history[0]["train_loss"] > 0


def test_the_development_loss_is_a_mean_over_clips_and_accuracies_are_counted_by_head():
    model, clips = fresh().eval(), CLIPS[:13]
    found = loop._development(model, batches(clips), Strategy())
    (batch, target), (rest, more) = list(batches(clips))
    assert (len(batch), len(rest)) == (8, 5)
    with torch.inference_mode():
        outputs = [(model(batch), target), (model(rest), more)]
        losses = [sum(torch.nn.functional.cross_entropy(o.predictions[h], t) / 3 for h in model.spec.heads) for o, t in outputs]
        right = {h: sum(int((o.predictions[h].argmax(1) == t).sum()) for o, t in outputs) / 13 for h in model.spec.heads}
        decided = sum(int((model.decide(o).argmax(1) == t).sum()) for o, t in outputs) / 13
    assert found["dev_loss"] == pytest.approx(float(8 * losses[0] + 5 * losses[1]) / 13, rel=1e-5)
    assert found["dev_accuracy"] == decided
    assert {h: found[f"dev_accuracy_{h}"] for h in model.spec.heads} == right


def test_noise_is_put_on_training_clips_and_on_no_others(monkeypatch):
    heard: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    forward = AuxFormer.forward

    def listening(self, batch, attention=False):
        heard[self.training].append(batch.values["audio"])
        return forward(self, batch, attention)

    monkeypatch.setattr(AuxFormer, "forward", listening)
    run(replace(PLAIN, frame_noise=0.5))
    whole = [batch.values["audio"] for batch, _ in batches(CLIPS)]
    assert all(torch.equal(a, b) for a, b in zip(heard[False], whole, strict=True))
    spread = torch.cat([(a - b)[b != 0] for a, b in zip(heard[True], whole, strict=True)]).std()
    assert float(spread) == pytest.approx(0.5, rel=0.2)


def test_another_seed_shuffles_and_drops_otherwise_and_the_same_one_alike():
    def trained(seed: int) -> torch.Tensor:
        model = fresh()
        train(
            model,
            batches(CLIPS, shuffle=True),
            batches(CLIPS),
            Strategy(),
            replace(PLAIN, epochs=2, seed=seed, learning_rate=0.1),
        )
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(trained(1), trained(1))
    assert (trained(1) - trained(2)).abs().max() > 1e-5
