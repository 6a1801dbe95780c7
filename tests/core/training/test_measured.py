"""All that `evaluate --json` says, by hand."""

import json

import numpy as np
import pytest
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.evaluation.labelled import left_out
from affectscope.core.metrics.intervals import mean_of_shares, wilson
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.streams import Batch
from affectscope.core.training import measured
from affectscope.core.training.augment import displaced
from affectscope.core.training.familiarity import learn
from tests.core.training.test_joined import CONFIG, LABELS, SPEC, clip, corpus


def test_a_row_by_hand():
    # Anger: one of two right; fear: all three. Sureness falls from first to last.
    logits = torch.tensor([[5.0, 0.0], [0.0, 4.0], [0.0, 3.0], [0.0, 2.0], [0.0, 1.0]])
    steady = np.array([0.6, 0.9, 0.3, 0.8, 0.7])
    row = measured._of_classes(logits, torch.tensor([0, 0, 1, 1, 1]), LABELS, steady)
    assert row["recall"]["anger"] | {"interval": None} == {"clips": 2, "right": 1, "recall": 0.5, "interval": None}
    assert row["recall"]["fear"]["interval"] == list(wilson(3, 3))
    assert row["answers"] == {"anger": 1, "fear": 4}
    assert row["accuracy_interval"] == list(wilson(4, 5))
    assert row["uar_interval"] == list(mean_of_shares([(1, 2), (3, 3)]))
    assert row["chance"] == 0.5
    # The steadiest three: wrong, right, right; the most confident: right, wrong, right.
    assert row["surest_half"]["by"] == "steadiness"
    assert row["surest_half"]["clips"] == 3
    assert row["surest_half"]["accuracy"] == pytest.approx(2 / 3)
    assert row["surest_half"]["gain"] == pytest.approx(2 / 3 - 4 / 5)
    assert row["surest_half"]["by_confidence"] == pytest.approx(2 / 3)
    assert row["aurc"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 5)


def test_heads_count_over_what_they_have_evidence_of(tmp_path, monkeypatch):
    clips = [clip(f"c{i}", LABELS[i % 2], "s", audio=i < 3) for i in range(10)]
    monkeypatch.setattr(measured, "read_clips", lambda *rest: (clips, ["c99: broken"]))
    torch.manual_seed(0)
    checkpoint = Checkpoint(AuxFormer(CONFIG).eval(), Normaliser(), {})
    rows, broken = measured.measure(checkpoint, corpus(tmp_path, "x", ["anger"], ["s"]), left_out={"boredom": 7})
    by_head = {row["head"]: row for row in rows}
    assert [(h, r["clips"], r["without_evidence"]) for h, r in by_head.items()] == [
        ("av", 10, 0), ("audio", 3, 7), ("visual", 10, 0), ("decision", 10, 0),
    ]  # fmt: skip
    assert all(row["left_out"] == {"boredom": 7} and row["has"] == {"audio": 3, "visual": 10} for row in rows)
    assert (rows[0]["unreadable"], broken) == (1, ["c99: broken"])
    assert sum(map(sum, by_head["audio"]["confusion"])) == 3
    json.dumps(rows, allow_nan=False)
    mute = [clip(f"m{i}", LABELS[i % 2], "s", audio=False) for i in range(4)]
    silent = {row["head"]: row for row in measured.measure_clips(checkpoint, mute)}
    assert "accuracy" not in silent["audio"]
    assert silent["audio"]["clips"] == 0
    told = measured.domain_row(list(silent.values()), "faces", synthetic=False)
    assert (told["modalities"], sorted(told["heads"])) == (["visual"], ["av", "decision", "visual"])


def test_what_is_left_out_is_counted(tmp_path):
    found = left_out(corpus(tmp_path, "x", ["Angry", "awe", "awe", "", "fear"], list("abcde")), SPEC)
    assert found == {"awe": 2, "": 1}


def test_a_trained_model_knows_how_near_its_clips_lie():
    clips = [clip(f"k{i}", LABELS[i % 2], f"s{i % 4}") for i in range(120)]
    torch.manual_seed(0)
    model = AuxFormer(CONFIG).eval()
    before = torch.random.get_rng_state()
    known = learn(model, Normaliser(), clips[:80], clips[80:])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert known is not None
    assert set(known.references) == {"audio", "visual"}
    assert set(known.temperatures) == {"av", "audio", "visual", "decision"}
    # An untrained model is sure of nothing rightly: no level is cooler than the one before.
    assert all(a <= b <= c for a, b, c in known.temperatures.values())
    # The middle of the first class, and nowhere near any.
    batch = Batch.of(audio=torch.zeros(1, 5, 3), visual=torch.full((1, 4, 4), 50.0))
    levels = known.levels(known.distances(batch))
    assert (int(levels["audio"]), int(levels["visual"])) == (0, 2)
    few = learn(model, Normaliser(), clips[:5], clips[5:8])
    assert few is None or not few.references


def test_a_clip_is_displaced_as_clips_lie_apart():
    torch.manual_seed(0)
    means = torch.randn(500, 3) * torch.tensor([1.0, 2.0, 0.0])
    batch = Batch.of(audio=torch.zeros(4000, 2, 3), visual=torch.zeros(4000, 1, 1))
    moved = displaced(batch, {"audio": means}, 1.0)
    # The difference of two has twice their variance, and moves all frames of a clip alike.
    spread = moved.values["audio"][:, 0].var(0) / 2
    torch.testing.assert_close(spread, means.var(0), rtol=0.1, atol=1e-6)
    assert torch.equal(moved.values["audio"][:, 0], moved.values["audio"][:, 1])
    assert torch.equal(moved.values["visual"], batch.values["visual"])
    assert displaced(batch, {"audio": means}, 0.0) is batch
