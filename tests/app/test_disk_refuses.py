"""The pages on a disk that refuses, and with too little memory: shown is what can be shown, and one sentence says what to do."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest

from affectscope.app.common import jobs
from affectscope.app.own import store
from affectscope.app.services import known
from affectscope.app.serving import thumbs
from affectscope.core.cache import disk, sealed
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note
from tests.app.conftest import FakeAnalyzer
from tests.app.test_clip_page import player_data


@pytest.fixture(autouse=True)
def nothing_said():
    disk.recovered()
    disk._SAID.clear()
    sealed._HELD.clear()
    yield
    disk.recovered()
    sealed._HELD.clear()


@pytest.fixture(params=[errno.ENOSPC, errno.EROFS])
def refusing(request, monkeypatch: pytest.MonkeyPatch):
    """No file is moved to its place any more."""

    def refuse(*_: object) -> None:
        raise OSError(request.param, "the disk says no", "")

    monkeypatch.setattr(disk.os, "replace", refuse)


def test_an_analysis_is_shown_though_it_cannot_be_stored_and_that_is_said_once(app, refusing, tmp_path: Path) -> None:
    for _ in range(2):
        app.run()
        assert not app.exception
        assert not app.error
        assert player_data(app)["timeline_url"] == "/timelines/first-predicted"
        (warning,) = [box.value for box in app.warning]
        assert "kept in memory only" in warning
        assert "AFFECTSCOPE_CACHE" in warning
    assert not list((tmp_path / "analyses").glob("*"))


def test_a_note_that_cannot_be_written_is_said(refusing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFFECTSCOPE_DATA", str(tmp_path))
    with pytest.raises(OSError, match="the disk says no"):
        notes.save(Note("demo", "clip", "m", text="x"))
    assert notes.find_all() == ([], [])


def test_a_file_where_the_cache_should_be_does_not_stop_the_page(app, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "file"))
    app.run()
    assert not app.exception
    assert player_data(app)["timeline_url"] == "/timelines/first-predicted"
    assert any("file in its way" in warning.value for warning in app.warning)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "make room"),
    ],
)
def test_a_refusal_inside_the_work_is_one_sentence_on_the_page(app, monkeypatch: pytest.MonkeyPatch, fault, says: str) -> None:
    class Refusing(FakeAnalyzer):
        def analyze(self, *_, **__):
            raise fault

    monkeypatch.setattr(known, "Analyzer", Refusing)
    app.run()
    assert not app.exception
    assert says in app.error[0].value
    for job in jobs.about("analysis-"):
        jobs.forget(job.id)
    jobs.forget("analysis-first-predicted")


def test_a_thumbnail_is_shown_from_memory(refusing, clips: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    place = thumbs.thumb(clips / "first.mp4")
    assert sealed.read(place)[:2] == b"\xff\xd8"
    assert not place.exists()


def test_an_upload_that_cannot_be_kept_leaves_those_that_are(
    clips: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    content = (clips / "first.mp4").read_bytes()
    kept = store.save("first.mp4", io.BytesIO(content))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(disk.os, "replace", refuse)
        with pytest.raises(OSError, match="No space"):
            store.save("second.mp4", io.BytesIO((clips / "second.mp4").read_bytes() + b"\0\0\0\x08free"))
    assert [clip.id for clip in store.listed()] == [kept]
    assert store.intact(kept, store.find(kept).original)
    assert not [path for path in (tmp_path / "uploads").glob(".*") if path.name != ".lock"]
