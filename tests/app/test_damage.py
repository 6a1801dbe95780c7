"""200 random flips of every kind of file that the app writes and reads again, or sends: a miss, or the same, nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affectscope.app.own import store
from affectscope.app.services import analyses
from affectscope.app.serving import lending, thumbs
from affectscope.core import media
from affectscope.core.analyzer import Analysis
from affectscope.core.cache import sealed
from affectscope.core.errors import UserError
from affectscope.core.timeline.timeline import Lane, Timeline
from tests.app import fake
from tests.damage import MISS, Read, outcome, outcomes

KINDS: dict[str, Callable[[Path, Path], tuple[list[Path], Read]]] = {}


def kind(make):
    KINDS[make.__name__] = make
    return make


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    return tmp_path


def small() -> Timeline:
    lane = Lane("l", "L", "line", np.arange(3, dtype="f4"), np.ones((1, 3), "f4"), ("a",), "audio")
    return Timeline(1.0, np.arange(3, dtype="f4"), np.ones((3, 4), "f4"), lanes=(lane,), title="clip")


@kind
def analysis(folder, clips):
    said_of = {"av": {"anger": 0.25, "fear": 0.75}}
    analyses._keep(Analysis(said_of, {"av": True}, {"av": "fear"}, small(), (), "key"), "key")

    def read():
        found = analyses._read("key")
        return found and (found.predictions, found.explained, found.evidence, analyses.timeline(found).to_bytes())

    return sorted((folder / "analyses").iterdir()), read


@kind
def what_browsers_are_sent(folder, clips):
    path = folder / "grids" / "one.json"
    sealed.write_cached(path, json.dumps({"answers": [0.25, 0.75]}).encode())
    lending.lend("grids", "one", path)
    return [path], lambda: lending.content("grids", "one")


@kind
def thumbnail(folder, clips):
    path = thumbs.thumb(clips / "first.mp4")
    return [path], lambda: sealed.read(path)


@kind
def videos(folder, clips):
    path = folder / "exports" / "one.mp4"
    sealed.fill(path, lambda part: part.write_bytes((clips / "first.mp4").read_bytes()[:3000]), video=True)
    return [path], lambda: path.read_bytes() if sealed.is_intact(path) else None


@kind
def what_was_noted_to_play(folder, clips):
    clip_id = store.save("a.mp4", io.BytesIO((clips / "first.mp4").read_bytes()))
    store.make_playable(clip_id, store.find(clip_id).file, lambda share: None)
    return [folder / "uploads" / f"{clip_id}.playable.json"], lambda: str(store.playable(clip_id) or "") or None


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_a_miss(name: str, tmp_path: Path, clips: Path) -> None:
    files, read = KINDS[name](tmp_path, clips)
    truth = outcome(read)
    assert truth != MISS
    found = outcomes(files, read)
    assert [where for where, value in found if value not in (MISS, truth)] == []
    assert outcome(read) == truth
    assert sum(value == MISS for _, value in found) > 0.9 * len(found)


def test_a_sealed_video_plays_as_before(tmp_path: Path, clips: Path) -> None:
    path = tmp_path / "one.mp4"
    whole = (clips / "first.mp4").read_bytes()
    sealed.fill(path, lambda part: part.write_bytes(whole), video=True)
    assert (sealed.read(path), len(path.read_bytes()) - len(whole)) == (whole, 8 + sealed.LENGTH)
    assert media.probe(path) == media.probe(clips / "first.mp4")
    assert len(list(media.read_frames(path))) == len(list(media.read_frames(clips / "first.mp4")))
    # A box of its own, as long as it says: the file is an MP4 to its last byte.
    assert int.from_bytes(path.read_bytes()[len(whole) : len(whole) + 4], "big") == 8 + sealed.LENGTH


def test_a_label_survives_a_fault_and_the_fault_is_said(tmp_path: Path, clips: Path) -> None:
    clip_id = store.save("party.mp4", io.BytesIO((clips / "first.mp4").read_bytes()))
    store.relabel(clip_id, "fear")
    store.relabel(clip_id, "anger")
    before, now = (replace(store.find(clip_id), label=label) for label in ("fear", "anger"))
    path = tmp_path / "uploads" / f"{clip_id}.json"
    found = outcomes([path], lambda: store.find(clip_id))
    fine = [outcome(lambda: before), outcome(lambda: now)]
    assert [where for where, value in found if value not in fine] == []
    assert store.remarks() == []
    path.write_bytes(path.read_bytes()[:-3])
    (sentence,) = store.remarks()
    assert "party.mp4" in sentence
    assert "before the last change" in sentence
    store.remove(clip_id)
    assert not list((tmp_path / "uploads").glob(f"*{clip_id}*"))


def test_a_damaged_clip_of_ones_own_is_one_sentence_and_is_taken_in_again(clips: Path) -> None:
    from affectscope.app import services

    content = (clips / "first.mp4").read_bytes()
    clip_id = store.save("party.mp4", io.BytesIO(content))
    file = store.find(clip_id).file
    file.write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])
    with pytest.raises(UserError, match=r"party\.mp4 was damaged on the disk: choose its file again"):
        services.clip(services.UPLOADS, clip_id)
    assert store.save("party.mp4", io.BytesIO(content)) == clip_id
    assert services.clip(services.UPLOADS, clip_id).media.read_bytes() == content


def test_a_damaged_stretch_is_cut_again(tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(media, "SLACK", 0.0)
    clip_id = store.save("long.mp4", io.BytesIO((clips / "first.mp4").read_bytes()))
    cut = store.cut_path(clip_id, (0.0, 0.5))
    sealed.fill(cut, lambda part: part.write_bytes((clips / "second.mp4").read_bytes()), video=True)
    store.keep_stretch(clip_id, (0.0, 0.5))
    assert store.find(clip_id).file == cut
    content = cut.read_bytes()
    cut.write_bytes(content[:900] + bytes([content[900] ^ 64]) + content[901:])
    assert store.find(clip_id).file is None


def test_a_served_timeline_that_is_damaged_is_analysed_again(tmp_path: Path) -> None:
    analyses._keep(Analysis({"av": {"a": 1.0}}, {"av": True}, {}, fake.timeline(0.2), (), "key"), "key")
    found = analyses._read("key")
    content = found.timeline.read_bytes()
    found.timeline.write_bytes(content[:-200] + b"\1" + content[-199:])
    with pytest.raises(UserError, match="reload the page"):
        analyses.timeline(found)
    assert analyses._read("key") is None
