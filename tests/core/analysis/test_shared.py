"""Distances by hand: two clips whose sound and picture agree after one layer and are opposed after the next."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affectscope.core.analysis.shared import closeness, distances, outliers, summary
from affectscope.core.errors import UserError
from affectscope.core.inference.table import PredictionTable

SHARED = (("layer 1 audio", "layer 1 visual"), ("layer 2 audio", "layer 2 visual"))


def prediction_table(shared=SHARED) -> PredictionTable:
    table = pd.DataFrame(
        {"label": ["a", "b", "a"], "predicted": ["a", "a", "a"], "correct": [True, False, True]}, index=list("xyz")
    )
    axes = np.array([[1.0, 0], [0, 1.0], [9, 9]])
    vectors = {"layer 1 audio": axes, "layer 1 visual": axes, "layer 2 audio": axes, "layer 2 visual": -axes}
    present = {"audio": np.array([True, True, True]), "visual": np.array([True, True, False])}
    return PredictionTable("made", "classification", ("a", "b"), ("av",), shared, table, {}, vectors, present)


def test_every_stage_and_clip_with_both():
    found = distances(prediction_table())
    assert found["clip"].tolist() == ["x", "y", "x", "y"]
    assert found["stage"].tolist() == ["layer 1"] * 2 + ["layer 2"] * 2
    assert found["distance"].tolist() == pytest.approx([0, 0, 2, 2])
    # Two clips: each one's partner is the other, at a right angle.
    assert found["mismatched"].tolist() == pytest.approx([1, 1, 1, 1])
    assert found["outcome"].tolist() == ["right", "wrong"] * 2


def test_summary_by_hand():
    whole = summary(distances(prediction_table()))
    assert whole["mean"].tolist() == pytest.approx([0, 2])
    assert whole["nearer"].tolist() == [1, 0]
    by = summary(distances(prediction_table()), "outcome")
    assert list(zip(by["stage"], by["group"], by["clips"], strict=True)) == [
        ("layer 1", "right", 1), ("layer 1", "wrong", 1), ("layer 2", "right", 1), ("layer 2", "wrong", 1),
    ]  # fmt: skip
    assert by["low"].isna().all()


def test_interval_by_hand():
    table = pd.DataFrame({"stage": "s", "clip": list("abc"), "distance": [0.1, 0.2, 0.3], "mismatched": [1.0, 1.0, 0.0]})
    row = summary(table).iloc[0]
    # t(0.975, 2) = 4.302653, sd 0.1, so half a width of 4.302653 * 0.1 / sqrt(3).
    assert row["high"] - row["mean"] == pytest.approx(0.248414, abs=1e-6)
    assert row["nearer"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(("mismatched", "verdict"), [([0.5, 0.7, 0.6], 1), ([0.2, 0.2, 0.2], 0), ([-0.3, -0.3, -0.1], -1)])
def test_closer_than_chance_by_hand(mismatched: list[float], verdict: int):
    table = pd.DataFrame(
        {"stage": "s", "clip": list("abcd"), "distance": [0.1, 0.2, 0.3, np.nan], "mismatched": [*mismatched, 9.0]}
    )
    found = closeness(table, "s")
    assert found.verdict == verdict
    assert (found.clips, found.matched) == (3, pytest.approx(0.2))


def test_the_interval_of_the_difference_by_hand():
    table = pd.DataFrame({"stage": "s", "clip": list("abc"), "distance": [0.1, 0.2, 0.3], "mismatched": [0.5, 0.7, 0.6]})
    found = closeness(table, "s")
    # Differences 0.4, 0.5, 0.3: mean 0.4, sd 0.1, so half a width of 4.302653 * 0.1 / sqrt(3).
    assert (found.nearer, found.low) == (pytest.approx(0.4), pytest.approx(0.4 - 0.248414, abs=1e-6))


def test_one_clip_says_nothing():
    found = closeness(pd.DataFrame({"stage": ["s"], "clip": ["a"], "distance": [0.1], "mismatched": [np.nan]}), "s")
    assert (found.clips, found.verdict) == (0, 0)


def test_outliers_are_both_ends():
    table = pd.DataFrame({"stage": "s", "clip": [f"c{i}" for i in range(6)], "distance": [0.5, 0.1, np.nan, 0.9, 0.3, 0.7]})
    assert outliers(table, "s", 2)["clip"].tolist() == ["c3", "c5", "c4", "c1"]
    assert outliers(table, "s", 9)["clip"].tolist() == ["c3", "c5", "c0", "c4", "c1"]


def test_no_shared_layers_is_one_sentence():
    with pytest.raises(UserError, match="no layers that sound and picture share"):
        distances(prediction_table(()))
