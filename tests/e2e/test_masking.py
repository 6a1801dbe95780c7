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
    root = opened(page)
    # The player has gone to its strongest frame and said so: what comes after in the URL is a hand's doing.
    expect(page).to_have_url(re.compile(r"[?&]t="), timeout=READY)
    return root


def opened(page: Page) -> Locator:
    root = page.locator(".board")
    expect(root).to_have_attribute("data-ready", "true", timeout=READY)
    ready(page)
    return root


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=f"{name} frames kept")


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
    drag(page, slider(page, "Audio"), 0.0)
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
    expect(slider(page, "Audio")).to_have_value(str(audio))
    expect(slider(page, "Visual")).to_have_value(str(visual))
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
    page.get_by_role("button", name="Whole", exact=True).click()
    expect(board).to_have_attribute("data-left-visual", f"{of}/{of}")


def test_one_press_takes_everything_of_one_away_and_back_brings_it_again(page: Page, board: Locator) -> None:
    none, without, whole = (board.get_by_role("button", name=name, exact=True) for name in ("No audio", "No visual", "Whole"))
    expect(whole).to_have_attribute("aria-pressed", "true")
    none.click()
    expect(board).to_have_attribute("data-keep", "audio:0,visual:100")
    expect(page).to_have_url(re.compile(r"o\.masking\.keep=audio%3A0"))
    expect(none).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".player")).to_have_attribute("data-lanes", re.compile("audio removed"), timeout=READY)
    without.click()
    expect(board).to_have_attribute("data-keep", "audio:100,visual:0")
    expect(page).to_have_url(re.compile(r"o\.masking\.keep=visual%3A0"))
    expect(page.locator(".player")).to_have_attribute("data-lanes", re.compile("visual removed"), timeout=READY)
    page.go_back()
    expect(board).to_have_attribute("data-keep", "audio:0,visual:100", timeout=READY)
    page.go_back()
    expect(whole).to_have_attribute("aria-pressed", "true", timeout=READY)
    expect(board).to_have_attribute("data-pending", "false", timeout=READY)


def test_keys_alone_do_everything(page: Page, board: Locator) -> None:
    """No mouse: presets from anywhere, and the Tab key to sliders, heads, surface, lanes."""
    keep, whole = "data-keep", board.get_attribute("data-left-visual") or ""
    for key, wanted in (("s", "audio:0,visual:100"), ("i", "audio:100,visual:0"), ("w", "audio:100,visual:100")):
        page.keyboard.press(key)
        expect(board).to_have_attribute(keep, wanted)
    slider(page, "Visual").focus()
    page.keyboard.press("ArrowLeft")
    expect(board).to_have_attribute(keep, "audio:100,visual:99")
    page.keyboard.press("s")
    expect(board).to_have_attribute(keep, "audio:0,visual:100")
    page.keyboard.press("Control+z")
    expect(board).to_have_attribute(keep, "audio:100,visual:99")
    page.keyboard.press("Control+Shift+Z")
    expect(board).to_have_attribute(keep, "audio:0,visual:100")
    stops = tab_stops(page, 12)
    assert stops == [
        "SELECT Which frames go", "SELECT Imputation of missing frames", "INPUT Seed", "BUTTON Next", "BUTTON radio",
        "SELECT Class on the surface", "CANVAS application", "BUTTON PNG", "BUTTON SVG", "BUTTON CSV", "CANVAS application",
        "CANVAS application",
    ]  # fmt: skip
    page.keyboard.press("x")
    expect(board).to_have_attribute("data-pattern", "drawn")
    expect(board).not_to_have_attribute("data-left-visual", whole)
    page.keyboard.press("w")
    expect(board).to_have_attribute("data-left-visual", whole)
    board.get_by_role("radio", checked=True).focus()
    page.keyboard.press("ArrowRight")
    expect(board).to_have_attribute("data-head", "av")


def tab_stops(page: Page, count: int) -> list[str]:
    """What the Tab key comes to, one after the other; each shows that it has the focus."""
    found = []
    for _ in range(count):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(FOCUS)
        assert outline, name
        found.append(name)
    return found


