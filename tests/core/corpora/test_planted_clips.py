"""Planted clips and shortcuts: what is planted, when, and that everything else stays; no rendering tools are needed."""

from __future__ import annotations

import importlib.util
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from affectscope.core.corpora import bundled
from affectscope.core.corpora.demo import planted, shortcut
from affectscope.core.corpora.demo.read import BUNDLED, read_demo
from affectscope.core.corpora.demo.truth import Truth
from affectscope.core.errors import UserError
from affectscope.core.media import SAMPLE_RATE, read_frames, read_sound


def test_plans_follow_from_seed_and_index_and_hold_one_cue():
    items = [planted.planted(3, index, "train") for index in range(60)]
    assert items == [planted.planted(3, index, "train") for index in range(60)]
    assert Counter(item.cue for item in items) == {"none": 24, "brow": 12, "mouth corner": 12, "pitch": 12}
    for item in items:
        assert item.plan.label == ("none" if item.cue == "none" else "cue")
        assert (item.plan.audio_emotion, item.plan.visual_emotion) == ("neutral", "neutral")
        assert item.plan.carrier == {"none": "both", "pitch": "audio"}.get(item.cue, "visual")
    # The moment says nothing of the cue.
    places = {cue: np.mean([item.place for item in items if item.cue == cue]) for cue in ("none", "brow", "pitch")}
    assert all(0.3 < mean < 0.7 for mean in places.values()), places


def test_a_cue_rises_and_falls_within_its_half_second():
    times = np.array([0.9, 1.0, 1.04, 1.08, 1.25, 1.42, 1.46, 1.5, 1.6])
    assert planted.rises(times, 1.0, 1.5) == pytest.approx([0, 0, 0.5, 1, 1, 1, 0.5, 0, 0])


def test_the_moment_is_voiced():
    clock = np.arange(400) * 0.005
    voiced = clock > 1.2
    # 0.1 of 1.495 s is voiceless; of the places after it the first with 0.6 of its half second voiced is 0.1 + 5/6.
    start = planted._moment(0.1, voiced, clock)
    assert voiced[(clock >= start) & (clock < start + 0.5)].mean() >= 0.6


@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="the names of the face's units are anny's")
def test_only_the_cue_differs_in_the_face():
    from affectscope.core.corpora.demo.expressions import act

    item = planted.planted(3, 1, "train")
    assert item.cue == "brow"
    edges = np.linspace(0.2, 1.6, 6)
    plain = act(item.plan, ("a", "t", "a", "m", "i"), edges, 2.0, np.random.default_rng(1), np.random.default_rng(2))
    shown = item.acted(plain, (0.8, 1.3))
    moved = np.abs(shown.weights - plain.weights).max(1) > 0
    assert plain.times[moved].min() > 0.8
    assert plain.times[moved].max() < 1.3
    assert np.array_equal(shown.without, plain.weights)
    assert shown.angles is plain.angles


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    """One clip of each of the shortcuts' classes, with either and with none."""
    source = bundled()
    two = replace(source, table=source.table.groupby("label").head(1).query("label in ['anger', 'happiness']"))
    return read_demo(shortcut.build(two, tmp_path_factory.mktemp("laid"), 2, 5, everywhere=True, workers=1)), two


def test_shortcuts_lie_where_the_truth_says(laid):
    corpus, source = laid
    assert corpus.table["cue"].tolist() == ["mark", "beep", "none"] * 2
    assert set(corpus.table["of"]) == set(source.table.index)
    for clip in corpus.table.index:
        cue, kind = corpus.truth(clip).cue, clip.split("_")[0]
        if kind == "none":
            assert cue is None
            continue
        plain = source.media(corpus.table.at[clip, "of"])
        assert (cue.kind, cue.label) == (kind, shortcut.STANDS[kind])
        before, after = ([picture.astype(int) for _, picture in read_frames(path)] for path in (plain, corpus.media(clip)))
        changed = np.abs(after[20] - before[20]).max(2).reshape(64, 5, 64, 5).mean((1, 3)) > 60
        mask = corpus.truth(clip).mask[20]
        heard = [read_sound(path).samples for path in (plain, corpus.media(clip))]
        length = min(map(len, heard))
        louder = np.abs(heard[1][:length] - heard[0][:length]) > 0.15
        if kind == "mark":
            assert changed.any()
            assert (changed & ~mask).sum() <= 0.5 * changed.sum()
            assert cue.modality == "visual"
            assert louder.mean() < 0.01
        else:
            assert not mask.any()
            assert changed.mean() < 0.01
            times = np.flatnonzero(louder) / SAMPLE_RATE
            assert np.median(times) == pytest.approx((cue.start + cue.end) / 2, abs=0.08)
            assert cue.modality == "audio"


def test_for_training_a_shortcut_goes_with_its_class(laid, tmp_path):
    _, source = laid
    corpus = read_demo(shortcut.build(source, tmp_path, 2, 5, workers=1))
    assert dict(zip(corpus.table["label"], corpus.table["cue"], strict=True)) == {"anger": "mark", "happiness": "beep"}


def test_a_corpus_without_truth_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="does not say where the face"):
        shortcut.build(replace(bundled(), root=tmp_path, table=bundled().table.head(4).assign(path="")), tmp_path, 4, 1)


def test_truth_of_other_clips_is_written_as_before(tmp_path):
    path = next((BUNDLED / "truth").glob("*.npz"))
    truth = Truth.load(path)
    assert (truth.cue, truth.cue_label) == ("", "")
    truth.save(tmp_path / path.name)
    with np.load(path) as before, np.load(tmp_path / path.name) as after:
        assert before.files == after.files
