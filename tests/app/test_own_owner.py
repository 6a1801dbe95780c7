"""Where others than this machine's own can come, an own clip belongs to the browser that sent it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from affectscope.app.common import jobs
from affectscope.app.gate import Gate, visitors
from affectscope.app.gate.terms import Terms
from affectscope.app.library import drops
from affectscope.app.own import store
from affectscope.app.server import ROUTES
from affectscope.core.cache import sealed
from affectscope.core.errors import UserError

ON = Terms(frozenset({"lab"}), everywhere=True, token="a-token-nobody-guesses", port=8501)


def cookie(of: str) -> str:
    """The cookie of a browser whose random name this is, 22 characters."""
    return visitors.admit(f"{of:A<22}.", ON, False).partition(";")[0]


def named(of: str) -> str:
    name = visitors.owner(cookie(of).partition("=")[2], ON)
    assert name
    return name


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Called with a browser's name: what follows is done on its page."""
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))

    def as_who(of: str) -> None:
        monkeypatch.setattr(visitors, "current", lambda: named(of) if of else "")

    return as_who


def ask(path: str, of: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
    """What the routes answer behind the gate."""
    app = Starlette(routes=list(ROUTES), middleware=[Middleware(Gate, of=lambda: ON)])
    path, _, query = path.partition("?")
    sent = [(b"host", b"lab:8501"), (b"cookie", cookie(of).encode())]
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": sent, "scheme": "http",
        "server": ("10.0.0.1", 8501), "client": ("10.0.0.2", 1), "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    status, answer, left = 0, b"", [body]

    async def receive():
        if not left:
            # The browser stays.
            await asyncio.Event().wait()
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    async def send(message) -> None:
        nonlocal status, answer
        status = message.get("status", status)
        answer += message.get("body", b"")

    asyncio.run(app(scope, receive, send))
    return status, answer


def test_nobody_else_sees_or_fetches_a_clip_or_what_belongs_to_it(act, clips: Path) -> None:
    from affectscope.app import services
    from affectscope.app.services.analyses import timeline_url
    from affectscope.app.serving import lending

    act("anna")
    ticket = drops.ticket()
    status, reply = ask(f"/own/{ticket}?name=a.mp4", "anna", "PUT", (clips / "first.mp4").read_bytes())
    assert status == 200
    clip_id = json.loads(reply)["id"]
    own = store.find(clip_id)
    assert own
    assert own.owner == named("anna")
    item = services.clip(services.UPLOADS, clip_id)
    store.make_playable(clip_id, own.original, lambda share: None)
    made = clips / "made.aft"
    sealed.write(made, b"made of it")
    found = services.Result({}, {}, "made-of-it", {}, made)
    urls = [services.media_url(item), services.thumb_url(item.corpus, item.id, item.media), timeline_url(found, item)]
    urls += [lending.lend("strips", made.name, made, own.owner)]
    assert [ask(url, "anna")[0] for url in urls] == [200] * 4
    assert [ask(url, "bert")[0] for url in urls] == [404] * 4
    act("bert")
    assert store.find(clip_id) is None
    assert store.listed() == []
    with pytest.raises(UserError, match="no longer stored"):
        services.clip(services.UPLOADS, clip_id)


def test_two_browsers_may_send_the_same_file(act, clips: Path) -> None:
    data = (clips / "first.mp4").read_bytes()
    ids = []
    for of in ("anna", "bert"):
        act(of)
        ids.append(store.save(f"{of}.mp4", io.BytesIO(data), named(of)))
    assert ids[0] != ids[1]
    assert [clip.name for clip in store.listed()] == ["bert.mp4"]
    act("anna")
    assert [clip.name for clip in store.listed()] == ["anna.mp4"]


def test_on_loopback_all_pages_are_one_persons(act, clips: Path) -> None:
    act("")
    clip_id = store.save("a.mp4", io.BytesIO((clips / "first.mp4").read_bytes()))
    assert [clip.id for clip in store.listed()] == [clip_id]
    act("anna")
    assert store.listed() == []


def test_a_ticket_is_the_browsers_whose_page_it_stands_on(act, clips: Path) -> None:
    act("anna")
    ticket = drops.ticket()
    for path in (f"/own/{ticket}?name=a.mp4", f"/drops/{ticket}?name=a.pt"):
        assert ask(path, "bert", "PUT", b"x")[0] == 403
    act("bert")
    assert not drops.known(ticket)
    assert drops.take([ticket], [{"id": "x"}]) == []
    act("anna")
    assert drops.known(ticket)


def test_a_ticket_lapses(act, monkeypatch: pytest.MonkeyPatch) -> None:
    act("anna")
    ticket = drops.ticket()
    now = drops.time.monotonic()
    monkeypatch.setattr(drops.time, "monotonic", lambda: now + 25 * 3600)
    assert not drops.known(ticket)


def test_work_is_done_for_whom_it_was_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "terms", lambda: ON)
    seen: list[str] = []
    # Outside of any page, and ordered by none: nobody's.
    assert visitors.current() == "-"
    before = visitors._ORDERED.set("anna")
    work = visitors.bound(lambda progress: seen.append(visitors.current()))
    job = jobs.ensure("for whom", lambda progress: seen.append(visitors.current()))
    visitors._ORDERED.reset(before)
    assert job.wait(10)
    work(None)
    assert seen == ["anna", "anna"]
    assert visitors.current() == "-"
