"""Aff-Wild2: a line a frame, -5 where nobody labelled it, and two people in a video."""

import pytest

from affectscope.core.corpora.describe import describe
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError
from affectscope.core.training.splits import split_speakers
from tests.media_files import clip

HEAD = "valence,arousal\n"


def corpus(root, end="\n"):
    files = {
        "Train_Set/10-60.txt": "0.5,-0.25\n-5,-5\n0.1,0.3\n",
        "Train_Set/video5_left.txt": "-5,-5\n-5,0.2\n",
        "Train_Set/video5_right.txt": "0.25,0.75\n0.75,0.25\n",
        "Validation_Set/24-30.txt": "1,-1\n",
    }
    for name, lines in files.items():
        file = root / "VA_Estimation_Challenge" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((HEAD + lines).replace("\n", end).encode())
    other = root / "AU_Detection_Challenge" / "Train_Set"
    other.mkdir(parents=True)
    (other / "10-60.txt").write_text("AU1,AU2\n0,1\n")
    return root


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_frames_people_videos_and_sets(tmp_path, end):
    content = describe(str(corpus(tmp_path, end)))
    assert (content["kind"], content["clips"], content["videos"], content["videos_with_two_people"]) == ("aff-wild2", 4, 3, 1)
    assert (content["frames"], content["labelled_frames"]) == (8, 5)
    assert content["videos_by_set"] == {"development": 1, "train": 2}
    assert content["no_speaker_in_two_sets"]
    table = read(tmp_path).table
    assert table.loc["10-60", ["valence", "arousal"]].tolist() == pytest.approx([0.3, 0.025])
    assert table.loc["video5_right", ["speaker", "person"]].tolist() == ["video5", "right"]
    assert table.loc["video5_left", "labelled"] == 0


def test_the_annotations_are_on_the_videos_clock_and_both_people_share_the_video(tmp_path):
    corpus(tmp_path)
    (tmp_path / "batch1").mkdir()
    (tmp_path / "cropped_aligned").mkdir()
    clip(tmp_path / "batch1" / "video5.mp4", frames=4, fps=10)
    clip(tmp_path / "cropped_aligned" / "nobody.mp4", frames=2)
    found = read(tmp_path)
    assert found.table["path"].to_dict() == {
        "10-60": "", "24-30": "", "video5_left": "batch1/video5.mp4", "video5_right": "batch1/video5.mp4"
    }  # fmt: skip
    annotations = found.read_annotations(found.root, found.table.loc["video5_right"])
    assert annotations["valence"].values[:, 0].tolist() == [0.25, 0.75]
    assert annotations["valence"].times.tolist() == pytest.approx([0, 0.1])
    annotations = found.read_annotations(found.root, found.table.loc["10-60"])
    assert annotations["arousal"].present.tolist() == [True, False, True]
    assert annotations["arousal"].times.tolist() == pytest.approx([0.5 / 30, 1.5 / 30, 2.5 / 30])


def test_the_official_split_tests_on_validation_and_develops_on_videos_of_train(tmp_path):
    split = split_speakers(read(corpus(tmp_path)).table, 0, "official")
    assert split["24-30"] == "test"
    assert split["video5_left"] == split["video5_right"]
    assert sorted({split["10-60"], split["video5_left"]}) == ["development", "train"]


def test_what_is_wrong_is_said(tmp_path):
    folder = corpus(tmp_path) / "VA_Estimation_Challenge" / "Train_Set"
    (folder / "readme.txt").write_text("Thank you")
    (folder / "10-60.txt").write_text(HEAD + "2,0\n0,0\n")
    found = read(tmp_path)
    assert any("readme.txt" in line for line in found.missing)
    assert any("1 frames beyond" in line for line in found.missing)
    assert found.table.loc["10-60", "labelled"] == 1
    (folder / "24-30.txt").write_text(HEAD + "0,0\n")
    with pytest.raises(UserError, match="24-30 is annotated in two sets"):
        read(tmp_path)
    (folder / "24-30.txt").write_text(HEAD + "0,0\n0;1\n")
    with pytest.raises(UserError, match="line 3"):
        read(tmp_path)


def test_of_several_years_one_is_chosen(tmp_path):
    for year in ("Third ABAW Annotations", "Sixth ABAW Annotations"):
        corpus(tmp_path / year)
    with pytest.raises(UserError, match=r"several years .*Sixth ABAW Annotations/VA.*--option release"):
        read(tmp_path)
    found = read(tmp_path, options={"release": "Third ABAW Annotations"}).table
    assert len(found) == 4
    assert found["annotation"].str.startswith("Third").all()


