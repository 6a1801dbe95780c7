import json
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch

from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.errors import UserError
from affectscope.core.metrics.metrics import classification_metrics, evaluate
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.streams import Batch, Clip, Stream
from affectscope.core.training.augment import jitter
from affectscope.core.training.batches import RENDERED_WEIGHTS, Batches, fit_normaliser, rendered_weights
from affectscope.core.training.loop import TrainConfig, train
from affectscope.core.training.splits import by_speaker
from affectscope.core.training.strategies import Optimised, Strategy

LABELS = ("anger", "fear")
SMALL = AuxFormerConfig(LABELS, audio_dim=3, visual_dim=4, width=8, heads=2, layers=1, aux_hidden=(8, 8), encoder_dropout=0.0)


def make_clips(count: int, seed: int = 0) -> list[Clip]:
    """Fear is louder and wider than anger: easy to learn from either modality."""
    random = np.random.default_rng(seed)
    clips = []
    for i in range(count):
        shift = 2.0 * (i % 2)
        streams = {
            name: Stream(random.normal(shift, 1, (frames, dim)).astype(np.float32), np.arange(frames) / 10, np.ones(frames, bool))
            for name, frames, dim in (("audio", 5 + i % 3, 3), ("visual", 4, 4))
        }
        clips.append(Clip(f"c{i}", streams, 1.0, {"label": LABELS[i % 2], "speaker": f"s{i % 5}"}))
    return clips


def batches(clips: list[Clip], shuffle: bool = False) -> Batches:
    return Batches(clips, AuxFormer(SMALL).spec, Normaliser(), size=8, shuffle=shuffle)


def test_optimised_training_takes_a_fifth_each_and_leaves_the_rest_whole():
    batch = Batch.of(audio=torch.ones(20, 3, 1), visual=torch.ones(20, 2, 1))
    ablated = Optimised().ablate(batch)
    audio, visual = (ablated.present[m].any(1) for m in ("audio", "visual"))
    assert (int((~audio).sum()), int((~visual).sum()), int((audio & visual).sum())) == (4, 4, 12)


def test_optimised_training_never_takes_the_only_modality():
    batch = Batch.of(audio=torch.ones(10, 3, 1), visual=torch.ones(10, 2, 1)).without("visual")
    for _ in range(5):
        assert Optimised().ablate(batch).present["audio"].any(1).all()


def test_no_speaker_is_in_two_splits():
    table = pd.DataFrame({"speaker": [f"s{i % 20:02d}" for i in range(200)]})
    for seed in range(20):
        split = by_speaker(table, seed)
        of = {name: set(table["speaker"][split == name]) for name in ("train", "development", "test")}
        assert {name: len(speakers) for name, speakers in of.items()} == {"train": 14, "development": 3, "test": 3}
        assert not of["train"] & of["development"]
        assert not (of["train"] | of["development"]) & of["test"]
    assert not by_speaker(table, 0).equals(by_speaker(table, 1))
    pd.testing.assert_series_equal(by_speaker(table, 0), by_speaker(table, 0))


def test_too_few_speakers_is_one_sentence():
    with pytest.raises(UserError, match="three speakers"):
        by_speaker(pd.DataFrame({"speaker": ["a", "b"]}), 0)


def test_metrics_by_hand():
    logits = torch.tensor([[2.0, 0], [2, 0], [0, 2], [2, 0]])
    metrics = classification_metrics(logits, torch.tensor([0, 0, 1, 1]))
    assert metrics["accuracy"] == 0.75
    assert metrics["uar"] == 0.75
    # F1 of class 0: 2*2/(3+2) = 0.8; of class 1: 2*1/(1+2) = 2/3.
    assert metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    # Every answer has confidence 1/(1+e^-2) = 0.8808 and falls into one bin with accuracy 0.75.
    assert metrics["ece"] == pytest.approx(0.8808 - 0.75, abs=1e-4)
    assert metrics["confusion"] == [[2, 0], [1, 1]]


def test_the_normaliser_counts_present_frames_only():
    stream = Stream(np.array([[0.0], [2.0], [99.0]], np.float32), np.arange(3.0), np.array([True, True, False]))
    normaliser = fit_normaliser([Clip("a", {"audio": stream}, 1.0)])
    assert normaliser("audio", torch.tensor([[3.0]])).item() == pytest.approx(2.0)


def test_an_unknown_label_is_named():
    clips = make_clips(2)
    clips[0].labels["label"] = "boredom"  # type: ignore[index]
    with pytest.raises(UserError, match="boredom"):
        batches(clips)


def test_jitter_leaves_absent_frames_alone_and_shifts_a_clip_as_one():
    batch = Batch.of(audio=torch.zeros(2, 4, 3), present={"audio": [[True] * 4, [True, True, False, False]]})
    moved = jitter(batch, 0.0, 1.0).values["audio"]
    assert moved[1, 2:].abs().max() == 0
    torch.testing.assert_close(moved[0], moved[0, :1].expand(4, -1))
    assert moved.abs().max() > 0
    assert jitter(batch, 0, 0) is batch


@pytest.mark.parametrize("strategy", [Strategy(), Optimised()])
def test_training_learns_keeps_the_best_epoch_and_repeats_itself(tmp_path, strategy):
    clips = make_clips(64)
    config = TrainConfig(epochs=6, learning_rate=5e-3, seed=3)

    def run():
        torch.manual_seed(0)
        model = AuxFormer(SMALL)
        history = train(model, batches(clips[:48], True), batches(clips[48:]), strategy, config, tmp_path / "h.safetensors")
        return model, history

    model, history = run()
    losses = [row["dev_loss"] for row in history]
    assert min(losses) < 0.6 * losses[0]
    assert evaluate(model, batches(clips[48:]))["decision"]["accuracy"] >= 0.9
    written = json.loads((tmp_path / "h.history.json").read_text())
    assert written["best_epoch"] == int(np.argmin(losses))
    again, _ = run()
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)


def test_descriptors_that_depend_on_level_and_room_hardly_count_of_synthetic_voices() -> None:
    weights = RENDERED_WEIGHTS["audio"]
    assert weights.shape == (130,)
    # Columns of ComParE_2016: pitch, jitter, RMS, zero crossings, a band, roll-off, flux, MFCC 1; deltas are 65 columns on.
    assert weights[[0, 2, 8, 9, 20, 38, 42, 51]].tolist() == [1.0, 0.3, 0.05, 1.0, 0.05, 1.0, 0.05, 0.5]
    assert np.allclose(weights[65:], 0.05 * weights[:65])
    rendered = Mock(synthetic=True, table=[])
    assert set(rendered_weights(rendered, {"audio": "llds", "visual": "face-maps"})) == {"audio", "visual"}
    assert set(rendered_weights(rendered, {"audio": "log-mel-40", "visual": "face-maps"})) == {"visual"}
    assert rendered_weights(Mock(synthetic=False), {"audio": "llds", "visual": "face-maps"}) == {}
