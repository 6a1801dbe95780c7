"""The player alone, in a real browser."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core import player as browser_code
from tests.app import fake
from tests.e2e.drive import PLAY_TO_END, WATCH, click_lane, data, open_player, play_undisturbed, ready, settled

FRAME = 1 / 25


@pytest.fixture
def player(page: Page, harness_url: str):
    return open_player(page, harness_url)


def test_frames_carry_the_heatmap_nearest_in_time(page: Page, player) -> None:
    player.evaluate(WATCH)
    seen = play_undisturbed(page, player)
    watched = page.evaluate("window.watched")
    assert seen["presented"] >= 60
    assert seen["drawn"] / seen["presented"] >= 0.99
    assert watched["right"] / watched["frames"] >= 0.99, watched["wrong"]


def test_overlay_costs_no_frames(page: Page, player) -> None:
    """The best of several plays each: what a busy machine drops now and then is not the overlay's doing."""

    def dropped(video: Locator) -> float:
        plays = [video.evaluate(PLAY_TO_END) for _ in range(3)]
        return min(100 * one["dropped"] / max(1, one["total"]) for one in plays)

    with_overlay = dropped(player.locator("video"))
    page.goto(player.locator("video").evaluate("video => video.src"))
    assert with_overlay <= dropped(page.locator("video")) + 1


@pytest.mark.parametrize("share", [0.02, 0.31, 0.5, 0.77, 0.99])
def test_click_on_a_lane_seeks_to_within_a_frame(player, share: float) -> None:
    click_lane(player, share)
    settled(player, share * data(player)["duration"], FRAME)


def test_drag_over_lanes_scrubs(page: Page, player) -> None:
    box = player.locator("canvas.track").nth(2).bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    for share in (0.2, 0.4, 0.6):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 5)
    page.mouse.up()
    settled(player, 0.6 * 3, FRAME)


def test_keyboard(page: Page, player) -> None:
    for _ in range(3):
        page.keyboard.press(".")
    settled(player, 3 * FRAME, 0.01)
    page.keyboard.press(",")
    settled(player, 2 * FRAME, 0.01)
    page.keyboard.press("ArrowRight")
    settled(player, 2 * FRAME + 0.5, FRAME)
    page.keyboard.press("h")
    expect(player).to_have_attribute("data-heatmap", "")
    page.keyboard.press("h")
    page.keyboard.press("v")
    expect(player).to_have_attribute("data-heatmap", "visual:14")
    page.keyboard.press("2")
    expect(player.get_by_label("Attention head")).to_have_value("1")
    page.keyboard.press("0")
    expect(player.get_by_label("Attention head")).to_have_value("-1")
    page.keyboard.press("l")
    expect(player.get_by_label("Loop")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    expect(player.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(player.locator("dialog")).to_be_hidden()
    page.keyboard.press("Space")
    page.wait_for_function("root => !root.querySelector('video').paused", arg=player.element_handle())
    page.keyboard.press("Space")
    page.wait_for_function("root => root.querySelector('video').paused", arg=player.element_handle())


def test_reports_do_not_disturb_playback(page: Page, player) -> None:
    page.keyboard.press("Space")
    page.wait_for_timeout(400)
    player.get_by_label("Attention head").select_option("2")
    page.wait_for_timeout(1200)
    assert not player.locator("video").evaluate("video => video.paused")
    assert data(player)["time"] > 1.0
    expect(page.locator("[data-testid=stJson]")).to_contain_text("stamp")


def test_matrix_click_seeks(page: Page, player) -> None:
    box = player.locator(".square").bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.2 * box["height"])
    settled(player, 0.75 * 3, 2 * FRAME)


def test_names_are_text(page: Page, harness_url: str) -> None:
    player = open_player(page, f"{harness_url}/?case=names")
    expect(player.locator(".classes")).to_contain_text("<b>anger</b>")
    expect(player.locator(".classes b")).to_have_count(0)


def test_no_face_says_so_and_has_no_heatmap(page: Page, harness_url: str) -> None:
    player = open_player(page, f"{harness_url}/?case=faceless")
    expect(player.locator(".notices")).to_contain_text("No face was found")
    expect(player.get_by_role("button", name="Heatmap")).to_be_hidden()
    assert data(player)["heatmap"] == ""


STANDALONE = """
<!doctype html><meta charset="utf-8"><style>:root {{ color-scheme: light dark }} {css}</style><main>{html}</main>
<script type="module">
{js}
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0))
const player = mount(document.querySelector("main"))
player.report = (view) => {{ window.reported = view }}
follow(player, {{ clip_url: "data:video/mp4;base64,{clip}", timeline_url: "here", timeline: bytes("{timeline}"), view: {{}} }})
</script>
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_player_needs_no_server(page: Page, tmp_path: Path, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    text = {"clip": fake.clip(tmp_path / "clip.mp4").read_bytes(), "timeline": fake.timeline().to_bytes()}
    parts = {name: base64.b64encode(one).decode() for name, one in text.items()}
    file = tmp_path / "player.html"
    file.write_text(STANDALONE.format(css=browser_code.css(), html=browser_code.html(), js=browser_code.js(), **parts))
    page.goto(file.as_uri())
    player = ready(page)
    click_lane(player, 0.5)
    settled(player, 1.5, FRAME)
    page.wait_for_function("Math.abs(window.reported?.time - 1.5) <= 0.04")
    assert data(player)["heatmap"] == f"av:{int(data(player)['frame'])}"
    ink = player.evaluate("root => getComputedStyle(root).color")
    assert ink == ("rgb(28, 32, 39)" if scheme == "light" else "rgb(236, 238, 242)")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
