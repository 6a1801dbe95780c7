"""Own clips: which are taken, under what name, what is kept of them, and that all of it goes again."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.app.own import removal, store
from affectscope.app.serving import thumbs
from affectscope.core import media
from affectscope.core.cache.store import content_hash, of_clip
from affectscope.core.errors import UserError
from tests.app import fake
from tests.media_files import clip, damaged


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
    message = refused("film.mp4", b"not a film" * 500)
    assert "film.mp4" in message
    assert ".incoming" not in message
    assert str(cache) not in message
    assert not list(cache.iterdir())


@pytest.mark.parametrize("clip_id", ["", "..", "../x", "a/b", "a.json", "ä", "x" * 5000])
def test_ids_never_become_paths(clip_id: str) -> None:
    assert store.find(clip_id) is None


def test_what_browsers_cannot_play_is_copied(clips: Path, tmp_path: Path) -> None:
    from affectscope.core import media

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


def kept(clips: Path, name: str = "film.mp4", which: str = "first") -> str:
    return store.save(name, io.BytesIO((clips / f"{which}.mp4").read_bytes()))


ODD_NAMES = ("12:30 interview", "film", ".mp4", "a" * 300 + ".mp4", "x\n\x00.mp4", "..", "clip.json", "ü *b* <i>.MP4", "")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_will_do(clips: Path, name: str) -> None:
    clip = store.find(kept(clips, name))
    assert clip.file.suffix == ".mp4"
    assert clip.file.parent.name == "uploads"
    assert clip.name.isprintable()
    assert 0 < len(clip.name) <= 120


def test_listed_from_disk_newest_first_with_label_and_name(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((1000.0, 2000.0))
    monkeypatch.setattr(store, "time", SimpleNamespace(time=lambda: next(now)))
    other = clip(tmp_path / "b.mp4")
    first, second = kept(clips), store.save("b.mp4", io.BytesIO(other.read_bytes()))
    store.rename(first, "  <b>mine ")
    store.rename(second, "   ")
    store.relabel(second, " bored ")
    assert [(c.id, c.name, c.label) for c in store.listed()] == [(second, "b.mp4", "bored"), (first, "<b>mine", None)]
    store.relabel(second, " ")
    assert store.listed()[0].label is None


def test_facts_of_an_earlier_version_or_broken_ones_do_no_harm(clips: Path, cache: Path) -> None:
    clip_id = kept(clips)
    (cache / f"{clip_id}.json").write_text(f'{{"file": "{clip_id}.mp4", "name": "old.mp4"}}')
    (cache / f"{clip_id}.json.previous").unlink()
    assert (store.find(clip_id).name, store.find(clip_id).label, store.find(clip_id).long) == ("old.mp4", None, False)
    for broken in ("", "[]", "{}", '{"file": "../../etc/passwd"}', f'{{"file": "{clip_id}.mp4", "stretch": [1]}}', '{"file": 3}'):
        (cache / f"{clip_id}.json").write_text(broken)
        assert store.find(clip_id) is None
        assert store.listed() == []


MADE = ("features/npz", "analyses/aft", "analyses/json", "grids/json", "compared/aft", "exports/mp4", "surveys/npz", "notes/png")


def derivatives(root: Path, content: str) -> list[Path]:
    made = [root / Path(name).parent / f"{of_clip(content, 'x')}.{Path(name).name}" for name in MADE]
    for path in made:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return made


def test_deleting_takes_all_that_was_made_from_the_clip_and_nothing_else(app, clips: Path, cache: Path, tmp_path: Path) -> None:
    own = fake.clip(tmp_path / "own.mp4", seconds=0.6)
    clip_id = store.save("own.mp4", io.BytesIO(own.read_bytes()))
    made = derivatives(cache.parent, content_hash(own))
    made.append(thumbs.thumb(store.find(clip_id).file))
    others = [*derivatives(cache.parent, "f" * 64), cache / f"{kept(clips)}.mp4"]
    gone = removal.remove(clip_id)
    assert not any(path.exists() for path in made)
    assert all(path.exists() for path in others)
    assert store.find(clip_id) is None
    assert not list(cache.glob(f"{clip_id}*"))
    assert gone.shared == ""
    summary = str(gone)
    for part in ("1 file", "1 set of features", "1 analysis", "1 picture", "1 export", "MB"):
        assert part in summary


def test_what_a_corpus_shares_stays(app, clips: Path, cache: Path) -> None:
    clip_id = kept(clips)
    made = derivatives(cache.parent, content_hash(clips / "first.mp4"))
    gone = removal.remove(clip_id)
    assert gone.shared == "demo"
    assert "demo" in str(gone)
    assert all(path.exists() for path in made)
    assert not list(cache.glob(f"{clip_id}*"))


def test_another_stretch_forgets_the_one_before(app, cache: Path, tmp_path: Path) -> None:
    from affectscope.app.own import stretches

    film = fake.clip(tmp_path / "film.mp4", seconds=2, size=(64, 64))
    clip_id = store.save("film.mp4", io.BytesIO(film.read_bytes()))
    for chosen in ((0.0, 1.0), (0.5, 1.7)):
        stretches._cut(store.find(clip_id), chosen, None, lambda stage, share: None)
        own = store.find(clip_id)
        assert (own.stretch, own.file.name) == (chosen, f"{clip_id}.cut-{round(1000 * chosen[0])}-{round(1000 * chosen[1])}.mp4")
        assert len(list(media.read_frames(own.file))) == round(25 * (chosen[1] - chosen[0]))
        if chosen[0] == 0:
            made = derivatives(cache.parent, content_hash(own.file))
    assert not any(path.exists() for path in made)
    assert len(list(cache.glob(f"{clip_id}.cut-*"))) == 1
    store.rename(clip_id, "talk")
    assert services.clip("uploads", clip_id).title == "0:00.5–0:01.7 of talk"


def test_what_was_lost_of_a_stretch_is_said_on_the_page(app, cache: Path, tmp_path: Path) -> None:
    from affectscope.app.own import stretches

    clip_id = store.save("film.avi", io.BytesIO(damaged(tmp_path / "film.avi", 40, (20, 21)).read_bytes()))
    stretches._cut(store.find(clip_id), (0.6, 1.4), None, lambda stage, share: None)
    (note,) = store.find(clip_id).notes
    assert "2 of 20 pictures, at 0.80 to 0.84 s." in note
    app.query_params["corpus"], app.query_params["clip"] = "uploads", clip_id
    app.run()
    assert any("2 of 20 pictures" in info.value for info in app.info)
    # Cut again from what is there, it is still said; of another stretch it is not.
    stretches._cut(store.find(clip_id), (0.6, 1.4), None, lambda stage, share: None)
    assert store.find(clip_id).notes == (note,)
    stretches._cut(store.find(clip_id), (0.0, 0.7), None, lambda stage, share: None)
    assert store.find(clip_id).notes == ()


def test_a_long_file_asks_for_a_stretch_on_every_page(app, cache: Path, tmp_path: Path) -> None:
    long = clip(tmp_path / "long.mp4", frames=70, fps=1)
    clip_id = store.save("long.mp4", io.BytesIO(long.read_bytes()))
    assert store.find(clip_id).file is None
    item = services.clip("uploads", clip_id)
    with pytest.raises(UserError, match=r"^long\.mp4 lasts 1:10: choose a stretch of it on the Clip page\.$"):
        _ = item.media
    app.query_params["corpus"], app.query_params["clip"] = "uploads", clip_id
    app.run()
    assert not app.exception
    assert not app.error


def test_a_long_file_is_looked_over_while_somebody_exports(app, cache: Path, tmp_path: Path) -> None:
    long = clip(tmp_path / "long.mp4", frames=70, fps=1)
    clip_id = store.save("long.mp4", io.BytesIO(long.read_bytes()))
    app.query_params["corpus"], app.query_params["clip"] = "uploads", clip_id
    exported = threading.Event()
    jobs.ensure("export-of-somebody", lambda progress: exported.wait() and None, "export")
    try:
        app.run()
        assert jobs.find(f"afar-{clip_id}").wait(300)
    finally:
        exported.set()


def test_the_label_that_its_owner_gives_is_the_true_one(app, send, tmp_path: Path) -> None:
    app.run()
    send(app, "own.mp4", fake.clip(tmp_path / "own.mp4", seconds=0.5))
    clip_id = store.listed()[0].id
    store.relabel(clip_id, "sadness")
    assert services.clip("uploads", clip_id).label == "sadness"
    app.run()
    told = [json.loads(e.proto.json) for e in app.get("bidi_component")]
    assert "sadness" in [data.get("truth") for data in told]
