from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from affectscope.core.errors import UserError
from affectscope.core.training.splits import SEEDS, SPLITS, by_speaker, folds, official, split_speakers


def layout(seed: int) -> pd.DataFrame:
    """A corpus of random shape: 3 to 60 speakers with 1 to hundreds of clips each, some labels rare, rows in any order."""
    random = np.random.default_rng(seed)
    count = int(random.integers(3, 60))
    clips = random.integers(1, 20, count) if seed % 2 else (random.pareto(1.5, count) * 8 + 1).astype(int).clip(max=400)
    table = pd.DataFrame({"speaker": np.repeat([f"s{i}" for i in range(count)], clips)})
    if seed % 3:
        table["label"] = random.choice(["anger", "fear", "joy"], len(table), p=[0.7, 0.27, 0.03])
    table.index = pd.Index([f"c{i}" for i in range(len(table))])
    return table.iloc[random.permutation(len(table))]


def assert_no_speaker_crosses(table: pd.DataFrame, split: pd.Series) -> None:
    """Every clip is in exactly one part, every part has a clip, and no two parts share a speaker."""
    assert split.index.equals(table.index)
    assert split.isin(SPLITS).all()
    speakers = [set(table["speaker"][split == name]) for name in SPLITS]
    assert all(speakers)
    assert not any(a & b for a, b in combinations(speakers, 2))


@pytest.mark.parametrize("shape", range(30))
def test_no_speaker_crosses_whatever_the_corpus_and_the_seed(shape):
    table = layout(shape)
    for seed in SEEDS:
        assert_no_speaker_crosses(table, by_speaker(table, seed))
    speakers = table["speaker"].nunique()
    for count in {3, min(10, speakers)}:
        parts = folds(table, count, seed=shape)
        assert len(parts) == count
        for split in parts:
            assert_no_speaker_crosses(table, split)
        tested = pd.concat([split == "test" for split in parts], axis=1).sum(axis=1)
        developed = pd.concat([split == "development" for split in parts], axis=1).sum(axis=1)
        assert (tested == 1).all()
        assert (developed == 1).all()


def test_the_seeds_are_twenty_and_give_twenty_splits():
    assert len(set(SEEDS)) == 20
    table = pd.DataFrame({"speaker": [f"s{i % 30}" for i in range(300)]})
    assert len({tuple(by_speaker(table, seed)) for seed in SEEDS}) == 20


def test_a_seed_gives_what_it_always_gave():
    """Cards of shipped checkpoints name the speakers of seed 0: a corpus of even speakers must be split as before."""
    table = pd.DataFrame({"speaker": [f"t{i:02d}" for i in range(1, 29)] * 3})
    split = by_speaker(table, 0)
    assert sorted(set(table["speaker"][split == "development"])) == ["t10", "t15", "t18", "t23"]
    assert sorted(set(table["speaker"][split == "test"])) == ["t02", "t16", "t25", "t26"]


def test_the_order_of_the_rows_does_not_matter():
    table = layout(7)
    shuffled = table.sample(frac=1, random_state=1)
    for seed in SEEDS[:5]:
        pd.testing.assert_series_equal(by_speaker(shuffled, seed).loc[table.index], by_speaker(table, seed))


def test_shares_are_of_clips_where_speakers_are_uneven():
    random = np.random.default_rng(0)
    table = pd.DataFrame({"speaker": np.repeat(np.arange(40), random.integers(2, 120, 40))})
    for seed in SEEDS:
        got = by_speaker(table, seed).value_counts(normalize=True)
        assert got["train"] == pytest.approx(0.70, abs=0.06)
        assert got["development"] == pytest.approx(0.15, abs=0.05)
        assert got["test"] == pytest.approx(0.15, abs=0.05)


def test_a_label_of_few_speakers_is_in_training():
    """Two of twelve speakers ever say "awe"; a draw by speakers alone leaves both out of training now and then."""
    table = pd.DataFrame({"speaker": np.repeat(np.arange(12), 10), "label": "joy"})
    table.loc[table["speaker"].isin([3, 8]) & (table.index % 2 == 0), "label"] = "awe"
    for seed in SEEDS:
        assert (table["label"][by_speaker(table, seed) == "train"] == "awe").any()


def test_ten_folds_are_eighty_ten_ten():
    """mocanu2023multimodal's corpora: 24 actors with 60 clips each (RAVDESS)."""
    table = pd.DataFrame({"speaker": np.repeat(np.arange(24), 60)})
    for split in folds(table):
        got = split.value_counts(normalize=True)
        assert 0.75 <= got["train"] <= 0.84
        assert 2 / 24 <= got["test"] <= 3 / 24 + 1e-9
        assert 2 / 24 <= got["development"] <= 3 / 24 + 1e-9


