"""A really started server against forged requests, and a real browser against hostile names."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from affectscope.app.common.navigation import PAGES
from tests.app import fake
from tests.e2e.drive import READY, open_player, ready
from tests.e2e.serve import APP, serving

TOKEN = "a-token-nobody-guesses"
PATHS = (
    "/", "/masking", "/_stcore/health", "/_stcore/host-config", "/_stcore/upload_file/a/b", "/static/js/none.js", "/favicon.png",
    "/clips/demo.x", "/timelines/x", "/thumbs/x", "/media/x", "/_stcore/agent/openapi.json", "/_stcore/metrics",
)  # fmt: skip
PICTURE = "![here](http://127.0.0.1:9/seen.png)"
MARKUP = f"{PICTURE}<img src=http://127.0.0.1:9/b.png>*a*:red[b]"


def spoken(url: str, request: bytes) -> tuple[int, bytes]:
    """Status and all that comes back to bytes that no client library would send."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
        line.sendall(request)
        found = b""
        while chunk := line.recv(65536):
            found += chunk
    return int(found.split(b" ", 2)[1]), found


def asked(path: str, host: str, method: str = "GET", *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines, "", "")).encode()


def shakes(url: str, **how) -> bool:
    """Whether a websocket is opened."""
    try:
        connect(url, subprotocols=["streamlit"], open_timeout=10, **how).close()
    except InvalidStatus as error:
        return error.response.status_code != 403
    return True


@pytest.mark.parametrize("path", PATHS)
def test_a_forged_host_reaches_nothing(app_url: str, path: str) -> None:
    port = urlsplit(app_url).port
    for host in ("evil.example", f"evil.example:{port}", f"192.168.1.5:{port}", "localhost.evil.example", ""):
        for method in ("GET", "PUT", "POST", "DELETE"):
            assert spoken(app_url, asked(path, host, method, "Content-Length: 0"))[0] in (400, 403)
    assert spoken(app_url, asked(path, "localhost:9000"))[0] in (200, 400, 404, 405)
    assert spoken(app_url, f"GET {path} HTTP/1.0\r\n\r\n".encode())[0] in (400, 403)


def test_a_forged_websocket_is_not_opened(app_url: str) -> None:
    port = urlsplit(app_url).port
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    assert shakes(address, origin=f"http://127.0.0.1:{port}")
    for origin in (
        "http://evil.example",
        f"http://evil.example:{port}",
        "null",
        f"http://localhost:{port}",
        "http://127.0.0.1:1",
        None,
    ):
        assert not shakes(address, origin=origin)
    with socket.create_connection(("127.0.0.1", port)) as line:
        assert not shakes(f"ws://evil.example:{port}/_stcore/stream", origin=f"http://evil.example:{port}", sock=line)


@pytest.mark.parametrize(
    "path", ["//etc/passwd", "/clips/..%2f..%2f..%2fetc/passwd", "/static/../../../etc/passwd", "/clips/%00", "/..//"]
)
def test_a_path_leads_to_no_file(app_url: str, path: str) -> None:
    status, reply = spoken(app_url, asked(path, "localhost"))
    assert status in (200, 301, 400, 403, 404)
    assert b"root:" not in reply


@pytest.mark.parametrize("route", ["clips", "timelines", "grids", "maps", "lists", "thumbs", "strips", "saves"])
@pytest.mark.parametrize("name", ["/etc/passwd", "....//....//etc/passwd", "file:///etc/passwd", "~/x", "a/b"])
def test_an_id_that_looks_like_a_path_is_not_found(app_url: str, route: str, name: str) -> None:
    """Not even by Streamlit, which answers to any path that is nobody's with the page that it starts with."""
    status, reply = spoken(app_url, asked(f"/{route}/{name}", "localhost"))
    assert status == 404
    assert b"<html" not in reply.lower()


def test_every_answer_has_its_policy(app_url: str) -> None:
    for path in PATHS:
        head = spoken(app_url, asked(path, "localhost"))[1].partition(b"\r\n\r\n")[0].lower()
        for line in (
            b"x-content-type-options: nosniff",
            b"content-security-policy: default-src",
            b"referrer-policy: same-origin",
        ):
            assert head.count(line) == 1, (path, line)


