"""How long a run will take, and what is said of small corpora; the numbers are worked by hand."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pandas as pd
import pytest

from affectscope.core.corpora import Corpus, bundled
from affectscope.core.training import forecast, runs, splits
from affectscope.core.training.forecast import Pace, counts, remarks
from affectscope.core.training.runs import Order, Run

ORDER = Order("auxformer", "demo", "demo", "optimised", 4, 1.5e-3, 0)


def corpus(labels: list[str], speakers: list[str]) -> Corpus:
    return Corpus("made-up", Path(), pd.DataFrame({"label": labels, "speaker": speakers}), tuple(sorted(set(labels))))


def test_a_clip_that_is_only_looked_at_costs_a_third() -> None:
    """5 s to start + 10 epochs * 0.5 s * (30 + 6 / 3) + 0.1 s * 42 clips = 169.2 s."""
    clips = {"train": 30, "development": 6, "test": 6}
    assert Pace(0.5, 0.1, "").seconds(10, clips) == pytest.approx(169.2)


def test_a_recorded_run_of_this_machine_goes_before_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 48 bundled clips of 8 speakers part into 36, 6 and 6: 76 s an epoch are 2 s for each of 36 + 6 / 3."""
    rows = [{"epoch": 0.0}, {"epoch": 1.0}]
    known = {
        "other": Run("other", Path(), dataclasses.replace(ORDER, strategy="standard"), "done", history=rows, pace=1.0),
        "mine": Run("mine", Path(), ORDER, "done", history=rows, pace=76.0),
    }
    monkeypatch.setattr(runs, "all_runs", lambda: known)
    found = forecast.pace(ORDER, splits.split_speakers)
    assert found == Pace(2.0, 0.0, "the run mine on this machine")
    assert found.seconds(4, counts(splits.split_speakers(bundled().table, 0))) == pytest.approx(5 + 4 * 76)
    assert forecast.pace(dataclasses.replace(ORDER, device="cuda:0"), splits.split_speakers) is None


def test_what_is_measured_is_kept_for_an_hour(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    assert forecast.pace(ORDER, splits.split_speakers) is None
    found = forecast.measure(ORDER)
    assert found.clip > 0
    assert forecast.pace(ORDER, splits.split_speakers) == found
    path = forecast.measured_path(ORDER)
    os.utime(path, (path.stat().st_mtime - 3601,) * 2)
    assert forecast.pace(ORDER, splits.split_speakers) is None


def test_small_corpora_are_told_with_their_numbers() -> None:
    small = corpus(["joy"] * 40 + ["fear"] * 5 + ["joy"] * 5, ["a"] * 45 + ["b"] * 5)
    split = pd.Series(["train"] * 45 + ["test"] * 5, small.table.index)
    few, tested = remarks(small, split)
    assert few.startswith("Few clips to learn from: 45, 5 to 40 of each class (fewest: fear).")
    assert tested.startswith("It is tested on 5 clips of 1 speaker: a single clip changes the accuracy by 20 points")


def test_a_corpus_that_is_large_enough_is_not_warned_of() -> None:
    """30 of each of two classes to learn from; 50 clips of four speakers to test on."""
    large = corpus(["joy", "fear"] * 55, ["a"] * 60 + [f"s{i % 4}" for i in range(50)])
    assert remarks(large, pd.Series(["train"] * 60 + ["test"] * 50, large.table.index)) == []
    assert len(remarks(large, pd.Series(["train"] * 59 + ["none"] + ["test"] * 50, large.table.index))) == 1


def test_a_corpus_of_attributes_and_without_speakers_has_its_own_words() -> None:
    bare = Corpus("made-up", Path(), pd.DataFrame({"arousal": [0.1] * 150}), ())
    few, tested = remarks(bare, pd.Series(["train"] * 140 + ["test"] * 10, bare.table.index))
    assert few.startswith("Few clips to learn from: 140. With fewer than 200")
    assert tested.startswith("It is tested on 10 clips: a single clip changes the accuracy by 10 points")
