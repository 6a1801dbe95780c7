"""Who is let in: forged hosts, origins, tokens and cookies, against the gate alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from starlette.responses import PlainTextResponse

from affectscope.app.gate import Gate, headers, hosts, visitors
from affectscope.app.gate.terms import Terms
from affectscope.app.server import ROUTES
from affectscope.app.serving import lending
from affectscope.app.serving.doorway import link

TOKEN = "a-token-nobody-guesses"
LOCAL = Terms(frozenset({"127.0.0.1"}), port=8501)
PROXIED = Terms(frozenset({"127.0.0.1", "emotion.example.org"}), token=TOKEN, port=8501)
OPEN = Terms(frozenset({"lab"}), everywhere=True, token=TOKEN, port=8501)


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reached: bool = False
    scope: dict[str, Any] = field(default_factory=dict)


def ask(
    on: Terms, path: str = "/", *, kind: str = "http", method: str = "GET", query: str = "", at: str = "127.0.0.1", **sent: str
):
    """What comes back through the gate; headers by name, with "_" for "-", several values behind one another in a list."""
    reply = Reply()

    async def app(scope, receive, send) -> None:
        reply.reached, reply.scope = True, scope
        if scope["type"] == "http":
            await PlainTextResponse("inside", headers={"X-Frame-Options": "ALLOWALL"})(scope, receive, send)
        else:
            await send({"type": "websocket.accept"})

    async def send(message) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        elif message["type"] == "http.response.body":
            reply.body += message.get("body", b"")
        else:
            reply.status = {"websocket.accept": 101, "websocket.close": 403}[message["type"]]

    async def receive():
        return {"type": "websocket.connect" if kind == "websocket" else "http.request", "body": b"", "more_body": False}

    given = [(k.replace("_", "-"), value) for k, v in sent.items() for value in (v if isinstance(v, list) else [v])]
    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "server": (at, 8501),
        "scheme": "http",
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in given],
    }
    if kind == "http":
        scope["method"] = method
    asyncio.run(Gate(app, of=lambda: on)(scope, receive, send))
    return reply


HERE = ["localhost", "localhost:8501", "localhost:9000", "LOCALHOST:9000", "127.0.0.1:8501", "127.1.2.3", "[::1]:8501", "[::1]"]
FORGED = [
    "evil.example",
    "evil.example:8501",
    "localhost.evil.example",
    "evil.example:8501@localhost",
    "127.0.0.1.nip.io",
    "localhost.",
    "0.0.0.0:8501",
    "[::]:8501",
    "192.168.1.5:8501",
    "localhost:99999",
    "localhost:0",
    "localhost:",
    "localhost:80:80",
    "",
    " ",
    "[::1",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "localhost/",
    "localhost#",
    "localhost, evil.example",
    "local\x00host",
    "lócalhost",
    "[localhost]",
    "[::1%25eth0]",
    "xn--lcalhost-54a",
    "*",
    "emotion.example.org",
]


@pytest.mark.parametrize("host", HERE)
def test_this_machines_own_names_are_answered_at_any_port(host: str) -> None:
    assert ask(LOCAL, host=host).body == b"inside"
    assert ask(LOCAL, "/_stcore/stream", kind="websocket", host=host, origin=f"http://{host}").status == 101


@pytest.mark.parametrize("host", FORGED)
def test_another_host_is_refused_on_every_kind_of_request(host: str) -> None:
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"):
        reply = ask(LOCAL, "/clips/demo.first", method=method, host=host)
        assert (reply.status, reply.reached) == (403, False)
    assert not ask(LOCAL, kind="websocket", host=host, origin=f"http://{host}").reached
    assert not ask(LOCAL, kind="websocket", host=host, origin="http://localhost:8501").reached


def test_no_host_and_two_hosts_are_refused() -> None:
    assert ask(LOCAL).status == 403
    assert ask(LOCAL, host=["localhost:8501", "evil.example"]).status == 403
    assert ask(LOCAL, host=["localhost:8501", "localhost:8501"]).status == 403


def test_who_is_refused_is_told_what_can_be_done_and_no_more() -> None:
    reply = ask(LOCAL, host="<script>.example", accept="text/html")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert b"--allow-host" in reply.body
    assert ask(LOCAL, host="x" * 5000).body.count(b"x") < 100


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost:3000",
        "http://localhost",
        "http://127.0.0.1:8501",
        "file://",
        "",
        "localhost:8501",
        "http://localhost:8501.evil.example",
        "http://localhost:8501@evil.example",
        "http://evil.example#http://localhost:8501",
        "http://localhost:8501/",
        "ws://localhost:8501",
        "http://localhost:x",
    ],
)
def test_another_origin_opens_no_websocket_and_writes_nothing(origin: str) -> None:
    assert not ask(LOCAL, "/_stcore/stream", kind="websocket", host="localhost:8501", origin=origin).reached
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert not ask(LOCAL, "/own/x", method=method, host="localhost:8501", origin=origin).reached


def test_browsers_always_tell_a_websockets_origin() -> None:
    assert not ask(LOCAL, kind="websocket", host="localhost:8501").reached
    assert not ask(
        LOCAL, kind="websocket", host="localhost:8501", origin=["http://localhost:8501", "http://evil.example"]
    ).reached
    # A program without a browser may send files; it needs a ticket all the same.
    assert ask(LOCAL, method="PUT", host="localhost:8501").reached


def test_another_sites_page_cannot_embed_what_is_here_but_can_link_to_it() -> None:
    asked = {"host": "localhost:8501", "sec_fetch_site": "cross-site"}
    assert not ask(LOCAL, "/thumbs/demo.first", sec_fetch_mode="no-cors", **asked).reached
    assert not ask(LOCAL, "/thumbs/demo.first", sec_fetch_mode="no-cors", **asked | {"sec_fetch_site": "same-site"}).reached
    assert ask(LOCAL, sec_fetch_mode="navigate", **asked).reached
    assert ask(LOCAL, "/thumbs/x", sec_fetch_mode="no-cors", host="localhost:8501", sec_fetch_site="same-origin").reached


def test_a_name_that_was_allowed_is_answered_through_a_proxy() -> None:
    cookie = let_in(PROXIED, host="emotion.example.org")
    for host in ("emotion.example.org", "emotion.example.org:8443", "Emotion.Example.Org"):
        assert ask(PROXIED, host=host, cookie=cookie).reached
    assert ask(PROXIED, kind="websocket", host="emotion.example.org", origin="https://emotion.example.org", cookie=cookie).reached
    assert ask(
        PROXIED, kind="websocket", host="emotion.example.org:443", origin="https://emotion.example.org", cookie=cookie
    ).reached
    assert not ask(PROXIED, host="sub.emotion.example.org", cookie=cookie).reached
    assert not ask(PROXIED, kind="websocket", host="emotion.example.org", origin="https://example.org", cookie=cookie).reached


def test_where_everybody_may_come_the_address_that_they_came_to_is_a_name_too() -> None:
    cookie = let_in(OPEN, host="lab:8501")
    assert ask(OPEN, host="192.168.1.5:8501", at="192.168.1.5", cookie=cookie).reached
    assert ask(OPEN, host="192.168.1.5:8501", at="::ffff:192.168.1.5", cookie=cookie).reached
    assert ask(OPEN, host="[fd00::5]:8501", at="fd00::5", cookie=cookie).reached
    assert not ask(OPEN, host="192.168.1.6:8501", at="192.168.1.5", cookie=cookie).reached
    assert not ask(LOCAL, host="192.168.1.5:8501", at="192.168.1.5").reached


def let_in(on: Terms, host: str = "localhost:8501", **sent: str) -> str:
    reply = ask(on, query=f"token={on.token}", host=host, **sent)
    assert reply.status == 303
    return reply.headers["set-cookie"].partition(";")[0]


def test_the_token_is_taken_from_the_address_once_and_kept_in_a_cookie() -> None:
    reply = ask(OPEN, "/masking", query=f"clip=a%20b&token={TOKEN}&o.x=1", host="lab:8501")
    assert (reply.status, reply.reached, reply.headers["location"]) == (303, False, "/masking?clip=a+b&o.x=1")
    assert reply.headers["cache-control"] == "no-store"
    cookie, *rest = reply.headers["set-cookie"].split("; ")
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(rest)
    assert ask(OPEN, "/masking", host="lab:8501", cookie=f"other={{x}}; {cookie}").body == b"inside"
    # Whoever has the cookie already loses no clip by opening the link again.
    again = ask(OPEN, query=f"token={TOKEN}", host="lab:8501", cookie=cookie)
    assert (again.status, "set-cookie" in again.headers) == (303, False)


def test_a_link_leads_to_no_other_host() -> None:
    for path in ("//evil.example", "/\\evil.example", "///evil.example/x", "/%2f/evil"):
        location = ask(OPEN, path, query=f"token={TOKEN}", host="lab:8501").headers["location"]
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))


@pytest.mark.parametrize(
    "path", ["/", "/masking", "/clips/x", "/timelines/x", "/_stcore/health", "/static/js/x.js", "/media/x", "/x"]
)
@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "\udcff", quote("é")])
def test_without_the_token_nothing_is_answered(path: str, token: str) -> None:
    query = f"token={token}".encode("utf-8", "surrogateescape").decode("latin-1")
    for asked in ({}, {"query": query}):
        reply = ask(OPEN, path, host="lab:8501", accept="text/html", **asked)
        assert (reply.status, reply.reached) == (403, False)
        assert b"ask whoever started it for the address" in reply.body
        assert "set-cookie" not in reply.headers


def test_without_a_cookie_of_ours_nothing_is_written_and_no_websocket_opened() -> None:
    cookie = let_in(OPEN)
    name, _, value = cookie.partition("=")
    visitor, _, sign = value.partition(".")
    elsewhere = let_in(Terms(frozenset({"lab"}), everywhere=True, token="another-token-of-theirs", port=8501))
    forged = [
        "",
        f"{name}=",
        f"{name}={visitor}",
        f"{name}={visitor}.",
        f"{name}={visitor}.{'0' * 64}",
        f"{name}=.{sign}",
        f"{name}={TOKEN}",
        f"{name}={'A' * 22}.{sign}",
        f"{name}={visitor}.{sign[:-1]}é",
        f"affectscope-1={value}",
        elsewhere,
        f"{name}={value}x",
    ]
    asked = {"host": "lab:8501", "origin": "http://lab:8501"}
    for wrong_cookie in forged:
        assert not ask(OPEN, "/_stcore/stream", kind="websocket", cookie=wrong_cookie, **asked).reached
        for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS"):
            assert not ask(OPEN, "/own/x", method=method, cookie=wrong_cookie, **asked).reached
    # The token opens pages, and pages alone.
    assert not ask(OPEN, "/own/x", method="PUT", query=f"token={TOKEN}", **asked).reached
    assert not ask(OPEN, "/_stcore/stream", kind="websocket", query=f"token={TOKEN}", **asked).reached
    assert ask(OPEN, "/_stcore/stream", kind="websocket", cookie=cookie, **asked).reached


def test_each_browser_is_somebody_else_and_stays_who_it_was() -> None:
    first, second = let_in(OPEN), let_in(OPEN)
    names = [visitors.of(ask(OPEN, host="lab:8501", cookie=used).scope) for used in (first, second, first)]
    assert names[0] == names[2] != names[1]
    assert names[0] not in first
    newer = Terms(frozenset({"lab"}), everywhere=True, token="the-token-after-a-restart", port=8501)
    again = let_in(newer, cookie=first)
    assert visitors.of(ask(newer, host="lab:8501", cookie=again).scope) == names[0]
    assert visitors.of(ask(LOCAL, host="localhost").scope) == ""


def test_every_answer_tells_what_may_be_loaded_and_by_whom() -> None:
    answers = [
        ask(LOCAL, path, host=host) for path in ("/", "/clips/x", "/_stcore/health") for host in ("localhost", "evil.example")
    ]
    answers += [ask(OPEN, host="lab:8501"), ask(OPEN, host="lab:8501", query=f"token={TOKEN}")]
    for reply in answers:
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "same-origin"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert reply.headers["x-frame-options"] == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in reply.headers["content-security-policy"]
    page = ask(LOCAL, host="localhost").headers["content-security-policy"]
    assert "'unsafe-eval'" not in page
    assert "script-src 'self' blob:" in page
    assert "http" not in page
    assert ask(LOCAL, "/clips/x", host="localhost").headers["content-security-policy"].startswith("default-src 'none'")


def test_no_route_of_ours_is_a_page() -> None:
    assert {route.path.split("/")[1] for route in ROUTES} <= headers.FILES


def test_links_hold_the_token_where_there_is_one() -> None:
    assert link("127.0.0.1", LOCAL) == "http://127.0.0.1:8501"
    assert link("lab", OPEN) == f"http://lab:8501/?token={TOKEN}"
    assert (
        link("fd00::5", Terms(token="a b&c" * 4, base="/affect", port=80))
        == f"http://[fd00::5]:80/affect/?token={quote('a b&c' * 4)}"
    )


def test_what_was_lent_to_one_is_not_given_to_another(tmp_path) -> None:
    file = tmp_path / "own.mp4"
    file.write_bytes(b"x")
    assert lending.lend("clips", "uploads.own", file, "anna") == "/clips/uploads.own"
    assert [lending.find("clips", "uploads.own", who) for who in ("anna", "bert", "-", "")] == [file, None, None, file]
    lending.lend("clips", "uploads.own", file, "bert")
    assert lending.find("clips", "uploads.own", "bert") == lending.find("clips", "uploads.own", "anna") == file
    lending.lend("clips", "demo.first", file)
    assert lending.find("clips", "demo.first", "bert") == file


@pytest.mark.parametrize(
    ("name", "means"), [("localhost", True), ("127.0.0.1", True), ("::1", True), ("evil", False), ("0.0.0.0", False)]
)
def test_loopback(name: str, means: bool) -> None:
    assert hosts.is_loopback(name) is means
