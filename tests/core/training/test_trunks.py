"""What the trunks of double attention know before its attentions are trained."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.models.blocks.resnet import ResNet2D, ResNet3D
from affectscope.core.models.double_attention import DoubleAttention
from affectscope.core.streams import Batch
from affectscope.core.training.loop import TrainConfig, train
from affectscope.core.training.strategies import STRATEGIES, MetricLearning, Strategy
from affectscope.core.training.trunks import learn_stills, load_trunks
from tests.core.training.test_training import SMALL, batches, make_clips

TINY = {
    "side": 16, "snippets": 2, "snippet_frames": 2, "window_frames": 8, "audio_side": 16, "audio_dim": 8, "visual_width": 2,
    "audio_width": 2, "width": 16, "heads": 2, "labels": ("dark", "light"),
}  # fmt: skip


def built(**changes) -> DoubleAttention:
    torch.manual_seed(0)
    return DoubleAttention.preset("demo", **{**TINY, **changes})


def lit(count: int = 8) -> list[tuple[Batch, torch.Tensor]]:
    """Every other clip is bright on the left of its picture, and loud in its low bands."""
    torch.manual_seed(1)
    target = torch.arange(count) % 2
    faces, sound = 0.1 * torch.randn(count, 6, 16, 16), 0.1 * torch.randn(count, 20, 8)
    faces[target == 1, :, :, :8] += 2
    sound[target == 1, :, :4] += 2
    return [(Batch.of(visual=faces.flatten(2), audio=sound), target)]


def changed(model: DoubleAttention, before: DoubleAttention) -> set[str]:
    old = dict(before.named_parameters())
    return {name.split(".")[0] for name, value in model.named_parameters() if not torch.equal(value, old[name])}


@pytest.mark.parametrize(("modality", "trunk"), [("visual", "watcher"), ("audio", "listener")])
def test_a_trunk_learns_single_frames_and_nothing_else_is_touched(modality, trunk):
    model = built()
    before = copy.deepcopy(model)
    first = learn_stills(copy.deepcopy(model), modality, lit(), 1, 0, (0.0, 0.0))
    # Two classes by chance cost 0.69.
    assert first > 0.4
    assert learn_stills(model, modality, lit(), 40, 0, (0.0, 0.0)) < 0.2
    assert changed(model, before) == {trunk}


def test_the_same_seed_teaches_the_same_and_another_another():
    def taught(seed):
        model = built()
        learn_stills(model, "audio", lit(), 2, seed, (0.1, 0.1))
        return model.listener.conv1.weight

    torch.testing.assert_close(taught(3), taught(3), atol=0, rtol=0)
    assert not torch.equal(taught(3), taught(4))


def test_clips_without_the_modality_teach_nothing():
    model = built()
    before = copy.deepcopy(model)
    (batch, target) = lit()[0]
    learn_stills(model, "visual", [(batch.without("visual"), target)], 2, 0, (0.0, 0.0))
    assert changed(model, before) == set()


def test_every_row_of_the_ablation_prepares_the_trunks_that_it_has():
    config = TrainConfig(seed=0)
    for name in ("metric", "metric-triplet"):
        strategy = STRATEGIES[name](stills=1)
        for attentions, trunks in (("AT", {"listener"}), ("VS", {"watcher"}), ("AT+VS+VC+VT", {"listener", "watcher"})):
            model = built(attentions=attentions)
            before = copy.deepcopy(model)
            strategy.prepare(model, lit(), config)
            assert changed(model, before) == trunks
    assert MetricLearning().stills > 0
    # Other models have no trunks to prepare.
    MetricLearning().prepare(AuxFormer(SMALL), [], config)


def test_torchvisions_files_fill_the_trunks_and_are_not_taught_over(tmp_path: Path):
    torch.manual_seed(5)
    film, picture = ResNet3D(18, 3, 2, classes=7), ResNet2D(18, 3, 2)
    save_file(film.state_dict(), tmp_path / "film.safetensors")
    # As files of old are, without counters of batches, and with a classifier.
    state = {k: v for k, v in picture.state_dict().items() if "num_batches" not in k} | {"fc.weight": torch.ones(3, 16)}
    save_file(state, tmp_path / "picture.safetensors")
    model = built(depth=18, audio_depth=18, channels=3, audio_channels=3)
    files = (str(tmp_path / "film.safetensors"), str(tmp_path / "picture.safetensors"))
    MetricLearning(trunks=files, stills=3).prepare(model, lit(), TrainConfig())
    torch.testing.assert_close(model.watcher.layer3[1].conv2[0].weight, film.layer3[1].conv2[0].weight, atol=0, rtol=0)
    torch.testing.assert_close(model.listener.layer4[0].conv1.weight, picture.layer4[0].conv1.weight, atol=0, rtol=0)
    with pytest.raises(UserError, match=r"film.safetensors fits no trunk .* paper-18"):
        load_trunks(built(), files[:1])


@dataclass(frozen=True)
class Prepared(Strategy):
    """Notes what it is prepared with."""

    def prepare(self, model, batches, config):
        noted.append((batches, config.seed))


noted: list = []


def test_the_loop_prepares_once_with_the_training_clips(tmp_path: Path):
    noted.clear()
    clips, config = make_clips(24), TrainConfig(epochs=1, seed=3)
    training, out = batches(clips[:16], True), tmp_path / "run.safetensors"
    model = AuxFormer(SMALL)
    train(model, training, batches(clips[16:]), Prepared(), config, out)
    assert noted == [(training, 3)]
    # What goes on has been prepared.
    train(model, training, batches(clips[16:]), Prepared(), replace(config, epochs=2), out, resume=True)
    assert len(noted) == 1