def test_numbered_speakers_and_labels_on_a_scale_are_fine():
    table = pd.DataFrame({"speaker": np.arange(40) % 8, "label": np.linspace(-3, 3, 40)})
    assert_no_speaker_crosses(table, by_speaker(table, 1))


@pytest.mark.parametrize(
    ("speakers", "count", "says"),
    [(8, 10, "8 or fewer"), (2, 3, "three are the least"), (5, 2, "three folds or more"), (1, 10, "has 1")],
)
def test_too_few_speakers_for_the_folds_is_one_sentence(speakers, count, says):
    with pytest.raises(UserError, match=says):
        folds(pd.DataFrame({"speaker": np.arange(speakers)}), count)


@pytest.mark.parametrize("name", [None, ""])
def test_a_clip_without_a_speaker_is_one_sentence(name):
    table = pd.DataFrame({"speaker": ["a", "b", "c", name]})
    for split in (lambda: by_speaker(table, 0), lambda: folds(table, 3)):
        with pytest.raises(UserError, match="name no speaker"):
            split()


def test_a_corpus_that_names_no_speaker_at_all_keeps_its_own_split():
    table = pd.DataFrame({"speaker": "", "split": ["train", "develop", "test"]})
    assert official(table).tolist() == ["train", "development", "test"]
    assert official(table.drop(columns="speaker")).tolist() == ["train", "development", "test"]
    with pytest.raises(UserError, match="name no speaker"):
        official(table.assign(speaker=["a", "", "b"]))


def test_the_corpus_own_split_is_read_by_any_of_its_names():
    table = pd.DataFrame({"speaker": list("aabbc"), "split": ["Train", "training", "validation", "Development", "test"]})
    assert list(official(table)) == ["train", "train", "development", "development", "test"]


@pytest.mark.parametrize(
    ("split", "says"),
    [
        (["train", "dev", "holdout"], "holdout"),
        (["train", "train", "dev"], "no clip for test"),
        (["test", "test", "test"], "train or development"),
        (["train", "dev", ""], "calls a part ''"),
    ],
)
def test_a_wrong_official_split_is_one_sentence(split, says):
    with pytest.raises(UserError, match=says):
        official(pd.DataFrame({"speaker": ["a", "b", "c"], "split": split}))


def test_an_official_split_may_lack_a_part_that_nobody_needs_but_no_speaker_may_cross():
    table = pd.DataFrame({"speaker": ["a", "b", "c"], "split": ["train", "train", "validation"]})
    assert list(official(table, ("train", "development"))) == ["train", "train", "development"]
    with pytest.raises(UserError, match="speaker a in train and in development"):
        official(table.assign(speaker=["a", "b", "a"]), ("train", "development"))
    with pytest.raises(UserError, match="no split of its own"):
        official(table[["speaker"]])


def test_clips_that_the_authors_left_out_are_in_no_part_and_may_cross():
    table = pd.DataFrame({"speaker": ["a", "b", "c", "a"], "split": ["train", "dev", "test", "none"]})
    assert list(official(table)) == ["train", "development", "test", "none"]
    assert list(split_speakers(table, 3, "official")) == ["train", "development", "test", "none"]
    assert list(split_speakers(table, 3)) == list(by_speaker(table, 3))


@pytest.mark.parametrize("held", ["validation", "test"])
def test_what_an_official_split_lacks_is_drawn_from_its_training_speakers(held):
    """Twenty speakers to train on and five held out: three of the twenty are drawn for development."""
    table = pd.DataFrame({"speaker": np.repeat(np.arange(25), 4)})
    table["split"] = np.where(table["speaker"] < 20, "train", held)
    for seed in SEEDS[:4]:
        split = split_speakers(table, seed, "official")
        assert_no_speaker_crosses(table, split)
        assert set(table["speaker"][split == "test"]) == set(range(20, 25))
        assert table["speaker"][split == "development"].nunique() == 3
    assert not split_speakers(table, 0, "official").equals(split_speakers(table, 1, "official"))


def test_an_official_split_with_nothing_to_test_on_is_one_sentence():
    with pytest.raises(UserError, match="no clip for development or test"):
        split_speakers(pd.DataFrame({"speaker": ["a", "b"], "split": ["train", "train"]}), 0, "official")
    with pytest.raises(UserError, match="one speaker to train on"):
        split_speakers(pd.DataFrame({"speaker": ["a", "b"], "split": ["train", "test"]}), 0, "official")
