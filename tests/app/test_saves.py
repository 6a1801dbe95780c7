"""What a button saves: the newest content under an address that stays, and for nobody else."""

from __future__ import annotations

import ast
import gc
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from affectscope.app.gate import Gate, visitors
from affectscope.app.gate.terms import Terms
from affectscope.app.server import ROUTES
from affectscope.app.serving import saves
from affectscope.core.errors import UserError
from tests.app.listening import listening
from tests.app.test_own_owner import ON, ask, named

ROOT = Path(__file__).parents[2]


class Sessions:
    """Which browser's page is made, and in which of its sessions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch, self.all, self._page = monkeypatch, {}, SimpleNamespace(session_state={})
        monkeypatch.setattr(saves, "st", self._page)

    def enter(self, session: str, of: str = "") -> None:
        self._page.session_state = self.all.setdefault(session, {})
        self._patch.setattr(visitors, "current", lambda: named(of) if of else "")

    def end(self, session: str) -> None:
        del self.all[session]
        self._page.session_state = {}
        gc.collect()


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    made = Sessions(monkeypatch)
    made.enter("first")
    return made


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """The routes on a real server behind the gate of a machine that only its own come to."""
    with listening(Starlette(routes=list(ROUTES), middleware=[Middleware(Gate, of=lambda: Terms())])) as found:
        yield found


@pytest.fixture
def get(address: tuple[str, int]) -> Callable[..., tuple[int, dict[str, str], bytes]]:
    def fetch(path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*address, timeout=10)
        connection.request(method, path)
        reply = connection.getresponse()
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()

    return fetch


def test_an_address_stays_and_leads_to_the_newest_content(sessions: Sessions, get) -> None:
    urls = [saves.offer("lanes", lambda i=i: f"run {i}".encode(), "lanes.csv", "text/csv")[0] for i in range(3)]
    assert len(set(urls)) == 1
    assert get(urls[0])[2] == b"run 2"
    other = saves.offer("picture", lambda: b"a picture", "picture.png", "image/png")[0]
    assert other != urls[0]
    assert (get(other)[2], get(urls[0])[2]) == (b"a picture", b"run 2")


def test_what_is_sent_is_a_file_and_nothing_else(sessions: Sessions, get) -> None:
    url, name = saves.offer("page", lambda: b"<script>alert(1)</script>", 'a/b"\r\n\u202eé.html', "text/html")
    assert name == "a_b____é.html"
    status, headers, content = get(url)
    assert (status, content) == (200, b"<script>alert(1)</script>")
    assert headers["content-disposition"] == "attachment; filename=\"a_b_____.html\"; filename*=UTF-8''a_b____%C3%A9.html"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "sandbox" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("lanes.csv", "lanes.csv"),
        ("12:30 *talk*.mp4", "12_30 _talk_.mp4"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "file"),
        (".bashrc", "bashrc"),
        ("x" * 300 + ".csv", "x" * 116 + ".csv"),
        ("x" * 300, "x" * 120),
        ("a\0b\ud800.png", "a_b_.png"),
    ],
)
def test_a_files_name_is_one_everywhere(name: str, safe: str) -> None:
    assert saves.safe(name) == safe


def test_nobody_guesses_an_address_and_nobody_else_may_use_it(sessions: Sessions) -> None:
    sessions.enter("of anna", "anna")
    made: list[str] = []

    def make() -> bytes:
        # In another thread it is still made for her.
        made.append(visitors._ORDERED.get() or "")
        return b"hers"

    url = saves.offer("lanes", make, "lanes.csv", "text/csv")[0]
    assert len(url.removeprefix("/saves/")) == 32
    assert ask(url, "anna") == (200, b"hers")
    assert made == [named("anna")]
    assert ask(url, "bert")[0] == 404
    assert ask("/saves/guessed", "anna")[0] == 404
    assert made == [named("anna")]
    assert ON.token


def test_two_sessions_of_a_browser_do_not_share_an_address(sessions: Sessions, get) -> None:
    first = saves.offer("lanes", lambda: b"first", "lanes.csv", "text/csv")[0]
    sessions.enter("second")
    second = saves.offer("lanes", lambda: b"second", "lanes.csv", "text/csv")[0]
    assert (get(first)[2], get(second)[2]) == (b"first", b"second")


def test_an_address_lapses_with_its_session(sessions: Sessions, get) -> None:
    url = saves.offer("lanes", lambda: b"first", "lanes.csv", "text/csv")[0]
    assert get(url)[0] == 200
    sessions.end("first")
    status, _, body = get(url)
    assert (status, json.loads(body)["error"]) == (404, "This page is too old to save anything: reload it.")


def test_addresses_are_bounded_and_the_oldest_go(sessions: Sessions, monkeypatch: pytest.MonkeyPatch, get) -> None:
    urls = [saves.offer(f"button {i}", lambda: b"x", "x.csv", "text/csv")[0] for i in range(33)]
    assert [get(url)[0] for url in (urls[0], urls[1], urls[32])] == [404, 200, 200]
    # Used again, it is among the newest.
    assert saves.offer("button 1", lambda: b"x", "x.csv", "text/csv")[0] == urls[1]
    saves.offer("button 33", lambda: b"x", "x.csv", "text/csv")
    assert [get(url)[0] for url in urls[1:3]] == [200, 404]
    monkeypatch.setattr(saves, "_MOST", 3)
    sessions.enter("second")
    saves.offer("button", lambda: b"x", "x.csv", "text/csv")
    assert len(saves._SAVES) == 3


def test_what_cannot_be_made_is_one_sentence(sessions: Sessions, get) -> None:
    def damaged() -> bytes:
        raise UserError("The file was damaged just now: press the button again.")

    def broken() -> bytes:
        raise ZeroDivisionError("secret")

    status, _, body = get(saves.offer("a", damaged, "a.csv", "text/csv")[0])
    assert (status, json.loads(body)) == (422, {"error": "The file was damaged just now: press the button again."})
    status, _, body = get(saves.offer("b", broken, "b.csv", "text/csv")[0])
    assert (status, json.loads(body)) == (
        500,
        {"error": "Something went wrong inside the app; the server's log has the details."},
    )


def test_to_be_told_of_a_file_makes_none(sessions: Sessions, get) -> None:
    made: list[int] = []
    url = saves.offer("a", lambda: bytes(made.append(1) or 1), "a.csv", "text/csv")[0]
    assert get(url, "HEAD")[0] == 200
    assert made == []


def test_the_address_stands_under_the_servers_path(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saves, "base", lambda: "/affect")
    assert quote(saves.offer("a", bytes, "a.csv", "text/csv")[0]).startswith("/affect/saves/")


def uses_streamlits(source: str) -> list[int]:
    return [
        node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute) and node.attr == "download_button"
    ]


def test_every_file_is_saved_by_the_button_of_ours() -> None:
    """Streamlit's makes a new address on every run and forgets the old one: a press at that moment saves nothing."""
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("app", "pages")
        for path in (ROOT / folder).rglob("*.py")
        for line in uses_streamlits(path.read_text(encoding="utf-8"))
    }
    assert not found, "use affectscope.app.common.save"
    assert uses_streamlits(
        "import streamlit as st\nst.download_button('CSV', b'')\nst.container().download_button('x', b'')"
    ) == [2, 3]
