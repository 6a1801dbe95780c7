"""What browsers may fetch, and what they may not."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette

from affectscope.app.library import drops
from affectscope.app.own import store
from affectscope.app.server import ROUTES
from affectscope.app.serving import lending
from affectscope.core import media
from affectscope.core.cache import sealed
from tests.app.listening import listening
from tests.media_files import tone


@dataclass
class Reply:
    status_code: int
    headers: dict[str, str]
    content: bytes


Get = Callable[..., Reply]


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """The routes on a real server: a client library would tidy the paths that an attacker does not."""
    with listening(Starlette(routes=list(ROUTES))) as found:
        yield found


@pytest.fixture
def get(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Get:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))

    def fetch(path: str, **headers: str) -> Reply:
        connection = http.client.HTTPConnection(*address, timeout=10)
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())

    return fetch


def test_clip_comes_by_ranges(get: Get, clips: Path) -> None:
    url = lending.lend("clips", "demo.first", clips / "first.mp4")
    whole = (clips / "first.mp4").read_bytes()
    part = get(url, Range="bytes=100-199")
    assert part.status_code == 206
    assert part.content == whole[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert get(url).content == whole
    assert get(url, Range=f"bytes={len(whole)}-").status_code == 416


@pytest.mark.parametrize("shelf_name", ["clips", "timelines", "thumbs"])
@pytest.mark.parametrize("name", ["gone", "..%2f..%2fetc%2fpasswd", "%2e%2e", "demo.first%00", "/etc/passwd"])
def test_unknown_names_are_not_found(get: Get, shelf_name: str, name: str) -> None:
    assert get(f"/{shelf_name}/{name}").status_code == 404


def test_names_may_hold_anything(clips: Path, get: Get) -> None:
    url = lending.lend("clips", "demo.a/b c?&#é", clips / "first.mp4")
    assert "/" not in url.removeprefix("/clips/")
    assert get(lending.lend("clips", "demo.b c?&#é", clips / "first.mp4")).status_code == 200


def test_deleted_file_is_not_found(get: Get, tmp_path: Path) -> None:
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(b"x")
    url = lending.lend("clips", "demo.gone", gone)
    gone.unlink()
    assert get(url).status_code == 404


def test_timelines_are_kept_by_browsers(get: Get, tmp_path: Path) -> None:
    file = tmp_path / "one.aft"
    sealed.write(file, b"AFT1")
    reply = get(lending.lend("timelines", "one", file))
    assert "immutable" in reply.headers["cache-control"]
    assert reply.content == b"AFT1"


def test_what_is_damaged_is_not_sent(get: Get, tmp_path: Path) -> None:
    file = tmp_path / "one.aft"
    sealed.write(file, b"AFT1")
    url = lending.lend("timelines", "one", file)
    file.write_bytes(b"AFT2" + file.read_bytes()[4:])
    assert get(url).status_code == 404


def test_a_clip_of_ones_own_is_put_to_disk_and_what_is_none_is_refused(address, get: Get, clips: Path, tmp_path: Path) -> None:
    def put(path: str, body: bytes) -> tuple[int, dict]:
        connection = http.client.HTTPConnection(*address, timeout=10)
        connection.request("PUT", path, body)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())

    assert put("/own/guessed?name=a.mp4", b"x")[0] == 403
    ticket = drops.ticket()
    status, answer = put(f"/own/{ticket}?name=12%3A30%20%2Atalk%2A.mp4", (clips / "first.mp4").read_bytes())
    assert status == 200
    assert store.find(answer["id"]).name == "12:30 *talk*.mp4"
    status, answer = put(f"/own/{ticket}?name=film.mp4", b"no film" * 99)
    assert (status, answer["error"]) == (422, "film.mp4 cannot be read as a video: it is damaged or of another kind.")
    assert not list((tmp_path / "uploads").glob(".incoming*"))


def test_thumb_is_a_small_jpeg(get: Get, clips: Path) -> None:
    lending.lend("clips", "demo.first", clips / "first.mp4")
    reply = get("/thumbs/demo.first")
    assert reply.headers["content-type"] == "image/jpeg"
    assert len(reply.content) < 8_000


def test_a_clip_without_a_picture_has_a_sign_for_sound(get: Get, tmp_path: Path) -> None:
    media.encode(tmp_path / "talk.m4a", [], tone(1))
    lending.lend("clips", "uploads.talk", tmp_path / "talk.m4a")
    reply = get("/thumbs/uploads.talk")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/svg+xml")
