"""The export menu and the link, in the real app."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from affectscope.core import media
from tests.e2e.drive import READY, open_player, ready


def save(page: Page, label: str, file: Path) -> Path:
    """Press the button that makes a file, and keep what is then offered."""
    page.get_by_role("button", name=label, exact=True).click()
    done = page.get_by_role("button", name=f"Save: {label}")
    expect(done).to_be_visible(timeout=READY)
    with page.expect_download() as got:
        done.click()
    got.value.save_as(file)
    return file


def test_one_page_and_the_video_come_out_of_the_menu(page: Page, browser: Browser, app_url: str, tmp_path: Path) -> None:
    open_player(page, app_url)
    title = page.locator(".heading h2").inner_text()
    page.get_by_role("button", name="Export").click()
    html = save(page, "One page (HTML)", tmp_path / "case.html")
    info = media.probe(save(page, "Annotated video (MP4)", tmp_path / "video.mp4"))
    assert (info.width, info.height) == (1280, 720)
    context = browser.new_context(offline=True)
    taken = context.new_page()
    taken.set_default_timeout(READY)
    taken.goto(html.as_uri())
    player = ready(taken)
    expect(taken.locator("h1")).to_have_text(title)
    expect(player).to_have_attribute("data-ready", "true")
    expect(taken.locator(".board")).to_have_attribute("data-ready", "true")
    expect(taken.get_by_text("it has never seen a person").first).to_be_visible()
    context.close()


def test_both_models_of_a_comparison_are_taken_home(page: Page, browser: Browser, app_url: str, tmp_path: Path) -> None:
    open_player(page, f"{app_url}/compare?o.compare.with=mult")
    # The page is whole when its last part is there; until then a press would begin it anew.
    expect(page.locator(".differ").first).to_contain_text("differ", timeout=2 * READY)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=READY)
    page.get_by_role("button", name="Export").click()
    html = save(page, "One page (HTML)", tmp_path / "case.html")
    context = browser.new_context(offline=True)
    taken = context.new_page()
    taken.set_default_timeout(READY)
    taken.goto(html.as_uri())
    expect(ready(taken).locator("[data-ref=twin]")).to_be_visible()
    expect(taken.locator(".board")).to_have_count(2)
    expect(taken.get_by_role("heading", name="B · mult").first).to_be_visible()
    context.close()


@pytest.mark.parametrize("allowed", [True, False])
def test_the_link_opens_the_view_and_says_where_it_works(browser: Browser, app_url: str, allowed: bool) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"] if allowed else [])
    page = context.new_page()
    page.set_default_timeout(READY)
    if not allowed:
        page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))")
    open_player(page, f"{app_url}/?layer=1")
    page.get_by_role("button", name="Copy link").click()
    panel = page.get_by_role("dialog", name="The link to this view")
    address = panel.get_by_label("The address of this view")
    expect(panel).to_contain_text("on this machine only")
    port = urlsplit(app_url).port
    expect(panel.locator("code").first).to_contain_text(f"ssh -L {port}:127.0.0.1:{port} ")
    expect(panel.locator("code").last).to_contain_text("--host 0.0.0.0")
    asked = parse_qs(urlsplit(address.input_value()).query)
    assert {"corpus", "clip", "model"} <= asked.keys()
    assert asked["layer"] == ["1"]
    if allowed:
        assert page.evaluate("navigator.clipboard.readText()") == address.input_value()
    else:
        expect(panel).to_contain_text("press Ctrl+C")
        selected = address.evaluate("field => field.value.slice(field.selectionStart, field.selectionEnd)")
        assert selected == address.input_value()
    link = address.input_value()
    open_player(page, link)
    expect(page.locator(".player [data-ref=layer]")).to_have_value("1")
    context.close()
