"""Uploads: which are taken, under what name, and what is said of the others."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from app.own import store
from core.errors import UserError


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    return tmp_path / "uploads"


def refused(name: str, data: bytes) -> str:
    with pytest.raises(UserError) as caught:
        store.save(name, io.BytesIO(data))
    return str(caught.value)


def test_kept_under_the_hash_of_its_content(clips: Path, cache: Path) -> None:
    data = (clips / "first.mp4").read_bytes()
    clip_id = store.save("C:/films/../party.mp4", io.BytesIO(data))
    kept = store.find(clip_id)
    assert (kept.file, kept.name, kept.label) == (cache / f"{clip_id}.mp4", "party.mp4", None)
    assert store.save("again.mp4", io.BytesIO(data)) == clip_id


def test_other_kinds_are_refused() -> None:
    assert "notes.txt" in refused("notes.txt", b"hello")
    assert "run.mp4.exe" in refused("run.mp4.exe", b"MZ")


def test_what_is_no_clip_is_refused_by_its_own_name_and_not_kept(cache: Path) -> None:
    said = refused("film.mp4", b"not a film" * 500)
    assert "film.mp4" in said
    assert ".incoming" not in said
    assert str(cache) not in said
    assert not list(cache.iterdir())


@pytest.mark.parametrize("clip_id", ["", "..", "../x", "a/b", "a.json", "ä", "x" * 5000])
def test_ids_never_become_paths(clip_id: str) -> None:
    assert store.find(clip_id) is None


def test_what_browsers_cannot_play_is_copied(clips: Path, tmp_path: Path) -> None:
    from core import media

    odd = tmp_path / "odd.mkv"
    media.encode(tmp_path / "odd.mp4", media.read_frames(clips / "first.mp4"), None, 25)
    remux(tmp_path / "odd.mp4", odd)
    clip_id = store.save("odd.mkv", io.BytesIO(odd.read_bytes()))
    path = store.find(clip_id).original
    assert store.playable(clip_id) is None
    store.make_playable(clip_id, path, lambda share: None)
    assert store.playable(clip_id).suffix == ".mp4"
    assert media.probe(store.playable(clip_id)).browser_playable


def remux(source: Path, out: Path) -> None:
    import av

    with av.open(str(source)) as given, av.open(str(out), "w") as copy:
        stream = copy.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
