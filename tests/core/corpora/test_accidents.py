"""Folders and tables of clips with what happens to them on the way: case, paths, columns, spreadsheets, twins."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.readers import read, recognise
from affectscope.core.errors import UserError
from tests.media_files import clip as film


def put(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF" + bytes(2000))
    return root


def tabled(root: Path, text: str, name: str = "labels.csv", **options: str) -> Corpus:
    (root / name).write_text(text, encoding="utf-8")
    return read(root, "", options)


def test_a_table_whose_clips_have_a_column_of_another_name_is_found(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "b.wav")
    corpus = tabled(tmp_path, "wav_file,emotion\na.wav,joy\nb.wav,anger\n")
    assert dict(corpus.table["label"]) == {"a": "joy", "b": "anger"}
    assert "The clips are those that column wav_file names." in corpus.missing


def test_a_table_that_nothing_is_known_of_is_asked_about(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "b.wav")
    with pytest.raises(UserError, match=r"no column that names the clips: .*--map clip=COLUMN \(nr, emotion\)"):
        tabled(tmp_path, "nr,emotion\nx,joy\ny,anger\n")
    unlabelled = read(tmp_path, "", {"table": "none"})
    assert set(unlabelled.table["label"]) == {""}
    mapped = read(tmp_path, "", {"clip": "nr"})
    assert list(mapped.table["label"]) == ["joy", "anger"]
    assert recognise(tmp_path / "labels.csv") == "folder"


def test_folders_that_label_are_read_beside_a_table_of_something_else_which_is_said(tmp_path: Path) -> None:
    put(tmp_path, "joy/a.wav", "anger/b.wav")
    corpus = tabled(tmp_path, "epoch,loss\n1,0.5\n", "log.csv")
    assert dict(corpus.table["label"]) == {"a": "joy", "b": "anger"}
    assert any(remark.startswith("log.csv has no column that names the clips") for remark in corpus.missing)


def test_a_spreadsheet_is_no_table(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "labels.xlsx")
    with pytest.raises(UserError, match=r"labels\.xlsx is a spreadsheet, which is not read: save it as CSV"):
        read(tmp_path)


def test_excels_line_of_the_separator_and_decimal_commas(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "b.wav")
    corpus = tabled(tmp_path, "sep=;\nclip;label;valence\na;joy;0,5\nb;anger;-1\n")
    assert corpus.table["valence"].tolist() == [0.5, -1]
    with pytest.raises(UserError, match="'1,000'"):
        tabled(tmp_path, 'clip,label,valence\na,joy,"1,000"\nb,anger,0.5\n')


def test_files_are_found_whatever_their_case_form_and_separators(tmp_path: Path) -> None:
    put(tmp_path, "clips/one.wav", "clips/caf\u00e9.wav", "clips/Three.WAV", "four.wav")
    cells = ("ONE.WAV", "cafe\u0301", "C:\\data\\clips\\three.wav", "/home/me/four.wav")
    corpus = tabled(tmp_path, "file,label\n" + "".join(f"{cell},joy\n" for cell in cells))
    assert corpus.table["path"].tolist() == ["clips/one.wav", "clips/caf\u00e9.wav", "clips/Three.WAV", "four.wav"]
    assert list(corpus.table.index) == ["ONE", "cafe\u0301", "three", "four"]


def test_a_name_of_several_files_is_not_guessed(tmp_path: Path) -> None:
    put(tmp_path, "s1/a.wav", "s2/a.wav", "s2/b.wav", "s1/c.wav")
    film(tmp_path / "s2" / "c.mp4", frames=3)
    corpus = tabled(tmp_path, "clip,label\na,joy\ns2/a,anger\nb,joy\nc,joy\n")
    assert corpus.table["path"].tolist() == ["", "s2/a.wav", "s2/b.wav", "s2/c.mp4"]
    assert any(remark.startswith("a may be several files") for remark in corpus.missing)


def test_labels_in_two_spellings_are_one_and_nan_is_none(tmp_path: Path) -> None:
    put(tmp_path, *(f"{name}.wav" for name in "abcde"))
    corpus = tabled(tmp_path, "clip,label\na,awe\nb,Awe\nc,awe\nd,NaN\ne,n/a\n")
    assert corpus.labels == ("awe",)
    assert corpus.table["label"].tolist() == ["awe", "awe", "awe", "", ""]
    assert "Labels that differ in letter case alone are one: Awe as awe." in corpus.missing
    assert "Labels that read NaN, n/a are taken as unknown." in corpus.missing


@pytest.mark.parametrize(
    ("files", "kind", "labels"),
    [
        (("actor_01/03-01-05-01-01-01-01.WAV",), "ravdess", ["anger"]),
        (("RAVDESS/data/speech/Actor_01/01-01-05-01-01-01-01.mp4",), "ravdess", ["anger"]),
        (("audiowav/1001_IEO_ANG_HI.wav",), "crema-d", ["anger"]),
        (("AudioMP3/1001_IEO_ANG_HI.mp3",), "crema-d", ["anger"]),
        (("AudioWAV/1001_ieo_ang_hi.wav",), "crema-d", ["anger"]),
        (("wav/03a01wa.wav",), "emo-db", ["anger"]),
        (("AudioData/DC/su01.wav", "AudioData/JE/su01.wav"), "savee", ["surprise", "surprise"]),
        (("ALL/DC_sa01.wav", "ALL/KL_f03.wav"), "savee", ["fear", "sadness"]),
        (("OAF_Pleasant_surprise/OAF_back_ps.wav", "YAF_fear/YAF_bar_fear.wav"), "tess", ["fear", "surprise"]),
        (("a/b/c/d.wav", "a/b/e/f.wav"), "folder", ["c", "e"]),
    ],
)
def test_corpora_are_known_whatever_case_and_depth_a_disk_gave_them(tmp_path: Path, files, kind: str, labels) -> None:
    put(tmp_path, *files)
    assert recognise(tmp_path) == kind
    assert sorted(read(tmp_path).table["label"]) == labels


def test_of_a_clips_video_and_its_sound_the_video_is_read(tmp_path: Path) -> None:
    put(tmp_path, "AudioData/DC/a01.wav")
    put(tmp_path, "AudioVisualClip/DC/a01.avi")
    film(tmp_path / "a.mp4", frames=3).replace(tmp_path / "AudioVisualClip" / "DC" / "a01.avi")
    corpus = read(tmp_path)
    assert corpus.table["path"].to_dict() == {"DC_a01": "AudioVisualClip/DC/a01.avi"}


def test_a_label_that_is_measured_is_asked_about(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "b.wav")
    table = "clip,label\na,1.0\nb,-0.5\n"
    with pytest.raises(UserError, match=r"numbers such as -0\.5, which are no classes"):
        tabled(tmp_path, table)
    measured = read(tmp_path, "", {"label": "none", "sentiment": "label"})
    assert measured.table["sentiment"].tolist() == [1.0, -0.5]
    assert set(measured.table["label"]) == {""}
    assert tabled(tmp_path, table, label="label").labels == ("-0.5", "1.0")
    assert tabled(tmp_path, "clip,label\na,1\nb,0\n").labels == ("0", "1")


def test_a_video_in_other_letters_is_its_annotations(tmp_path: Path) -> None:
    put(tmp_path, "batch1/V1.wav")
    (tmp_path / "Train_Set").mkdir()
    (tmp_path / "Train_Set" / "v1.txt").write_text("valence,arousal\n0.1,0.2\n")
    film(tmp_path / "batch1" / "V1.mp4", frames=3)
    corpus = read(tmp_path)
    assert corpus.table["path"].to_dict() == {"v1": "batch1/V1.mp4"}
    assert not any("belong to no clip" in remark for remark in corpus.missing)