@pytest.fixture
def noted(page: Page) -> list[str]:
    """The requests that leave the server's own address."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if ":9/" in request.url or "evil" in request.url:
            sent.append(request.url)

    page.on("request", note)
    return sent


@pytest.mark.parametrize("name", PAGES)
def test_markup_in_the_address_is_text_on_every_page(page: Page, app_url: str, noted: list[str], name: str) -> None:
    path = "" if name == next(iter(PAGES)) else name
    query = {"corpus": "demo", "clip": MARKUP, "model": MARKUP, "o.compare.with": MARKUP, "map": MARKUP, "explain": MARKUP}
    page.goto(f"{app_url}/{path}?" + "&".join(f"{k}={quote(v)}" for k, v in query.items()))
    expect(page.locator("#shell")).to_have_count(0, timeout=READY)
    if name not in ("train", "library"):
        expect(page.get_by_text("The address names a model that is not here")).to_be_visible(timeout=READY)
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'", timeout=READY
    )
    assert noted == []
    assert page.locator("img[src*=':9/']").count() == 0


def test_markup_in_names_labels_and_errors_is_read_letter_by_letter(
    page: Page, app_url: str, noted: list[str], tmp_path: Path
) -> None:
    clip = fake.clip(tmp_path / "clip.mp4", seconds=1.0)
    player = open_player(page, app_url)
    name = "![here](http:__127.0.0.1:9_x)<b>*a*.mp4"
    page.locator(".own input[type=file]").set_input_files({"name": name, "mimeType": "video/mp4", "buffer": clip.read_bytes()})
    expect(page.locator(".heading h2")).to_have_text(name, timeout=READY)
    player = ready(page)
    page.get_by_role("button", name="This clip").click()
    field = page.get_by_label("Name", exact=True)
    field.fill(MARKUP)
    field.press("Enter")
    expect(page.locator(".heading h2")).to_have_text(MARKUP, timeout=READY)
    page.get_by_role("button", name="Note this case").click()
    page.locator("textarea").last.fill(MARKUP)
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible(timeout=READY)
    page.goto(f"{app_url}/failures?o.failures.view=notes")
    expect(page.get_by_text(MARKUP).first).to_be_visible(timeout=READY)
    assert noted == []
    assert player


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for a token, under /affect."""
    cache = tmp_path_factory.mktemp("guarded")
    with serving(APP, cache, "--server.baseUrlPath", "affect", AFFECTSCOPE_TOKEN=TOKEN) as url:
        yield f"{url}/affect"


def test_without_the_link_there_is_one_sentence_and_with_it_the_clip_plays(browser: Browser, guarded: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(READY)
    page.goto(f"{guarded}/")
    expect(page.locator("body")).to_contain_text("ask whoever started it for the address that ends in ?token=")
    port = urlsplit(guarded).port
    assert not shakes(f"ws://127.0.0.1:{port}/affect/_stcore/stream", origin=f"http://127.0.0.1:{port}")
    for path in ("/affect/_stcore/health", "/affect/clips/x", "/affect/static/js/x.js", "/_stcore/health", "/clips/x"):
        assert spoken(guarded, asked(path, "localhost"))[0] == 403
    errors: list[str] = []
    page.on(
        "console", lambda message: errors.append(f"{message.text} {message.location['url']}") if message.type == "error" else None
    )
    player = open_player(page, f"{guarded}/?token={TOKEN}")
    assert "token" not in page.url
    assert player.evaluate("root => root.querySelector('video').src").startswith(f"{guarded}/clips/")
    (cookie,) = [kept for kept in context.cookies() if kept["name"].startswith("affectscope-")]
    assert (cookie["httpOnly"], cookie["sameSite"], TOKEN in cookie["value"]) == (True, "Lax", False)
    pictures = page.locator("[data-testid=stSidebar] img")
    expect(pictures.first).to_be_visible(timeout=READY)
    assert pictures.first.get_attribute("src").startswith("/affect/thumbs/")
    page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=pictures.first.element_handle())
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text(re.compile("needs the token"))).to_be_visible()
    assert TOKEN not in page.get_by_label("The address of this view").input_value()
    page.reload()
    ready(page)
    assert [error for error in errors if "_stcore" not in error] == []
    other = browser.new_context().new_page()
    other.set_default_timeout(READY)
    other.goto(page.url)
    expect(other.locator("body")).to_contain_text("ask whoever started it")
    context.close()
