"""The labels and features of VAVL's and AuxFormer's repositories."""

import numpy as np
import pytest

from affectscope.core.corpora.describe import describe
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError
from affectscope.core.features.clips import load_clips
from affectscope.core.training.splits import split_speakers
from tests.reference import SHARED

CREMA = """FileName,angry,sad,disgust,fear,neutral,happy,SpkrID,Gender,Split_Set
1026_IEO_ANG_HI.wav,0.856,0.01,0.01,0.104,0.01,0.01,1026,Male,Train
1065_IWL_SAD_XX.wav,0.104,0.3,0.01,0.01,0.276,0.3,1065,Male,Development
1003_IWL_HAP_XX.wav,0.01,0.01,0.01,0.01,0.06,0.9,1003,Female,Test
"""
IMPROV = """FileName,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-IMPROV-S01A-F02-R-FF01.wav,2,1,3,2,Female,Train
MSP-IMPROV-S01A-M02-R-MM01.wav,5,4,3,2,Male,Test
"""


def repository(root):
    for place, text in (
        ("CREMA-D/labels_consensus_6class_M/label_consensus_", CREMA),
        ("MSP-IMPROV/labels_consensus_EmoP_4class_D/labels_consensus_", IMPROV),
    ):
        for k in (1, 2):
            file = root / "data" / f"{place}{k}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text if k == 1 else text.replace("Train", "Other").replace("Test", "Train").replace("Other", "Test"))
    return root / "data"


def test_one_table_has_classes_speakers_and_sets(tmp_path):
    (tmp_path / "labels.csv").write_text(CREMA)
    corpus = read(tmp_path / "labels.csv")
    assert corpus.kind == "vavl"
    assert corpus.labels == ("anger", "sadness", "disgust", "fear", "neutral", "happiness")
    # Of equal shares the first, as the public code's argmax has it.
    assert corpus.table["label"].tolist() == ["anger", "sadness", "happiness"]
    assert split_speakers(corpus.table, 0, "official").tolist() == ["train", "development", "test"]
    content = describe(str(tmp_path))
    assert (content["clips"], content["speakers"], content["no_speaker_in_two_sets"]) == (3, 3, True)


def test_attributes_are_centred_and_women_and_men_are_counted_apart(tmp_path):
    (tmp_path / "improv.csv").write_bytes(IMPROV.replace("\n", "\r\n").encode("utf-8-sig"))
    table = read(tmp_path).table
    assert table["speaker"].tolist() == ["F02", "M02"]
    assert table[["arousal", "valence", "dominance"]].to_numpy().tolist() == [[-0.5, -1.0, 0.0], [1.0, 0.5, 0.0]]


def test_a_repository_is_described_file_by_file_and_read_by_choice(tmp_path):
    data = repository(tmp_path)
    content = describe(str(tmp_path))
    assert {file.count("/") for file in content["files"]} == {3}
    assert len(content["files"]) == 4
    with pytest.raises(UserError, match="4 tables of labels"):
        read(data)
    chosen = read(tmp_path, options={"labels": "labels_consensus_6class_M", "partition": "2"})
    assert chosen.table["split"].tolist() == ["test", "development", "train"]
    assert chosen.root == data / "CREMA-D"
    assert read(data / "MSP-IMPROV").table["split"].tolist() == ["train", "test"]


def test_a_speaker_in_two_sets_is_found(tmp_path):
    (tmp_path / "labels.csv").write_text(CREMA.replace("1065,Male", "1026,Male"))
    content = describe(str(tmp_path))
    assert (content["speakers_in_two_sets"], content["no_speaker_in_two_sets"]) == (1, False)


def test_features_come_with_the_labels(tmp_path):
    """VAVL: an array a clip. AuxFormer: an array a frame, whose names count."""
    (tmp_path / "labels.csv").write_text(CREMA)
    faces = tmp_path / "Face_features"
    faces.mkdir()
    np.save(faces / "1026_IEO_ANG_HI.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    np.save(faces / "1065_IWL_SAD_XX.npy", np.full((2, 2), np.nan))
    corpus = read(tmp_path)
    assert (corpus.given["visual"].name, corpus.given["visual"].dim) == ("efficientnet-b2", 2)
    assert "1 clips have no features in Face_features." in corpus.missing
    clips, broken = load_clips(corpus, workers=1, sets={"audio": "llds", "visual": "efficientnet-b2"})
    stream = clips[0].streams["visual"]
    assert stream.values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert stream.times.tolist() == pytest.approx([0.5 / 30, 1.5 / 30, 2.5 / 30])
    assert not clips[0].streams["audio"].any
    assert not clips[1].streams["visual"].any
    assert len(broken) == 1
    assert "1003_IWL_HAP_XX" in broken[0]

    frames = tmp_path / "aux" / "Videos" / "1026_IEO_ANG_HI"
    frames.mkdir(parents=True)
    (tmp_path / "aux" / "labels.csv").write_text(CREMA)
    for n in (10, 9, 1):
        np.save(frames / f"{n}.npy", np.full(5, n, np.float32))
    corpus = read(tmp_path / "aux", "auxformer")
    row = corpus.table.iloc[0]
    assert corpus.given["visual"].read(corpus.root, row).values[:, 0].tolist() == [1, 9, 10]


def test_pickled_features_and_wrong_tables_are_one_sentence(tmp_path):
    (tmp_path / "labels.csv").write_text(CREMA)
    (tmp_path / "Face_features").mkdir()
    np.save(tmp_path / "Face_features" / "1026_IEO_ANG_HI.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match="no array of numbers"):
        read(tmp_path)
    for damaged, says in (
        (CREMA.replace("Development", "Holdout"), "'Holdout' in line 3"),
        (CREMA.replace("0.856", "much"), "'much' for angry in line 2"),
        (CREMA + CREMA.splitlines()[1].replace("0.856", "0.5"), "different things of 1026_IEO_ANG_HI.wav"),
    ):
        (tmp_path / "labels.csv").write_text(damaged)
        with pytest.raises(UserError, match=says):
            read(tmp_path)


@pytest.mark.skipif(not (SHARED / "labels" / "vavl_splits").is_dir(), reason="the shared labels are not here")
def test_the_published_files_say_what_was_published():
    content = describe(str(SHARED / "labels" / "vavl_splits"))
    assert {name: facts["clips"] for name, facts in content["files"].items()} == {
        "crema_d_6class_M_1.csv": 5820,
        "msp_improv_EmoP_4class_D_1.csv": 8385,
    }
    assert content["no_speaker_in_two_sets"]
    for name, facts in content["files"].items():
        alone = describe(str(SHARED / "labels" / "vavl_splits" / name))
        assert (alone["clips"], alone["speakers_in_two_sets"]) == (facts["clips"], 0)