def test_a_blank_line_between_frames_moves_none(tmp_path):
    file = corpus(tmp_path) / "VA_Estimation_Challenge" / "Validation_Set" / "24-30.txt"
    file.write_text(HEAD + "1,-1\n0,0\n\n\n")
    assert read(tmp_path).table.loc["24-30", "frames"] == 2
    file.write_text(HEAD + "1,-1\n\n0,0\n")
    with pytest.raises(UserError, match=r"24-30\.txt lacks a number in line 3"):
        read(tmp_path)


EXPR = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n"


def task_files(root, folder, files):
    for name, content in files.items():
        file = root / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def test_a_clips_class_is_the_one_of_most_annotated_frames(tmp_path):
    files = {
        "Train_Set/a.txt": EXPR + "-1\n4\n4\n0\n-1\n",
        "Train_Set/b_left.txt": EXPR + "-1\n-1\n",
        "Validation_Set/c.txt": EXPR + "7\n",
    }
    found = read(task_files(tmp_path, "EXPR_Classification_Challenge", files))
    assert found.kind == "aff-wild2"
    assert found.labels == ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
    assert found.table["label"].to_dict() == {"a": "happiness", "b_left": "", "c": "other"}
    assert found.table.loc["a", ["frames", "labelled"]].tolist() == [5, 3]
    assert found.table.loc["a", ["share happiness", "share neutral", "share fear"]].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert found.facts["frames_by_class"]["happiness"] == 2
    assert any("most of its annotated frames" in line for line in found.missing)
    assert "1 clips have no annotated frame, and so no label." in found.missing
    drawn = found.read_annotations(found.root, found.table.loc["a"])
    assert drawn["happiness"].values[:, 0].tolist() == [0, 1, 1, 0, 0]
    assert drawn["neutral"].present.tolist() == [False, True, True, True, False]


def test_a_class_that_is_none_and_two_that_tie_are_said(tmp_path):
    found = read(task_files(tmp_path, "EXPR_Set", {"Training_Set/a.txt": EXPR + "1\n2\n9\n"}))
    assert found.table.loc["a", "label"] in ("anger", "disgust")
    assert found.table.loc["a", "labelled"] == 2
    assert any("1 frames beyond the classes and -1" in line for line in found.missing)
    assert any("of 1 that show several as often" in line for line in found.missing)


def test_action_units_are_attributes_and_minus_one_is_no_label(tmp_path):
    files = {"Train_Set/a.txt": "AU1,AU2,AU12\n0,1,-1\n1,1,-1\n0,-1,-1\n", "Validation_Set/b.txt": "AU1,AU2,AU12\n1,0,1\n"}
    found = read(task_files(tmp_path, "AU_Detection_Challenge", files))
    assert found.labels == ()
    assert found.table.loc["a", ["AU1", "AU2"]].tolist() == pytest.approx([1 / 3, 1])
    assert found.table["AU12"].isna().tolist() == [True, False]
    drawn = found.read_annotations(found.root, found.table.loc["a"])
    assert drawn["AU2"].values[:, 0].tolist() == [1, 1, 0]
    assert drawn["AU2"].present.tolist() == [True, True, False]


def test_of_several_tasks_one_is_read_and_the_others_are_told_of(tmp_path):
    corpus(tmp_path)
    task_files(tmp_path, "EXPR_Classification_Challenge", {"Train_Set/10-60.txt": EXPR + "5\n", "Train_Set/x.txt": EXPR + "5;\n"})
    found = read(tmp_path)
    assert found.table.loc["10-60", "valence"] == pytest.approx(0.3)
    assert any("of expr and au (--option task=expr)" in line for line in found.missing)
    assert list(read(tmp_path, options={"task": "au"}).table.index) == ["10-60"]
    with pytest.raises(UserError, match=r"x\.txt has '5;' in line 2: the number of a class is expected"):
        read(tmp_path, options={"task": "expr"})
    (tmp_path / "EXPR_Classification_Challenge" / "Train_Set" / "x.txt").write_text("Neutral,Anger\n1\n")
    with pytest.raises(UserError, match="2 lists of classes"):
        read(tmp_path, options={"task": "expr"})


def test_the_folder_of_one_task_is_a_corpus_too(tmp_path):
    task_files(tmp_path, "EXPR_Classification_Challenge", {"Train_Set/a.txt": EXPR + "5\n"})
    for place in ("EXPR_Classification_Challenge", "EXPR_Classification_Challenge/Train_Set"):
        assert read(tmp_path / place).table["label"].to_dict() == {"a": "sadness"}
    with pytest.raises(UserError, match="annotations of expr, and none of au"):
        read(tmp_path, options={"task": "au"})
