"""A ticket takes so many files and bytes in all, however often and however many at once its address is used."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.requests import Request

from affectscope.app.library import drops
from affectscope.app.own import arrive, store
from tests.app import fake
from tests.app.test_library import send


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def arrives(ticket: str, body: bytes, meanwhile: list[int] | None = None) -> int:
    """The status of a PUT of a clip.

    Args:
        meanwhile: filled with the status of a second PUT to the same ticket, sent while the first is under way.
    """

    async def receive():
        if meanwhile is not None:
            meanwhile.append(await put(whole))
        return {"type": "http.request", "body": body, "more_body": False}

    async def whole():
        return {"type": "http.request", "body": body, "more_body": False}

    def request(of) -> Request:
        scope = {
            "type": "http", "method": "PUT", "path": "/", "path_params": {"ticket": ticket}, "query_string": b"name=a.mp4",
            "headers": [],
        }  # fmt: skip
        return Request(scope, of)

    async def put(of) -> int:
        return (await arrive.receive(request(of))).status_code

    return asyncio.run(put(receive))


def test_a_used_address_takes_nothing_more(tmp_path: Path) -> None:
    ticket = drops.ticket(files=1)
    film = fake.clip(tmp_path / "a.mp4", seconds=0.5).read_bytes()
    assert drops.usable(ticket)
    assert [arrives(ticket, film), arrives(ticket, film)] == [200, 429]
    assert not drops.usable(ticket)
    assert len(store.listed()) == 1
    ticket = drops.ticket(files=1)
    status, told = send(ticket, "x.pt", b"a")
    assert (status, send(ticket, "y.pt", b"b")[0]) == (200, 429)
    # What arrived before is still handed over, once.
    assert [file.name for file in drops.take([ticket], [told])] == ["x.pt"]
    assert drops.take([ticket], [told]) == []
    assert send(ticket, "z.pt", b"c")[0] == 429


def test_two_at_once_are_no_more_than_two_after_each_other(tmp_path: Path) -> None:
    film = fake.clip(tmp_path / "a.mp4", seconds=0.5).read_bytes()
    meanwhile: list[int] = []
    assert arrives(drops.ticket(files=1), film, meanwhile) == 200
    assert meanwhile == [429]
    assert arrives(drops.ticket(files=2), film, meanwhile) == 200
    assert meanwhile == [429, 200]


def test_what_was_refused_may_be_sent_again_but_not_for_ever(tmp_path: Path) -> None:
    ticket = drops.ticket(files=1)
    drops._TICKETS[ticket].tries = 3
    assert [arrives(ticket, b"no film") for _ in range(2)] == [422, 422]
    assert drops.usable(ticket)
    assert arrives(ticket, fake.clip(tmp_path / "a.mp4", seconds=0.5).read_bytes()) == 200
    ticket = drops.ticket(files=1)
    drops._TICKETS[ticket].tries = 3
    assert [send(ticket, "x.exe", b"abc")[0] for _ in range(4)] == [415, 415, 415, 429]
    assert not drops.usable(ticket)


def test_bytes_are_counted_over_all_files() -> None:
    ticket = drops.ticket()
    drops._TICKETS[ticket].size = 3 << 20
    assert [send(ticket, "x.pt", bytes(2 << 20))[0] for _ in range(2)] == [200, 413]
    assert [send(ticket, "x.pt", bytes(1 << 20))[0] for _ in range(2)] == [200, 429]
    assert not drops.usable(ticket)


def test_a_page_gives_out_another_address_when_one_is_used_up(app) -> None:
    app.run()
    ticket = app.session_state["own_ticket"]
    app.run()
    assert app.session_state["own_ticket"] == ticket
    drops._TICKETS[ticket].files = 0
    app.run()
    assert app.session_state["own_ticket"] != ticket
