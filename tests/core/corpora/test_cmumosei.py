"""CMU-MOSEI from its table, from computational sequences, and from the pickles that people pass on."""

import pickle

import h5py
import numpy as np
import pytest

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import known, open_corpus
from affectscope.core.corpora.describe import describe
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError
from affectscope.core.features.clips import load_clips
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.measured import evaluate_checkpoint
from affectscope.core.training.recipes import Recipe
from affectscope.core.training.run import train_checkpoint
from affectscope.core.training.splits import split_speakers
from tests.reference import SHARED

TABLE = """,file,index,start,end,label2a,label2b,label6,label7,split
0,--qXJuDtHPw,0,23.199,30.325,1,1,0,1,1
1,-3g5yACwYnA,0,82.753,100.555,0,-1,2,-3,0
2,-3g5yACwYnA,1,119.919,125.299,1,0,0,0,0
3,zzz,0,0.5,2.5,1,1,3,2,2
4,yyy,0,1,2,1,1,5,3,3
"""
FOLDS = "standard_train_fold=['aaa', 'bbb']\nstandard_valid_fold=['ccc']\nstandard_test_fold=['ddd']\n"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    for name in ("AFFECTSCOPE_CACHE", "AFFECTSCOPE_DATA"):
        monkeypatch.setenv(name, str(tmp_path_factory.mktemp("cache")))


def sequence(path, name, data):
    with h5py.File(path, "w") as file:
        for key, (features, intervals) in data.items():
            group = file.create_group(f"{name}/data/{key}")
            group["features"], group["intervals"] = np.asarray(features, np.float32), np.asarray(intervals, float)


def sequences(root):
    """Two segments of one video, one of another; sound at 2 frames a second with minus infinity in it, pictures at one."""
    told = [[1.4, 0, 2, 0, 0, 0, 0], [-2.5, 0, 0, 0, 0, 0, 1]]
    sequence(root / "CMU_MOSEI_Labels.csd", "All Labels", {"aaa": (told, [[1, 2], [2, 4]]), "ccc": (told[:1], [[0, 1]])})
    sound = np.arange(8 * 74, dtype=float).reshape(8, 74)
    sound[5, 3] = -np.inf
    times = np.arange(8) / 2
    sequence(root / "CMU_MOSEI_COVAREP.csd", "COVAREP", {"aaa": (sound, np.stack([times, times + 0.5], 1))})
    sequence(
        root / "CMU_MOSEI_VisualFacet42.csd",
        "FACET 4.2",
        {"aaa[1]": (np.ones((2, 35)), [[2, 3], [3, 4]]), "ccc": (np.ones((1, 35)), [[0, 1]])},
    )
    (root / "cmu_mosei_std_folds.py").write_text(FOLDS)


def test_the_table_has_segments_folds_and_sentiment(tmp_path):
    (tmp_path / "CMU_MOSEI_Labels.csv").write_bytes(TABLE.replace("\n", "\r\n").encode())
    content = describe(str(tmp_path))
    assert (content["kind"], content["segments"], content["videos"]) == ("cmu-mosei", 5, 4)
    assert (content["folds"], content["no_fold"]) == ({"train": 2, "valid": 1, "test": 1}, 1)
    assert content["duration"]["max"] == 17.802
    table = read(tmp_path).table
    assert table["sentiment"].tolist() == [1, -3, 0, 2, 3]
    assert table["label"].tolist() == ["1", "-3", "0", "2", "3"]
    assert split_speakers(table, 0, "official").tolist() == ["development", "train", "train", "test", "none"]
    assert read(tmp_path, options={"label": "emotion"}).table["label"].tolist() == [
        "happiness",
        "anger",
        "happiness",
        "surprise",
        "fear",
    ]
    assert read(tmp_path, options={"label": "sentiment3"}).table["label"].tolist()[1:3] == ["negative", "neutral"]


def test_sequences_give_segments_on_their_own_clocks(tmp_path):
    sequences(tmp_path)
    corpus = read(tmp_path)
    assert corpus.table.index.tolist() == ["aaa_0", "aaa_1", "ccc_0"]
    assert corpus.table["split"].tolist() == ["train", "train", "development"]
    assert corpus.table["sentiment"].tolist() == pytest.approx([1.4, -2.5, 1.4])
    assert corpus.table["sentiment7"].tolist() == ["1", "-2", "1"]
    assert corpus.table["emotion"].tolist() == ["sadness", "fear", "sadness"]
    assert {m: (g.name, g.dim) for m, g in corpus.given.items()} == {"audio": ("covarep", 74), "visual": ("facet", 35)}
    clips, broken = load_clips(corpus, workers=1, sets={"audio": "covarep", "visual": "facet"})
    assert not broken
    second = clips[1].streams
    assert second["audio"].times.tolist() == [0.25, 0.75, 1.25, 1.75]
    assert second["audio"].present.tolist() == [True, False, True, True]
    assert second["audio"].values[0, 0] == 4 * 74
    assert second["visual"].times.tolist() == [0.5, 1.5]
    assert not clips[2].streams["audio"].any
    assert clips[1].duration == 2


