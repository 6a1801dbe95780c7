"""Folders and tables of clips as other programs leave them: nothing is shifted, lost or taken for a label in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError
from tests.core.corpora.test_folder import media


def table(root: Path, text: str, name: str = "t.csv") -> Corpus:
    (root / name).write_text(text, encoding="utf-8")
    return read(media(root, "a.mp4", "b.mp4"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", '"clip","label","speaker"\n"1","a","joy","s"\n"2","b","rage","s"\n'),
        ("t.txt", '"clip" "label" "speaker"\n"1" "a" "joy" "s"\n"2" "b" "rage" "s"\n'),
        ("t.csv", "# version 2\nclip,label,speaker\na,joy,s\nb,rage,s\n"),
        ("t.csv", "My corpus,,\n\nclip,label,speaker\na,joy,s\n,,\nb,rage,s\n"),
        ("t.csv", ",label,speaker\na,joy,s\nb,rage,s\n"),
    ],
)
def test_row_names_titles_and_empty_rows(tmp_path: Path, name: str, text: str) -> None:
    found = table(tmp_path, text, name)
    assert found.table["label"].to_dict() == {"a": "joy", "b": "rage"}
    assert found.table["path"].tolist() == ["a.mp4", "b.mp4"]


def test_a_row_with_more_cells_than_columns_is_said(tmp_path: Path) -> None:
    found = table(tmp_path, "clip,label,text\na,joy,oh, no\nb,rage,x\n")
    assert found.table["label"].to_dict() == {"a": "joy", "b": "rage"}
    assert any("t.csv has more cells than columns in line 2: " in line for line in found.missing)
    assert not any("more cells" in line for line in table(tmp_path, "clip,label\na,joy,\nb,rage,\n").missing)


def test_folders_that_name_sets_are_no_labels(tmp_path: Path) -> None:
    found = read(media(tmp_path / "a", "train/1.mp4", "val/2.mp4"))
    assert (found.labels, found.table["split"].tolist()) == ((), ["train", "development"])
    found = read(media(tmp_path / "b", "train/joy/1.mp4", "train/rage/2.mp4", "test/joy/3.mp4"))
    assert found.table[["label", "split"]].to_dict("index")["3"] == {"label": "joy", "split": "test"}
    assert read(media(tmp_path / "c", "test/1.mp4", "rage/2.mp4")).labels == ("rage", "test")


def test_where_labels_may_stand_instead_is_said(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text("{}")
    assert any("metadata.jsonl (JSON), which is not read" in line for line in read(media(tmp_path, "a.mp4")).missing)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "meta.csv").write_text("clip,label\nb,joy\n")
    assert any(
        "Labels may stand in train/meta.csv" in line for line in read(media(tmp_path, "train/b.mp4", "test/c.mp4")).missing
    )


def test_the_column_that_names_files_comes_before_a_number(tmp_path: Path) -> None:
    found = table(tmp_path, "id,video,label\n7,/data/upload/1/0a1b2c3d-a.mp4,joy\n8,/data/upload/1/4e5f6071-b.mp4,rage\n")
    assert found.table["path"].tolist() == ["a.mp4", "b.mp4"]
    assert "The clips are those that column video names." in found.missing


def test_a_spreadsheets_numbers_are_the_files_with_zeros(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("clip,label\n7,joy\n10.0,rage\n")
    found = read(media(tmp_path, "007.mp4", "010.mp4"))
    assert found.table["path"].tolist() == ["007.mp4", "010.mp4"]
    assert read(media(tmp_path, "x/7.mp4")).table["path"].tolist() == ["x/7.mp4", "010.mp4"]


def test_labels_of_several_and_attributes_on_another_scale_are_said(tmp_path: Path) -> None:
    found = table(tmp_path, "clip,label,valence\na,joy|rage,7.5\nb,xxx,2\n")
    assert any("1 labels hold a list or several, joy|rage for one" in line for line in found.missing)
    assert any("valence lies between 2 and 7.5" in line for line in found.missing)
    assert found.labels == ("joy|rage",)


@pytest.mark.parametrize(
    ("content", "what"), [(b"PK\x03\x04" + bytes(50), "spreadsheet"), (b"version https://git-lfs x", "Git LFS")]
)
def test_what_is_called_a_table_and_is_none(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=what):
        read(media(tmp_path, "a.mp4", "b.mp4"))
