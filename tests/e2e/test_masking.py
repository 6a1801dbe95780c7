"""The Masking page over the real app: the answer follows the hand, the player follows on release."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.drive import READY, ready

# What the board and the player show, and how long the page has asked nobody: every message to the server is counted.
COUNT_SENT = """
() => {
  window.sent = 0
  const send = WebSocket.prototype.send
  WebSocket.prototype.send = function (data) { window.sent += 1; return send.call(this, data) }
}
"""


@pytest.fixture
def board(page: Page, app_url: str) -> Locator:
    page.add_init_script(f"({COUNT_SENT})()")
    page.goto(f"{app_url}/masking")
    return opened(page)


def opened(page: Page) -> Locator:
    root = page.locator(".board")
    expect(root).to_have_attribute("data-ready", "true", timeout=READY)
    ready(page)
    return root


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=f"{name} that is there")


def drag(page: Page, which: Locator, to: float) -> None:
    """Take the thumb by the mouse and hold it at a share of the slider; whoever calls lets go."""
    box = which.bounding_box()
    assert box
    value = float(which.input_value()) / 100
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8 + value * (box["width"] - 16), y)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + to * (box["width"] - 16), y, steps=8)


def about(left: float, of: int) -> re.Pattern[str]:
    """What the board says when so many frames of a modality are left, give or take two."""
    return re.compile(f"^({'|'.join(str(round(left) + off) for off in range(-2, 3))})/{of}$")


def lanes(page: Page) -> str:
    return page.locator(".player").get_attribute("data-lanes") or ""


def test_the_answer_follows_the_thumb_and_the_player_follows_on_release(page: Page, board: Locator) -> None:
    whole = board.get_attribute("data-share")
    bar = board.locator(".class.leads .share").first.inner_text()
    assert "removed" not in lanes(page)
    page.wait_for_timeout(500)
    before = page.evaluate("window.sent")
    drag(page, slider(page, "Sound"), 0.0)
    expect(board).to_have_attribute("data-keep", "audio:0,visual:100")
    expect(board).not_to_have_attribute("data-share", whole or "")
    assert page.evaluate("window.sent") == before
    expect(board.locator(".class.leads .pinned").first).not_to_have_text(board.locator(".class.leads .share").first.inner_text())
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"o\.masking\.keep=audio%3A0"))
    expect(page.locator(".player")).to_have_attribute("data-lanes", re.compile("audio removed"), timeout=READY)
    expect(board).to_have_attribute("data-exact", "true")
    page.get_by_role("button", name="Undo").click()
    expect(board).to_have_attribute("data-keep", "audio:100,visual:100")
    expect(board).to_have_attribute("data-share", whole or "")
    expect(board.locator(".class.leads .share").first).to_have_text(bar)
    expect(page.locator(".player")).not_to_have_attribute("data-lanes", re.compile("removed"), timeout=READY)


def test_a_click_on_the_surface_moves_the_sliders_and_a_reload_keeps_them(page: Page, board: Locator) -> None:
    plane = board.locator(".square canvas")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box
    page.mouse.click(box["x"] + 0.305 * box["width"], box["y"] + 0.505 * box["height"])
    keep = board.get_attribute("data-keep") or ""
    audio, visual = (int(part.split(":")[1]) for part in keep.split(","))
    assert abs(audio - 30) <= 2
    assert abs(visual - 49) <= 2
    expect(slider(page, "Sound")).to_have_value(str(audio))
    expect(slider(page, "Picture")).to_have_value(str(visual))
    expect(page.locator(".player")).to_have_attribute("data-lanes", re.compile("visual removed"), timeout=READY)
    expect(board).to_have_attribute("data-exact", "true")
    share, left = board.get_attribute("data-share"), board.get_attribute("data-left-visual")
    page.reload()
    board = opened(page)
    expect(board).to_have_attribute("data-keep", keep)
    expect(board).to_have_attribute("data-left-visual", left or "")
    expect(board).to_have_attribute("data-share", share or "")


def test_frames_are_drawn_away_and_brought_back_by_hand(page: Page, board: Locator) -> None:
    strip = board.locator(".strip canvas").nth(1)
    there, of = (int(n) for n in (board.get_attribute("data-left-visual") or "").split("/"))
    assert there == of

    def sweep(start: float, end: float) -> None:
        strip.scroll_into_view_if_needed()
        box = strip.bounding_box()
        assert box
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + start * box["width"], y)
        page.mouse.down()
        page.mouse.move(box["x"] + end * box["width"], y, steps=5)
        page.mouse.up()

    sweep(0.25, 0.75)
    expect(board).to_have_attribute("data-pattern", "drawn")
    expect(board).to_have_attribute("data-pending", "false", timeout=READY)
    expect(board).to_have_attribute("data-left-visual", about(of / 2, of))
    expect(page).to_have_url(re.compile(r"o\.masking\.spans=visual%3A\d+-\d+"))
    expect(page.locator(".player")).to_have_attribute("data-lanes", re.compile("visual removed"), timeout=READY)
    sweep(0.5, 0.9)
    expect(board).to_have_attribute("data-pending", "false", timeout=READY)
    expect(board).to_have_attribute("data-left-visual", about(0.75 * of, of))
    page.get_by_role("button", name="Whole again").click()
    expect(board).to_have_attribute("data-left-visual", f"{of}/{of}")


def test_another_filling_is_another_grid(page: Page, board: Locator) -> None:
    surface = board.locator(".square canvas")
    page.goto(page.url.split("?")[0] + "?o.masking.keep=audio:20,visual:20")
    board = opened(page)
    absent = board.get_attribute("data-share")
    board.get_by_label("What replaces them").select_option("mean")
    expect(page).to_have_url(re.compile(r"o\.masking\.fill=mean"))
    expect(board).to_have_attribute("data-pending", "false", timeout=READY)
    expect(board).not_to_have_attribute("data-share", absent or "", timeout=READY)
    expect(surface).to_have_attribute("aria-label", re.compile("by the share of sound and picture that is there"))
