"""A run that is killed goes on and ends with the weights of one that was not."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.training.loop import TrainConfig, forget, train
from affectscope.core.training.strategies import Optimised
from tests.core.training.test_training import SMALL, batches, make_clips

CONFIG = TrainConfig(epochs=4, learning_rate=5e-3, frame_noise=0.1, seed=3)


@dataclass(frozen=True)
class Deadly(Optimised):
    """Kills its own process in the given call."""

    calls: tuple[int, ...] = ()

    def loss(self, model, batch, target, stage):
        counted.append(1)
        if len(counted) in self.calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(model, batch, target, stage)


counted: list[int] = []


def run(out: Path, strategy: Optimised, resume: bool = False, config: TrainConfig = CONFIG) -> AuxFormer:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, clips = AuxFormer(SMALL), make_clips(40)
    train(model, batches(clips[:32], True), batches(clips[32:]), strategy, config, out, resume=resume)
    return model


def test_killed_in_the_middle_of_an_epoch_it_goes_on_as_if_nothing_had_happened(tmp_path):
    out = tmp_path / "killed.safetensors"
    # Four steps an epoch: the eleventh is in the third.
    process = multiprocessing.get_context("spawn").Process(target=run, args=(out, Deadly(calls=(11,))))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert out.with_suffix(".resume.pt").is_file()
    resumed, undisturbed = run(out, Optimised(), resume=True), run(tmp_path / "whole.safetensors", Optimised())
    for a, b in zip(resumed.state_dict().values(), undisturbed.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    forget(out)
    assert not out.with_suffix(".resume.pt").is_file()


def test_another_run_is_not_gone_on_with(tmp_path):
    out = tmp_path / "one.safetensors"
    run(out, Optimised(), config=replace(CONFIG, epochs=1))
    with pytest.raises(UserError, match="other settings"):
        run(out, Optimised(), resume=True, config=replace(CONFIG, learning_rate=1e-2))
    longer = run(out, Optimised(), resume=True, config=replace(CONFIG, epochs=2))
    whole = run(tmp_path / "two.safetensors", Optimised(), config=replace(CONFIG, epochs=2))
    torch.testing.assert_close(longer.main.out.weight, whole.main.out.weight, atol=0, rtol=0)


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UserError, match="make room"):
        run(tmp_path / "full.safetensors", Optimised())
