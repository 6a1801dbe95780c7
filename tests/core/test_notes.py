"""Notes on disk: kept, changed, put aside, brought back; nothing lost to a second hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from affectscope.core.cache import sealed
from affectscope.core.errors import UserError
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_DATA", str(tmp_path))
    return tmp_path / "notes"


CASE = Note(
    "demo", "clip-1", "auxformer", "clip-1", "Brow, not mouth.", (" brow ", "brow", ""), {"clip": "clip-1"}, {"Said": "fear"}
)


def test_a_note_comes_back_as_it_was_written():
    saved = notes.save(CASE)
    assert notes.find(CASE.id) == saved
    assert saved == replace(CASE, tags=("brow",), created=saved.created, changed=saved.changed, revision=1)
    assert notes.find_all() == ([saved], [])


def test_one_file_a_case(folder):
    notes.save(notes.save(CASE))
    notes.save(replace(CASE, model="vavl"))
    assert len(list(folder.glob("*.json"))) == 2
    assert sorted(note.revision for note in notes.find_all()[0]) == [1, 2]


def test_a_second_hand_is_told():
    first = notes.save(CASE)
    notes.save(replace(first, text="mine"))
    with pytest.raises(UserError, match="Somebody has changed"):
        notes.save(replace(first, text="yours"))
    with pytest.raises(UserError, match="Somebody has changed"):
        notes.save(CASE)
    assert notes.find(CASE.id).text == "mine"


def test_removed_and_brought_back():
    saved = notes.save(CASE)
    notes.remove(CASE.id)
    assert notes.find_all() == ([], [])
    notes.restore(CASE.id)
    assert notes.find(CASE.id) == saved
    notes.remove(CASE.id)
    notes.save(replace(CASE, text="a new one"))
    with pytest.raises(UserError, match="new note"):
        notes.restore(CASE.id)
    assert notes.find(CASE.id).text == "a new one"


def test_a_broken_file_is_named_and_left(folder):
    saved = notes.save(CASE)
    (folder / "broken.json").write_text("{")
    (folder / f"{'0' * 32}.json").write_text(json.dumps({"corpus": "demo", "text": 3}))
    assert notes.find_all() == ([saved], [f"{'0' * 32}.json", "broken.json"])
    assert (folder / "broken.json").exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a/b", "a.b"])
def test_no_id_becomes_a_path(name: str):
    assert notes.find(name) is None
    notes.remove(name)
    with pytest.raises(UserError):
        notes.restore(name)


def test_too_long_is_one_sentence(folder):
    with pytest.raises(UserError, match="shorten"):
        notes.save(replace(CASE, text="x" * (notes.LONGEST + 1)))
    with pytest.raises(UserError, match="shorten"):
        notes.save(replace(CASE, tags=("x" * 61,)))
    assert notes.find_all() == ([], [])


def test_half_a_file_is_never_read(folder, monkeypatch):
    saved = notes.save(CASE)

    def die(*_):
        raise OSError("disk full")

    monkeypatch.setattr(sealed, "_through", die)
    with pytest.raises(OSError, match="disk full"):
        notes.save(replace(saved, text="never"))
    assert notes.find_all() == ([saved], [])
