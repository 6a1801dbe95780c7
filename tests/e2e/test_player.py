"""The player alone, in a real browser."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from affectscope.core import player as browser_code
from tests.app import fake
from tests.e2e.drive import PLAY_TO_END, READY, WATCH, click_lane, data, open_player, play_undisturbed, ready, settled

FRAME = 1 / 25
STRONGEST = int(fake.timeline().heatmaps[0].peaks.argmax())


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
        return min(100 * play["dropped"] / max(1, play["total"]) for play in plays)

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


@pytest.fixture
def slow(page: Page) -> Iterator[None]:
    """A processor six times slower."""
    client = page.context.new_cdp_session(page)
    client.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    yield
    client.send("Emulation.setCPUThrottlingRate", {"rate": 1})


def stands_at(page: Page, player: Locator, frame: int) -> None:
    """Wait until the clip stands and shows a frame, and nothing is under way that could change it."""
    page.wait_for_function(
        "([root, frame]) => Number(root.dataset.frame) === frame && !root.querySelector('video').seeking",
        arg=[player.element_handle(), frame],
        timeout=READY,
    )


def test_nothing_pressed_is_lost_while_a_seek_is_under_way(page: Page, player, slow: None) -> None:
    for attempt in range(20):
        page.keyboard.press("Home")
        for key in "...,":
            page.keyboard.press(key)
            page.wait_for_timeout(7 * attempt)
        stands_at(page, player, 2)
        # Half a second is twelve and a half frames: twice that is twenty-five.
        for key in ("ArrowRight", "ArrowRight", "."):
            page.keyboard.press(key)
        stands_at(page, player, 28)
        # A click, and steps from there: 0.51 of three seconds lies in frame 38.
        click_lane(player, 0.51)
        page.keyboard.press(".")
        page.keyboard.press(".")
        stands_at(page, player, 40)


def test_a_key_pressed_before_the_lanes_are_there_is_done_once_they_are(page: Page, harness_url: str) -> None:
    held: list[Route] = []
    page.route("**/timelines/**", lambda route: held.append(route))
    page.goto(harness_url)
    player = page.locator(".player")
    expect(player).to_be_visible(timeout=READY)
    page.wait_for_function("root => root.querySelector('video').readyState >= 2", arg=player.element_handle())
    for key in ("Home", ".", ".", ".", "h"):
        page.keyboard.press(key)
    for route in held:
        route.continue_()
    expect(player).to_have_attribute("data-ready", "true", timeout=READY)
    stands_at(page, player, 3)
    expect(player).to_have_attribute("data-heatmap", "")


def test_a_clip_opens_where_its_heatmap_is_strongest_and_plays_from_its_start(page: Page, player) -> None:
    opened = data(player)
    assert opened["frame"] == STRONGEST
    assert opened["heatmap"] == f"av:{STRONGEST}"
    expect(player.locator(".now h3")).to_contain_text(f"So far, up to {STRONGEST / 25:.2f} s")
    page.evaluate(
        """root => { const video = root.querySelector("video")
        video.addEventListener("playing", () => { window.began = video.currentTime }, { once: true }) }""",
        player.element_handle(),
    )
    page.keyboard.press("Space")
    page.wait_for_function("window.began !== undefined")
    assert page.evaluate("window.began") < 0.5


def test_a_moved_playhead_plays_on_from_where_it_is(page: Page, player) -> None:
    click_lane(player, 0.8)
    settled(player, 2.4, FRAME)
    page.keyboard.press("Space")
    page.wait_for_function("root => !root.querySelector('video').paused", arg=player.element_handle())
    assert player.locator("video").evaluate("video => video.currentTime") > 2.3


def test_every_coloured_lane_has_its_legend(page: Page, player) -> None:
    expect(player.locator(".row-probability .legend-item")).to_have_text(list(fake.CLASSES))
    for legend in player.locator(".row-weights").all():
        expect(legend.locator(".label .swatch")).to_be_visible()
    expect(player.locator(".tag-legend")).to_contain_text("matters less")
    expect(player.locator(".ramp")).to_contain_text("× average")
    expect(player.locator(".row-weights .readout").first).to_contain_text("× average")


HEAT = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((sum, value, i) => sum + (i % 4 === 3 ? value : 0), 0)"""


def test_heatmaps_are_scaled_by_clip_or_by_frame(page: Page, player) -> None:
    """A frame with little evidence is pale by clip, and as strong as any by frame; the strongest is the same by either."""
    overlay, scale = player.locator("[data-ref=overlay]"), player.locator("[data-ref=scale]")
    heat: dict[tuple[str, int], float] = {}
    for by in ("clip", "frame"):
        for frame in (0, STRONGEST):
            click_lane(player, (frame + 0.2) * FRAME / 3)
            settled(player, frame * FRAME, FRAME / 2)
            expect(scale).to_have_value(by)
            heat[by, frame] = overlay.evaluate(HEAT)
        page.keyboard.press("b")
    expect(scale).to_have_value("clip")
    assert heat["frame", 0] > 1.5 * heat["clip", 0]
    assert heat["frame", STRONGEST] == pytest.approx(heat["clip", STRONGEST], rel=0.01)


def test_the_lane_of_evidence_is_that_of_the_heatmap_on_the_picture(page: Page, player) -> None:
    row = player.locator(".row-evidence")
    expect(row.locator(".name")).to_have_text("Evidence, audio-visual head")
    expect(row.locator(".readout")).to_have_text("4.72 × median")
    page.keyboard.press("v")
    expect(row.locator(".name")).to_have_text("Evidence, visual head")


def test_a_head_without_a_heatmap_says_why(page: Page, harness_url: str) -> None:
    player = open_player(page, f"{harness_url}/?case=blind")
    expect(player.locator(".tag-blind")).to_have_text("No heatmap: no heatmap can be drawn through this encoder.")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1440, 900), (1920, 1080)])
def test_picture_controls_and_two_lanes_need_no_scrolling(page: Page, harness_url: str, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    player = open_player(page, harness_url)
    second = player.locator("canvas.track").nth(1).bounding_box()
    stage = player.locator(".stage").first.bounding_box()
    assert second
    assert stage
    assert second["y"] + second["height"] <= height
    # No black bars: the stage has the picture's own shape.
    assert stage["width"] == pytest.approx(stage["height"], abs=1)
    assert stage["height"] >= 0.36 * height


def test_presenter_view_leaves_the_player_alone_on_the_page(page: Page, player) -> None:
    before = player.locator(".class-name").first.bounding_box()
    page.keyboard.press("p")
    expect(page.locator("[data-testid=stHeader]")).to_be_hidden()
    expect(player.get_by_role("button", name="Presenter view")).to_have_attribute("aria-pressed", "true")
    after = player.locator(".class-name").first.bounding_box()
    assert before
    assert after
    assert after["height"] > 1.2 * before["height"]
    click_lane(player, 0.5)
    settled(player, 1.5, FRAME)
    page.keyboard.press("Escape")
    expect(player.get_by_role("button", name="Presenter view")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("html.presenting")).to_have_count(0)


def test_keyboard(page: Page, player) -> None:
    page.keyboard.press("Home")
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
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
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
    parts = {name: base64.b64encode(content).decode() for name, content in text.items()}
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