def pickled(path, ids, labels, **more):
    rng = np.random.default_rng(0)
    part = {
        "audio": np.concatenate([np.zeros((2, 3, 74)), rng.normal(size=(2, 2, 74))], 1),
        "vision": rng.normal(size=(2, 4, 35)).astype(np.float32),
        "text": rng.normal(size=(2, 4, 300)).astype(np.float32),
        "labels": labels,
        "id": ids,
    }
    path.write_bytes(
        pickle.dumps(
            {name: part if name == "train" else {k: v[:0] for k, v in part.items()} for name in ("train", "valid", "test")},
            **more,
        )
    )


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_of_public_layout_is_read_without_running_it(tmp_path, protocol):
    ids = np.array([["aaa", "1.0", "3.0"], ["bbb", "0", "1"]])
    file = tmp_path / "mosei_senti_data.pkl"
    pickled(file, ids, np.array([1.5, -3.0]).reshape(2, 1, 1), protocol=protocol)
    for corpus in (read(file), read(tmp_path)):
        assert corpus.kind == "cmu-mosei"
        assert corpus.table["speaker"].tolist() == ["aaa", "bbb"]
        assert corpus.table["sentiment"].tolist() == [1.5, -3]
        assert corpus.table["sentiment7"].tolist() == ["2", "-3"]
        assert {m: (g.name, g.dim) for m, g in corpus.given.items()} == {
            "audio": ("covarep", 74), "visual": ("facet", 35), "text": ("glove", 300)
        }  # fmt: skip
        audio = corpus.given["audio"].read(corpus.root, corpus.table.iloc[0])
        assert audio.times.tolist() == [0.5, 1.5]


def test_ids_of_other_makers_are_understood(tmp_path):
    pickled(tmp_path / "unaligned_50.pkl", ["vid_x$_$3", "vid_x$_$4"], np.array([0.0, 1.0]))
    table = read(tmp_path).table
    assert table.index.tolist() == ["vid_x_3", "vid_x_4"]
    assert set(table["speaker"]) == {"vid_x"}


def test_features_that_came_with_the_corpus_are_trained_on_by_its_folds(tmp_path):
    """No media anywhere: 74 and 35 features of six videos, two in each fold."""
    rng = np.random.default_rng(0)
    videos = ("aaa", "bbb", "ccc", "ccd", "ddd", "dde")
    (tmp_path / "cmu_mosei_std_folds.py").write_text(FOLDS.replace("'ccc'", "'ccc', 'ccd'").replace("'ddd'", "'ddd', 'dde'"))
    span = [[0, 1], [1, 2], [2, 3]]
    told = [[2.0] + [0] * 6, [-2.0] + [0] * 6, [0.0] + [0] * 6]
    sequence(tmp_path / "CMU_MOSEI_Labels.csd", "All Labels", dict.fromkeys(videos, (told, span)))
    times = np.stack([np.arange(12) / 4, np.arange(1, 13) / 4], 1)
    for name, dim in (("COVAREP", 74), ("FACET 4.2", 35)):
        sequence(tmp_path / f"CMU_MOSEI_{name}.csd", name, {video: (rng.normal(size=(12, dim)), times) for video in videos})
    known.remember("mosei", known.Known(str(tmp_path), "cmu-mosei", {"label": "sentiment3"}))
    config = TrainConfig(epochs=1, batch_size=4, accelerator="cpu", split="official")
    out = tmp_path / "model.safetensors"
    card = train_checkpoint("auxformer", "demo", "mosei", Recipe("standard", config), out, workers=1)
    assert card is not None
    assert card["clips"] == {"train": 6, "development": 6, "test": 6}
    assert card["speakers"] == {"train": ["aaa", "bbb"], "development": ["ccc", "ccd"], "test": ["ddd", "dde"]}
    assert card["features"] == {"audio": "covarep", "visual": "facet"}
    assert card["labels"] == ["negative", "neutral", "positive"]
    loaded = checkpoints.load(out)
    assert dict(loaded.spec.inputs) == {"audio": 74, "visual": 35}
    metrics, broken = evaluate_checkpoint(loaded, open_corpus("mosei"), workers=1)
    assert not broken
    assert 0 <= metrics["decision"]["accuracy"] <= 1


def test_what_is_wrong_is_one_sentence(tmp_path):
    file = tmp_path / "CMU_MOSEI_Labels.csv"
    for damaged, says in (
        (TABLE.replace(",1,1\n", ",1,7\n", 1), "7 for split in line 2"),
        (TABLE.replace("23.199", "soon"), "'soon' for start in line 2"),
        (TABLE + "9,zzz,0,0.5,2.5,0,-1,3,-2,2\n", "different things of zzz_0"),
    ):
        file.write_text(damaged)
        with pytest.raises(UserError, match=says):
            read(tmp_path)
    file.unlink()
    sequences(tmp_path)
    (tmp_path / "cmu_mosei_std_folds.py").write_text("import os\nstandard_train_fold = os.listdir('.')\n")
    with pytest.raises(UserError, match="no lists of videos"):
        read(tmp_path)
    (tmp_path / "cmu_mosei_std_folds.py").unlink()
    (tmp_path / "CMU_MOSEI_Labels.csd").write_bytes(b"no sequence")
    with pytest.raises(UserError, match="is damaged or no computational sequence"):
        read(tmp_path, "cmu-mosei")


@pytest.mark.skipif(not (SHARED / "labels" / "cmu_mosei").is_dir(), reason="the shared labels are not here")
def test_the_published_table_says_what_was_published():
    content = describe(str(SHARED / "labels" / "cmu_mosei"))
    assert content["segments"] == content["clips"] == 23_259
    assert content["folds"] == {"train": 16_327, "valid": 1_871, "test": 4_662}
    assert content["no_fold"] == 399
