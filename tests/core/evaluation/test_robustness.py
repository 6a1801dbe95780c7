"""What a robustness curve is held against, on a table made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.training.robustness import Curves, curve, curves_key, levels, load, measure, save
from tests.core.test_perturbation import SMALL, checkpoint

SCORES = {
    ("audio", 0.0): (0.8, 0.8), ("audio", 0.5): (0.6, 0.8), ("audio", 1.0): (0.5, 0.5),
    ("visual", 0.0): (0.8, 0.8), ("visual", 0.5): (0.7, 0.7), ("visual", 1.0): (0.4, 0.4),
}  # fmt: skip


def table() -> pd.DataFrame:
    rows = [
        {"modality": m, "rate": rate, "draw": draw, "head": head, "accuracy": score - (0.1 if head == "visual" else 0)}
        for (m, rate), scores in SCORES.items()
        for draw, score in enumerate(scores)
        for head in ("av", "audio", "visual", "decision")
    ]
    return pd.DataFrame(rows)


def test_a_curve_rises_with_what_is_there_and_spreads_over_the_draws():
    found = curve(table(), "audio", "accuracy")
    assert found["present"].tolist() == [0, 50, 100]
    assert found["mean"].tolist() == pytest.approx([0.5, 0.7, 0.8])
    assert found["low"].tolist() == pytest.approx([0.5, 0.6, 0.8])
    assert found["high"].tolist() == pytest.approx([0.5, 0.8, 0.8])
    assert curve(table(), "audio", "ccc").empty


def test_levels_are_those_of_figure_5():
    spec = AuxFormer(SMALL).spec
    assert levels(table(), spec, "audio", "accuracy") == pytest.approx({"whole": 0.8, "without": 0.5, "alone": 0.7})
    assert levels(table(), spec, "visual", "accuracy") == pytest.approx({"whole": 0.8, "without": 0.4, "alone": 0.8})
    assert levels(table(), spec, "text", "accuracy") == pytest.approx({"baseline": 0.8})
    assert levels(table(), spec, "audio", "ccc") == {}


def test_curves_come_back_from_disk_and_a_broken_file_is_none(tmp_path):
    save(table(), tmp_path / "a.csv")
    pd.testing.assert_frame_equal(load(tmp_path / "a.csv"), table())
    (tmp_path / "b.csv").write_text("half a fi")
    assert load(tmp_path / "b.csv") is None
    assert load(tmp_path / "none.csv") is None


def test_curves_of_a_model_over_a_corpus(monkeypatch):
    from types import SimpleNamespace

    from affectscope.core.streams import Clip
    from affectscope.core.training import robustness
    from tests.core.test_perturbation import streams

    clips = [Clip(str(i), streams(), 1.0, {"label": label}) for i, label in enumerate(("anger", "fear", "fear"))]
    monkeypatch.setattr(robustness, "load_clips", lambda *_: (clips, []))
    told: list[float] = []
    corpus = SimpleNamespace(name="made up", root=Path("nowhere"), table=pd.DataFrame({"label": ["anger"]}), given={})
    found = measure(checkpoint(), corpus, Curves(draws=2), progress=lambda stage, share: told.append(share))
    assert sorted(found["rate"].unique()) == [i / 10 for i in range(11)]
    assert set(found["modality"]) == {"audio", "visual"}
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert curves_key(checkpoint(), corpus, Curves()) != curves_key(checkpoint(), corpus, Curves(draws=2))


def test_curves_from_a_store_are_those_of_the_clips_in_processes_too(monkeypatch, tmp_path):
    from types import SimpleNamespace

    import torch

    from affectscope.core.corpora import Corpus
    from affectscope.core.evaluation import sweep as sweeping
    from affectscope.core.features.sets import FEATURE_SETS
    from affectscope.core.features.stored.packed import default_folder
    from affectscope.core.features.stored.packing import Packing
    from affectscope.core.streams import Clip
    from affectscope.core.training import robustness
    from tests.core.test_perturbation import streams

    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    table = pd.DataFrame({"path": "", "label": ["anger", "fear"]}, index=["a", "b"])
    corpus = Corpus("stored", tmp_path, table, ("anger", "fear"))
    clips = [Clip(clip, streams(), 1.0, {"label": label}) for clip, label in table["label"].items()]
    monkeypatch.setattr(robustness, "load_clips", lambda *_: (clips, []))
    monkeypatch.setattr(robustness, "RATES", (0.0, 0.5, 1.0))
    expected = measure(
        checkpoint(), SimpleNamespace(name="made up", root=Path("nowhere"), table=table, given={}), Curves(draws=2)
    )
    order = {clip: f"{ord(clip):064x}" for clip in table.index}
    for modality, name in (("audio", "llds"), ("visual", "face-views")):
        packing = Packing(default_folder(corpus.name, corpus.root), FEATURE_SETS[name], {}, order)
        for clip in clips:
            own = clip.streams[modality]
            made = {"values": own.values, "times": own.times, "present": own.present, "duration": np.array(1.0)}
            packing.put(order[clip.id], made)
        packing.finish({})
    monkeypatch.setattr(robustness, "load_clips", lambda *_: pytest.fail("the store was not used"))
    monkeypatch.setattr(sweeping, "ROWS_FOR_PROCESSES", 0)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        pd.testing.assert_frame_equal(measure(checkpoint(), corpus, Curves(draws=2)), expected)
    finally:
        torch.set_num_threads(before)
