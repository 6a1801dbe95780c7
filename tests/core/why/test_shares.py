"""Shares of the modalities: by hand, by exact values where there are few windows, and over a corpus."""

import numpy as np
import pandas as pd
import pytest

from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import bundled
from affectscope.core.library import named
from affectscope.core.why.asking import Question
from affectscope.core.why.modality import by_modality
from affectscope.core.why.shapley import coalitions, shapley
from affectscope.core.why.shares import mm_shap, over_corpus, summary
from tests.core.why.small import Config, question


def exact(about: Question) -> np.ndarray:
    """[H, N], from all coalitions of eight windows."""
    windows = [(m, rows[w]) for m in about.modalities for rows in [about.windows(m)] for w in range(len(rows)) if rows[w].any()]
    members = coalitions(len(windows))
    stay = {
        m: np.stack([np.any([frames for (n, frames), there in zip(windows, row, strict=True) if there and n == m] or
                            [np.zeros(about.batch.present[m].shape[1], bool)], 0) for row in members])
        for m in about.modalities
    }  # fmt: skip
    size = np.abs(shapley(about.scores(stay)))
    own = np.array([m for m, _ in windows])
    sums = np.stack([size[:, own == m].sum(1) for m in about.modalities], 1)
    return sums / sums.sum(1, keepdims=True)


def test_shares_come_close_to_all_coalitions():
    subject = question()
    np.testing.assert_allclose(mm_shap(subject, orders=200), exact(subject), atol=0.03)


def test_heads_of_one_modality_and_clips_without_another():
    subject = question()
    found = mm_shap(subject, orders=2)
    np.testing.assert_allclose(found[subject.heads.index("audio")], [1, 0])
    np.testing.assert_allclose(found[subject.heads.index("visual")], [0, 1])
    np.testing.assert_allclose(mm_shap(question(frames={"audio": 0, "visual": 4}), orders=2)[0], [0, 1])
    assert np.isnan(mm_shap(question(frames={"audio": 0, "visual": 0}), orders=2)).all()


def test_three_modalities_share_the_whole():
    found = mm_shap(question(Config({"audio": 4, "visual": 3, "text": 2})), orders=2)
    assert found.shape == (5, 3)
    np.testing.assert_allclose(found.sum(1), 1)


def test_a_seed_gives_the_same_shares():
    np.testing.assert_array_equal(mm_shap(question(), 2, 5), mm_shap(question(), 2, 5))


def test_means_by_class_right_and_wrong():
    table = pd.DataFrame(
        {
            "label": ["a", "a", "b", "b"],
            "predicted": ["a", "b", "b", "b"],
            "correct": [True, False, True, True],
            "mm_shap_audio": [0.8, 0.2, 0.5, 0.7],
            "mm_shap_visual": [0.2, 0.8, 0.5, 0.3],
        },
        index=pd.Index(list("wxyz"), name="clip"),
    )
    found = summary(table).set_index(["label", "answers"])
    assert found.index.tolist() == [
        ("all", "all"), ("all", "right"), ("all", "wrong"), ("a", "all"), ("a", "right"), ("a", "wrong"), ("b", "all"),
        ("b", "right"),
    ]  # fmt: skip
    assert found.loc[("all", "all"), "audio"] == pytest.approx(0.55)
    assert found.loc[("all", "right"), "audio"] == pytest.approx(2 / 3)
    assert found.loc[("b", "all"), "visual"] == pytest.approx(0.4)
    assert found.loc[("b", "all"), "clips"] == 2
    # Two clips: every drawn mean is 0.5, 0.6 or 0.7.
    assert found.loc[("b", "all"), "audio_low"] == pytest.approx(0.5)
    assert found.loc[("b", "all"), "audio_high"] == pytest.approx(0.7)
    assert np.isnan(found.loc[("a", "right"), "audio_low"])


def test_clips_without_a_label_are_neither_right_nor_wrong():
    table = pd.DataFrame({"label": ["", ""], "correct": [None, None], "mm_shap_audio": [0.1, 0.3], "mm_shap_visual": [0.9, 0.7]})
    assert summary(table)[["label", "answers", "clips"]].values.tolist() == [["all", "all", 2]]


def test_over_some_clips_of_a_corpus(tmp_path):
    from dataclasses import replace

    corpus = bundled()
    some = replace(corpus, table=corpus.table.iloc[:2])
    checkpoint = named.checkpoint("auxformer")
    store = FeatureStore(tmp_path, shipped=[corpus.features])
    stages: list[str] = []
    table, broken = over_corpus(checkpoint, some, store, orders=1, progress=lambda stage, share: stages.append(stage))
    assert broken == []
    assert stages == ["Analysing clip 1 of 2", "Analysing clip 2 of 2"]
    assert table["correct"].tolist() == (table["label"] == table["predicted"]).tolist()
    np.testing.assert_allclose(table["share_audio"] + table["share_visual"], 1)
    np.testing.assert_allclose(table["mm_shap_audio"] + table["mm_shap_visual"], 1)
    # The same as of the clip alone.
    from affectscope.core.inference.corpus import each_clip

    clip, streams, duration = next(each_clip(checkpoint, some, [], store))
    alone = by_modality(Question(checkpoint, streams, duration))
    assert table.at[clip, "shapley_audio"] == pytest.approx(alone.shapley[0, 0])