# The element that has the focus, in Streamlit's shadow roots too, and whether an outline tells.
FOCUS = """
() => {
  let element = document.activeElement
  while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  const label = element.getAttribute("aria-label") || (element.getAttribute("role") ?? element.textContent.trim())
  const named = ["CANVAS"].includes(element.tagName) ? element.getAttribute("role") : label
  return [`${element.tagName} ${named}`, getComputedStyle(element).outlineStyle === "solid"]
}
"""

# Where every part of the board stands, by its place in the document; bars, points and pins are what should move.
BOXES = """
root => {
  const moves = ".fill, .pin, .point, option, b, i"
  const parts = [...root.querySelectorAll("*")].filter((part) => !part.matches(moves))
  return Object.fromEntries(parts.map((part, i) => {
    const { x, y, width, height } = part.getBoundingClientRect()
    const name = `${i} ${part.tagName} ${part.className.replace(/ (leads|blind)/, "")}`
    return [name, [x, y, width, height].map((n) => n.toFixed(1)).join(" ")]
  }))
}
"""


@pytest.mark.parametrize("size", [(1440, 900), (1280, 720), (400, 860)])
def test_nothing_moves_whatever_the_share(page: Page, app_url: str, size: tuple[int, int]) -> None:
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    page.goto(f"{app_url}/masking?o.masking.keep=audio:99,visual:99")
    board = opened(page)
    before = board.evaluate(BOXES)
    assert len(before) > 60
    picture = page.locator(".player .stage").first
    for audio, visual in ((0, 99), (0, 0), (1, 1), (37, 0), (50, 50), (100, 100)):
        slider(page, "Audio").fill(str(audio))
        slider(page, "Visual").fill(str(visual))
        expect(board).to_have_attribute("data-keep", f"audio:{audio},visual:{visual}")
        after = board.evaluate(BOXES)
        assert {k: (v, after.get(k)) for k, v in before.items() if after.get(k) != v} == {}
    # What was asked on the way here is answered: the answers' bars are gone.
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning", timeout=READY)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=READY)
    stood = picture.bounding_box()
    board.get_by_role("button", name="No audio").click()
    expect(page.locator(".player")).to_have_attribute("data-lanes", re.compile("audio removed"), timeout=READY)
    ready(page)
    assert picture.bounding_box() == stood
    assert board.evaluate(BOXES) == before


def test_face_sliders_and_answer_stand_on_one_screen(page: Page, app_url: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{app_url}/masking")
    board = opened(page)
    parts = [page.locator(".player .stage").first, board.locator(".controls"), board.locator(".answer"), board.locator(".strips")]
    for part in parts:
        box = part.bounding_box()
        assert box
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 900
        assert box["x"] + box["width"] <= 1440
    assert page.locator("[data-testid=stMain]").evaluate("main => main.scrollTop") == 0


@pytest.mark.parametrize("clip", ["held_s2026_00020", "held_s2026_00046"])
def test_with_nothing_taken_away_now_is_what_the_whole_clip_says(page: Page, app_url: str, clip: str) -> None:
    """Their decisions lie within 5e-6 of where a per cent's last digit turns: rounded twice, they came out as two numbers."""
    page.goto(f"{app_url}/masking?clip={clip}")
    board = opened(page)
    expect(board).to_have_attribute("data-exact", "true")
    rows = board.locator(".class")
    for row in rows.all():
        now, whole = row.locator(".share").all_inner_texts()
        assert now == whole


def test_another_imputation_is_another_grid(page: Page, board: Locator) -> None:
    surface = board.locator(".square canvas")
    page.goto(page.url.split("?")[0] + "?o.masking.keep=audio:20,visual:20")
    board = opened(page)
    absent = board.get_attribute("data-share")
    board.get_by_label("Imputation of missing frames").select_option("mean")
    expect(page).to_have_url(re.compile(r"o\.masking\.imputation=mean"))
    expect(board).to_have_attribute("data-pending", "false", timeout=READY)
    expect(board).not_to_have_attribute("data-share", absent or "", timeout=READY)
    expect(surface).to_have_attribute("aria-label", re.compile("by the share of audio and visual frames kept"))
