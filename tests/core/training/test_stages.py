"""A stage that trains part of a model freezes the rest, and nothing else changes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import torch

from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.models.vavl import VAVL
from affectscope.core.training import loop
from affectscope.core.training.batches import Batches
from affectscope.core.training.loop import TrainConfig, train
from affectscope.core.training.strategies import VersatileTraining
from tests.core.training.test_training import LABELS, make_clips

CONFIG = TrainConfig(epochs=2, learning_rate=5e-3, frame_noise=0.1, seed=3)


def small() -> VAVL:
    torch.manual_seed(0)
    return VAVL.preset(
        "demo", labels=LABELS, audio_dim=3, visual_dim=4, projected=8, width=8, heads=2, kernel=3, layers=1, hidden=(8, 8)
    )


def trained(strategy: VersatileTraining, files=None, resume=False, epochs: int = 2) -> VAVL:
    torch.set_num_threads(1)
    model, clips = small(), make_clips(40)
    parts = [Batches(part, model.spec, Normaliser(), 8, shuffle) for part, shuffle in ((clips[:32], True), (clips[32:], False))]
    train(model, *parts, strategy, TrainConfig(**{**vars(CONFIG), "epochs": epochs}), files, resume=resume)
    return model


@contextmanager
def thrown_away(parameters):
    """The other way to train a part: gradients of everything, of which some are not used."""
    yield
    for parameter in parameters:
        parameter.grad = None


def test_weights_are_those_of_gradients_that_are_thrown_away(monkeypatch):
    model = trained(VersatileTraining())
    monkeypatch.setattr(loop, "frozen", thrown_away)
    reference = trained(VersatileTraining()).state_dict()
    # Without gradients torch may take other kernels, which round otherwise. What trains on what frozen layers give sees that, and
    # so do the running statistics of the frozen layers; nothing else does.
    rounded = {n for n in reference if n.startswith("predict.av.")} | dict(model.named_buffers()).keys()
    start = small().state_dict()
    for name, value in model.state_dict().items():
        exact = name not in rounded
        torch.testing.assert_close(value, reference[name], rtol=0 if exact else 1e-4, atol=0 if exact else 1e-6)
    assert all(not torch.equal(reference[n], start[n]) for n in ("predict.av.0.weight", "project.audio.weight"))


@dataclass(frozen=True)
class Watched(VersatileTraining):
    """Keeps which parameters could have got a gradient, by stage."""

    seen: dict = field(default_factory=dict)

    def loss(self, model, batch, target, stage):
        loss = super().loss(model, batch, target, stage)
        names = {id(p): n for n, p in model.named_parameters()}
        self.seen[stage] = {names[id(leaf)] for leaf in leaves(loss)}
        return loss


def leaves(loss: torch.Tensor) -> list[torch.Tensor]:
    """The parameters that a loss's graph reaches."""
    waiting, seen, found = [loss.grad_fn], set(), []
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        waiting += [next_node for next_node, _ in node.next_functions]
    return found


def test_a_stage_builds_no_graph_of_what_it_does_not_train():
    strategy = Watched()
    model = trained(strategy, epochs=1)
    assert set(strategy.seen) == {"audio", "visual", "av"}
    assert strategy.seen["av"] == {n for n, _ in model.named_parameters() if n.startswith("predict.av.")}
    assert not any("visual" in n or ".av." in n for n in strategy.seen["audio"])
    assert any(n.startswith("shared") for n in strategy.seen["audio"])
    assert all(p.requires_grad for p in model.parameters())


def test_what_was_frozen_before_stays_frozen_and_an_error_leaves_nothing_frozen():
    model = small()
    model.project.requires_grad_(False)
    clips = make_clips(16)
    parts = [Batches(clips, model.spec, Normaliser(), 8) for _ in range(2)]
    before = model.project["audio"].weight.clone()
    train(model, *parts, VersatileTraining(), CONFIG)
    assert {n.split(".")[0] for n, p in model.named_parameters() if not p.requires_grad} == {"project"}
    torch.testing.assert_close(model.project["audio"].weight, before, atol=0, rtol=0)
    weights = list(model.shared.parameters())
    with pytest.raises(ZeroDivisionError), loop.frozen(weights):
        raise ZeroDivisionError
    assert all(p.requires_grad for p in weights)


def test_stages_resume_bit_for_bit(tmp_path):
    whole = trained(VersatileTraining(), tmp_path / "whole.safetensors", epochs=3).state_dict()
    trained(VersatileTraining(), tmp_path / "two.safetensors", epochs=2)
    resumed = trained(VersatileTraining(), tmp_path / "two.safetensors", resume=True, epochs=3).state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, atol=0, rtol=0)
