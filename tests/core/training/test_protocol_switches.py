"""What a paper's protocol turns: zeros for what is missing, the throw of each clip, what an epoch is chosen by, folds."""

import numpy as np
import pandas as pd
import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.evaluation.masking import Missing, mask
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS
from affectscope.core.models.inputs import Normaliser
from affectscope.core.streams import Batch, Clip, Stream
from affectscope.core.training import loop
from affectscope.core.training.batches import Batches
from affectscope.core.training.loop import TrainConfig, _selected
from affectscope.core.training.splits import split_speakers
from affectscope.core.training.strategies import ModalityDropout, Optimised, Strategy


def ones(size: int, frames: int = 3) -> Batch:
    return Batch.of(audio=torch.ones(size, frames, 2), visual=torch.ones(size, frames, 2))


def lost(batch: Batch, modality: str) -> torch.Tensor:
    return batch.values[modality].abs().sum((1, 2)) == 0


@pytest.mark.parametrize(("missing", "present"), [("zeros", True), ("absent", False)])
def test_the_groups_of_goncalves2022robust_are_zeros_or_absent(missing, present):
    torch.manual_seed(0)
    found = Optimised(missing=missing).ablate(ones(20))
    for modality in ("audio", "visual"):
        gone = lost(found, modality)
        assert int(gone.sum()) == 4
        assert (found.present[modality][gone] == present).all()
    assert not (lost(found, "audio") & lost(found, "visual")).any()


def test_goncalves2022auxformers_20_percent_fall_on_batches_or_on_clips():
    torch.manual_seed(0)
    batches = [ModalityDropout(missing="zeros").ablate(ones(10)) for _ in range(200)]
    shares = torch.tensor([float(lost(batch, "audio").float().mean()) for batch in batches])
    assert set(shares.tolist()) == {0.0, 1.0}
    assert 0.1 < float(shares.mean()) < 0.3
    clips = ModalityDropout(missing="zeros", each="clip").ablate(ones(2000))
    for modality in ("audio", "visual"):
        assert 0.17 < float(lost(clips, modality).float().mean()) < 0.23
        assert clips.present[modality].all()


def test_a_clip_does_not_lose_its_only_modality():
    alone = ones(500).without("visual")
    found = ModalityDropout(missing="zeros", each="clip").ablate(alone)
    assert not lost(found, "audio").any()


def test_masked_frames_may_be_zeros_and_the_same_ones_go():
    batch = ones(4, 10)
    zeros = mask(batch, Missing("audio", 0.3, fill="zeros"), draws=2)
    absent = mask(batch, Missing("audio", 0.3), draws=2)
    assert zeros.present["audio"].all()
    assert torch.equal(zeros.values["audio"], absent.values["audio"])
    assert torch.equal(zeros.values["audio"].sum(2) == 0, ~absent.present["audio"])
    assert ((~absent.present["audio"]).sum(1) == 3).all()
    with pytest.raises(UserError, match="absent or zeros"):
        Missing("audio", 0.3, fill="noise")  # type: ignore[arg-type]


def test_what_an_epoch_is_chosen_by():
    rows = [
        {"dev_loss": 1.0, "dev_main_loss": 2.0, "dev_accuracy": 0.3},
        {"dev_loss": 1.5, "dev_main_loss": 1.0, "dev_accuracy": 0.4},
        {"dev_loss": 1.2, "dev_main_loss": 3.0, "dev_accuracy": 0.5},
    ]
    chosen = {
        selection: min(range(3), key=lambda i, s=selection: _selected(rows[i], TrainConfig(selection=s)))
        for selection in ("loss", "main loss", "accuracy")
    }
    assert chosen == {"loss": 0, "main loss": 1, "accuracy": 2}
    with pytest.raises(UserError, match="have no accuracy"):
        _selected({"dev_loss": 1.0}, TrainConfig(selection="accuracy"))


def test_ten_folds_test_every_clip_once_and_a_seed_is_a_fold():
    table = pd.DataFrame({"speaker": [f"s{i // 3}" for i in range(72)], "label": ["anger", "fear", "neutral"] * 24})
    found = [split_speakers(table, seed, "folds") for seed in range(10)]
    tested = sum((split == "test").astype(int) for split in found)
    assert (tested == 1).all()
    assert (split_speakers(table, 13, "folds") == found[3]).all()
    for split in found:
        assert not table["speaker"][split == "train"].isin(table["speaker"][split != "train"]).any()


@pytest.mark.parametrize(("selection", "kept", "epochs"), [("loss", 0, 3), ("main loss", 2, 4), ("accuracy", 1, 4)])
def test_the_weights_of_the_chosen_epoch_are_kept_and_patience_counts_from_it(monkeypatch, selection, kept, epochs):
    torch.manual_seed(0)
    model = MODELS["unimodal-attention"].preset("demo", width=4, heads=2, layers=1, audio_dim=3)
    stream = Stream(np.ones((4, 3), np.float32), np.arange(4.0), np.ones(4, bool))
    clips = [Clip(f"c{i}", {"audio": stream}, 4.0, {"label": model.spec.labels[i % 2]}) for i in range(4)]
    batches = Batches(clips, model.spec, Normaliser(), 4)
    losses, mains, right = [1.0, 2.0, 2.0, 2.0, 2.0], [3.0, 2.0, 1.0, 2.0, 2.0], [0.1, 0.5, 0.3, 0.4, 0.2]
    seen = []

    def development(model, *_):
        place = len(seen)
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"dev_loss": losses[place], "dev_main_loss": mains[place], "dev_accuracy": right[place]}

    monkeypatch.setattr(loop, "_development", development)
    history = loop.train(model, batches, batches, Strategy(), TrainConfig(epochs=4, patience=2, selection=selection))
    assert len(history) == epochs
    assert all(torch.equal(value, seen[kept][name]) for name, value in model.state_dict().items())
    assert not torch.equal(seen[0]["main.out.weight"], seen[1]["main.out.weight"])
    assert all(row["seconds"] > 0 for row in history)
