"""A full disk, a disk that is only read, a file where the cache should be, too little memory: one sentence, nothing lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from affectscope.core import cli
from affectscope.core.cache import disk, sealed
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.cache.store import FeatureStore, cache_root
from affectscope.core.corpora import known
from affectscope.core.corpora.known import Known
from affectscope.core.errors import UserError
from affectscope.core.features.bulk import engines
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note


@pytest.fixture(autouse=True)
def nothing_said():
    disk.recovered()
    disk._SAID.clear()
    sealed._HELD.clear()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A disk of its own, of 256 KB, that holds cache and data; skipped where one may not make disks."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "none", place], capture_output=True).returncode == 0
    if not made:
        pytest.skip("a disk can be mounted by root alone")
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(place / "cache"))
    monkeypatch.setenv("AFFECTSCOPE_DATA", str(place / "data"))
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> Path:
    def until_it_is_full() -> None:
        with (place / "ballast").open("wb", buffering=0) as out:
            while True:
                out.write(b"x" * 4096)

    with pytest.raises(OSError, match="No space"):
        until_it_is_full()
    return place / "ballast"


def only_read(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)


def in_the_way(place: Path) -> None:
    (place / "cache").write_text("a file")


REFUSALS = {
    "full": (fill, "There is no room on the disk of"),
    "only read": (only_read, "may not be read or written (Read-only file system)"),
    "in the way": (in_the_way, "there is a file in its way"),
}


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and "Traceback" not in text and "Errno" not in text


@pytest.mark.parametrize("name", REFUSALS)
def test_what_can_be_made_again_is_held_in_memory_and_that_is_said_once(small, name, caplog):
    refuse, says = REFUSALS[name]
    refuse(small)
    store, calls = FeatureStore(), []

    def make():
        calls.append(1)
        return {"values": np.arange(3)}

    for number in range(2):
        sealed.write_cached(cache_root() / "grids" / f"{number}.json", b"{}")
        sealed.write_cached_json(cache_root() / "analyses" / f"{number}.json", {"a": number})
        assert store.get_or_make("key", make)["values"].tolist() == [0, 1, 2]
        assert sealed.is_intact(cache_root() / "grids" / f"{number}.json")
        assert sealed.read(cache_root() / "grids" / f"{number}.json") == b"{}"
        assert sealed.read_json(cache_root() / "analyses" / f"{number}.json") == {"a": number}
    assert len(calls) == 1
    (sentence,) = disk.troubles()
    assert says in sentence
    assert "AFFECTSCOPE_CACHE" in sentence
    assert [record.message for record in caplog.records] == [sentence]
    assert not list(small.rglob(".partial-*"))


def test_when_there_is_room_again_it_is_written(small):
    ballast = fill(small)
    path = cache_root() / "grids" / "one.json"
    sealed.write_cached(path, b"{}")
    assert disk.troubles()
    ballast.unlink()
    sealed.write_cached(path, b"[]")
    assert (sealed.read(path), disk.troubles(), path not in sealed._HELD) == (b"[]", [], True)


@pytest.mark.parametrize("refuse", [fill, only_read])
def test_a_note_that_cannot_be_written_leaves_the_one_before(small, refuse):
    saved = notes.save(Note("demo", "clip", "auxformer", text="first"))
    refuse(small)
    with pytest.raises(OSError, match=r"No space|Read-only") as caught:
        notes.save(Note("demo", "clip", "auxformer", text="x" * 9000, revision=1))
    sentence = sentence_of(caught.value)
    assert is_one_sentence(sentence)
    assert "AFFECTSCOPE_DATA" in sentence
    assert notes.find_all() == ([saved], [])


def test_a_corpus_that_cannot_be_noted_is_one_sentence(small):
    only_read(small)
    with pytest.raises(UserError, match=r"corpora\.json cannot be written \(Read-only file system\)") as caught:
        known.remember("mine", Known("/data/mine", "folder"))
    assert is_one_sentence(str(caught.value))


def command(monkeypatch, capsys, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["affectscope", *arguments])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0), " ".join(capsys.readouterr().err.split())
    return 0, capsys.readouterr().err


def raised(action) -> BaseException:
    with pytest.raises((MemoryError, RuntimeError), match=r".*") as caught:
        action()
    return caught.value


# What the libraries really say where memory runs out.
FAULTS = {
    "room": OSError(errno.ENOSPC, "No space left on device", "/some/where/file"),
    "quota": OSError(errno.EDQUOT, "Disk quota exceeded", "/some/where/file"),
    "forbidden": PermissionError(errno.EACCES, "Permission denied", "/some/where/file"),
    "silent disk": OSError(errno.EIO, "Input/output error", "/some/where/file"),
    "memory": MemoryError(),
    "torch": raised(lambda: torch.empty(1 << 55, dtype=torch.uint8)),
    "numpy": raised(lambda: np.ones(1 << 55)),
    "cuda": RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    "threads": RuntimeError("can't start new thread"),
    "safetensors": RuntimeError('Error while serializing: IoError(Os { code: 28, message: "No space left on device" })'),
    "user": UserError("The file is damaged: copy it again."),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_terminal_says_one_sentence(name, monkeypatch, capsys):
    def refuse():
        raise FAULTS[name]

    monkeypatch.setattr("affectscope.core.models.catalogue.rows", refuse)
    code, err = command(monkeypatch, capsys, "models")
    assert code == 1
    assert err.startswith("Error: ")
    assert is_one_sentence(err)
    if isinstance(FAULTS[name], OSError):
        assert "/some/where" in err


def test_what_is_our_own_fault_stays_a_bug(monkeypatch, capsys):
    assert [sentence_of(fault) for fault in (KeyError("x"), ValueError("no"), FileNotFoundError(2, "No such file"))] == [None] * 3


def test_memory_is_no_fault_of_a_clip():
    def refuse():
        raise MemoryError

    assert "not enough memory" in engines.attempt(refuse)


def test_what_a_killed_process_left_is_cleared_away_and_nothing_else(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".partial-{disk._HOST}-{dead.pid}-abc.npz"
    mine, other = tmp_path / f".partial-{disk.owned()}.npz", tmp_path / ".partial-otherhost-1-abc.npz"
    old = tmp_path / ".partial-0123.npz"
    for path in (left, mine, other, old):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    sealed.write(tmp_path / "whole.npz", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, other.name, "whole.npz"])


def test_a_line_that_is_cut_off_is_no_line():
    whole = sealed.line({"stage": "Epoch 1", "share": 0.5})
    assert sealed.read_line(whole) == {"stage": "Epoch 1", "share": 0.5}
    assert sealed.read_line(whole[:-4]) is None
    assert json.loads(whole)["share"] == 0.5
