"""Tables of predictions as people's own scripts write them: their names, numbers, ids and by-products."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affectscope.core.errors import UserError
from affectscope.core.imports import stored
from affectscope.core.imports.intake import Options, Summary, take_in
from tests.media_files import clip
from tests.tables import prediction_table, write


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))


def taken(tmp_path: Path, text: str, **options: object) -> Summary:
    return take_in(write(tmp_path / "own.csv", text), Options(name="own", replace=True, **options), ())  # type: ignore[arg-type]


def answers(made: Summary) -> np.ndarray:
    return prediction_table(made.models[0].name).answers["decision"]


@pytest.mark.parametrize("column", ["pred", "Prediction", "loss", "correct", "label"])
def test_what_is_worked_out_of_answers_is_no_class(tmp_path: Path, column: str) -> None:
    made = taken(tmp_path, f"clip,label,m.anger,m.joy,m.{column}\na,anger,2,0.2,0\nb,joy,0.2,-1,7\n")
    assert made.models[0].classes == ("anger", "joy")
    assert any(f"m.{column}" in note and "left out" in note for note in made.notes)


def test_classes_that_are_called_so_stay_classes(tmp_path: Path) -> None:
    assert taken(tmp_path, "clip,m.correct,m.wrong\na,.8,.2\nb,.3,.7\n").models[0].classes == ("correct", "wrong")


def test_letters_of_attributes_are_attributes(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,V,A,m.V,m.A\na,.1,.2,.15,.25\nb,-.3,.5,-.2,.4\n")
    assert (made.models[0].task, made.models[0].classes) == ("regression", ("valence", "arousal"))
    np.testing.assert_allclose(answers(made), [[0.15, 0.25], [-0.2, 0.4]], atol=1e-6)
    table = prediction_table(made.models[0].name).table
    assert table["valence"].tolist() == [0.1, -0.3]
    assert table["error"].notna().all()


def test_lists_of_attributes_are_attributes(tmp_path: Path) -> None:
    made = taken(tmp_path, 'clip,m.av\na,"[.5,.25]"\nb,"[-.5,.75]"\n', classes=("valence", "arousal"))
    assert made.models[0].task == "regression"
    assert answers(made).tolist() == [[0.5, 0.25], [-0.5, 0.75]]


def test_values_on_another_scale_than_what_is_true(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,valence,m.valence\na,5,.1\nb,7,-.2\nc,2,.2\n")
    assert "valence of m lies between -0.2 and 0.2, what is true between 2 and 7" in " ".join(made.notes)
    alike = taken(tmp_path, "clip,valence,m.valence\na,5,4.5\nb,7,5.5\nc,2,4\n")
    assert "one scale" not in " ".join(alike.notes)


def test_true_values_by_letter_under_a_truths_name(tmp_path: Path) -> None:
    taken(tmp_path, "clip,gt.V,gt.A,m.V,m.A\na,.1,.2,.15,.25\nb,-.3,.5,-.2,.4\n")
    assert prediction_table("m").table["arousal"].tolist() == [0.2, 0.5]


@pytest.mark.parametrize(("base", "words"), [(np.e, "log odds."), (2, "log odds to the base 2"), (10, "to the base 10")])
def test_log_odds(tmp_path: Path, base: float, words: str) -> None:
    right = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.45, 0.5, 0.05]])
    odds = np.log(right / (1 - right)) / np.log(base)
    rows = "".join(f"c{i}," + ",".join(f"{number:.3f}" for number in row) + "\n" for i, row in enumerate(odds))
    made = taken(tmp_path, "clip,m.a,m.b,m.c\n" + rows)
    np.testing.assert_allclose(answers(made), right, atol=2e-3)
    assert any(note.rstrip().endswith(words) or words in note for note in made.notes)


def test_two_classes_that_are_each_others_negatives_are_asked_about(tmp_path: Path) -> None:
    table = "clip,m.a,m.b\nx,1.5,-1.5\ny,-.25,.25\n"
    with pytest.raises(UserError, match="log odds and logits"):
        taken(tmp_path, table)
    np.testing.assert_allclose(answers(taken(tmp_path, table, scale="log-odds"))[:, 0], [0.817574, 0.437823], atol=1e-5)
    np.testing.assert_allclose(answers(taken(tmp_path, table, scale="logits"))[:, 0], [0.952574, 0.377541], atol=1e-5)


def test_a_rounding_below_zero_makes_no_logits(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,m.a,m.b\nx,1.0000001,-1e-7\ny,.2,.8\n")
    np.testing.assert_allclose(answers(made), [[1, 0], [0.2, 0.8]], atol=1e-6)
    assert made.problems == ()


def test_numbered_classes_are_named_and_their_labels_too(tmp_path: Path) -> None:
    table = "clip,label,m.LABEL_0,m.LABEL_1\na,0,.8,.2\nb,1.0,.3,.7\nc,,.3,.7\n"
    made = taken(tmp_path, table, classes=("anger", "joy"))
    assert made.models[0].classes == ("anger", "joy")
    assert prediction_table("m").table["label"].fillna("").tolist() == ["anger", "joy", ""]
    assert made.models[0].accuracy == 1
    with pytest.raises(UserError, match="2 classes, and --classes names 3"):
        taken(tmp_path, table, classes=("anger", "joy", "sadness"))


def test_labels_count_as_the_columns_do(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,label,m.1,m.2,m.3\na,1,.8,.1,.1\nb,3,.1,.1,.8\nc,2,.1,.1,.8\n", classes=("x", "y", "z"))
    assert prediction_table("m").table["label"].tolist() == ["x", "z", "y"]
    lists = taken(tmp_path, 'clip,label,m.av\na,0,"[.8,.2]"\nb,1,"[.1,.9]"\n', classes=("x", "y"))
    assert (lists.models[0].accuracy, made.models[0].accuracy) == (1, 2 / 3)


def test_a_numbers_zeros_tell_no_labels_apart(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,label,m.0,m.1\na,0.0,.8,.2\nb,01,.3,.7\n")
    assert made.models[0].accuracy == 1


def test_words_for_no_label_are_no_label(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,label,m.a,m.b\nx,a,.8,.2\ny,NaN,.8,.2\nz,None,.8,.2\n")
    assert (made.models[0].labelled, made.models[0].accuracy) == (1, 1)
    assert "True labels that read NaN, None are taken as unknown." in made.notes
    kept = taken(tmp_path, "clip,label,m.none,m.joy\nx,None,.8,.2\ny,joy,.2,.8\n")
    assert kept.models[0].labelled == 2


@pytest.mark.parametrize("column", ["Label", "labels", "y_true", "ground_truth"])
def test_true_labels_by_other_names(tmp_path: Path, column: str) -> None:
    made = taken(tmp_path, f"Clip,{column},m.a,m.b\nx,a,.8,.2\ny,b,.8,.2\n")
    assert made.models[0].accuracy == 0.5


def test_a_column_that_looks_like_the_label_is_named(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,emotion,m.a,m.b\nx,a,.8,.2\ny,b,.8,.2\n")
    assert any("if emotion holds them, call it label" in note for note in made.notes)


def test_true_classes_as_ones_and_zeros_are_the_label(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,true.a,true.b,m.a,m.b\nx,1,0,.8,.2\ny,0,1,.8,.2\nz,0,0,.8,.2\n")
    assert [(entry.name, entry.accuracy, entry.labelled) for entry in made.models] == [("m", 0.5, 2)]


def test_a_row_a_frame_is_no_row_a_clip(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="4 rows for 2 clips, as a row a frame has"):
        taken(tmp_path, "clip,frame,m.a,m.b\nx,0,.8,.2\nx,1,.6,.4\nx,2,.2,.8\ny,0,.1,.9\n")
    with pytest.raises(UserError, match="a row a frame"):
        taken(tmp_path, "clip,frame,class,probability\nx,0,a,.8\nx,0,b,.2\nx,1,a,.1\nx,1,b,.9\n")


@pytest.mark.parametrize("cell", ["tensor([{}], device='cuda:0')", "array([{}], dtype=float32)", "({})", "[[{}]]"])
def test_lists_as_python_prints_them(tmp_path: Path, cell: str) -> None:
    rows = "".join(f'{name},"{cell.format(numbers)}"\n' for name, numbers in (("x", "0.75, 0.25"), ("y", "0.5, 0.5")))
    assert answers(taken(tmp_path, "clip,m.av\n" + rows, classes=("a", "b"))).tolist() == [[0.75, 0.25], [0.5, 0.5]]


def test_an_embedding_of_a_column_a_number(tmp_path: Path) -> None:
    columns = ",".join(f"m.embedding.e{i}" for i in range(11))
    made = taken(tmp_path, f"clip,m.a,m.b,{columns}\nx,.8,.2,{','.join(map(str, range(11)))}\ny,.2,.8,{'1,' * 10}1\n")
    assert prediction_table("m").embeddings["e"].tolist() == [list(range(11)), [1] * 11]
    assert made.problems == ()


def test_lists_that_are_cut_short_leave_the_answers(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,m.a,m.b,m.embedding\nx,.8,.2,[1. 2. ... 3.]\ny,.2,.8,[1. 2. ... 3.]\n")
    assert made.clips == 2
    assert any("cut short" in note for note in made.notes)


def test_refusals_say_what_is_in_the_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its columns are clip, height, weight"):
        taken(tmp_path, "clip,height,weight\nx,.8,.2\n")
    with pytest.raises(UserError, match=r"m\.prob is one class alone"):
        taken(tmp_path, "clip,m.prob\nx,.8\n")
    with pytest.raises(UserError, match=r"no column clip, but row, m\.a, m\.b"):
        taken(tmp_path, "row,m.a,m.b\nx,.8,.2\n")


def test_clips_are_found_whatever_their_ids_folder_ending_and_case(tmp_path: Path) -> None:
    media = tmp_path / "media"
    (media / "sub").mkdir(parents=True)
    for name in ("a01.mp4", "sub/B02.mp4", "sub/caf\u00e9.mp4", "C03.WAV", "._a01.mp4"):
        (media / name).write_bytes(b"x")
    rows = "".join(f"{clip},.8,.2\n" for clip in ("A01.MP4", "sub\\b02", "cafe\u0301.mp4", "./c03.wav"))
    made = taken(tmp_path, "clip,m.a,m.b\n" + rows, media=media)
    assert (made.media, made.problems) == (4, ())


def test_a_name_that_several_clips_have_is_asked_about(tmp_path: Path) -> None:
    media = tmp_path / "media"
    for folder in ("s1", "s2"):
        (media / folder).mkdir(parents=True)
        (media / folder / "001.mp4").write_bytes(b"x")
        (media / folder / "001.wav").write_bytes(b"x")
    made = taken(tmp_path, "clip,m.a,m.b\n001,.8,.2\ns2/001,.8,.2\n", media=media)
    assert made.problems == ("Row 1: clip 001 may be s1/001.mp4 and s2/001.mp4: write its folder too.",)
    assert list(stored.entries()) == ["m"]


def test_ids_of_a_corpus_by_the_names_of_its_files(tmp_path: Path) -> None:
    from affectscope.core.corpora import open_corpus

    clip = str(open_corpus("demo").table.index[0])
    made = taken(tmp_path, f"clip,m.anger,m.joy\nvideos/{clip.upper()}.MP4,.8,.2\n", corpus="demo")
    assert (made.clips, made.problems) == (1, ())
    assert any("another spelling" in note for note in made.notes)


@pytest.mark.parametrize(
    "table",
    [
        '"clip" "m.a" "m.b"\n"1" "x" 0.7 0.3\n"2" "y" 0.2 0.8\n',
        '"clip","m.a","m.b"\n"1","x",0.7,0.3\n"2","y",0.2,0.8\n',
        ",m.a,m.b\nx,.7,.3\ny,.2,.8\n",
        '"m.a" "m.b"\n"x" 0.7 0.3\n"y" 0.2 0.8\n',
        "Unnamed: 0,m.a,m.b\nx,.7,.3\ny,.2,.8\n",
        "# run 7, seed 1\n# by me\nclip,m.a,m.b\nx,.7,.3\ny,.2,.8\n",
        "Results of run 7\n\nclip;m.a;m.b\nx;0,7;0,3\ny;0,2;0,8\n",
        "Clip ID,m.a,m.b\nx,tensor(0.7000),np.float32(0.3)\ny,\"tensor(0.2000, device='cuda:0')\",.8\n",
    ],
)
def test_rows_and_headers_of_other_programs(tmp_path: Path, table: str) -> None:
    made = taken(tmp_path, table)
    assert list(prediction_table(made.models[0].name).table.index) == ["x", "y"]
    np.testing.assert_allclose(answers(made), [[0.7, 0.3], [0.2, 0.8]], atol=1e-6)


def test_a_row_that_is_too_long_is_no_row_with_a_name(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,m.a,m.b\nx,.7,.3,\ny,.2,.8\n")
    assert made.clips == 1
    assert made.problems == ("Row 1: 4 cells under 3 columns.",)


def test_what_stands_above_the_header_is_told(tmp_path: Path) -> None:
    assert "What stands above the header was left out: # run 7." in taken(tmp_path, "# run 7\nclip,m.a,m.b\nx,.7,.3\n").notes


def test_votes_are_no_logits(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="are counts, as of votes, whose sums differ"):
        taken(tmp_path, "clip,m.a,m.b,m.c\nx,5,3,1\ny,2,6,2\nz,0,0,9\n")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x1f\x8b\x08\0abc", "packed with gzip"),
        (b"PK\x03\x04abc", "a spreadsheet or an archive"),
        (b"\xd0\xcf\x11\xe0abc", "a spreadsheet: save it as CSV"),
        (b"PAR1abc", "let its name end in .parquet"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
    ],
)
def test_what_is_called_a_table_and_is_none(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "own.csv").write_bytes(content)
    with pytest.raises(UserError, match=what):
        take_in(tmp_path / "own.csv", Options(), ())


def test_a_table_of_paths_alone_finds_its_media(tmp_path: Path) -> None:
    clip(tmp_path / "x.mp4")
    for column in ("path", "audio_path", "file"):
        assert taken(tmp_path, f"{column},anger,joy\nx.mp4,.7,.3\ngone.mp4,.2,.8\n").media == 1
