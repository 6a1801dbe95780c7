"""The Clip page over the real app: choose, look, share, upload."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from affectscope.app.common.navigation import PAGES
from tests.app import fake
from tests.e2e.drive import READY, click_lane, data, open_player, play_undisturbed, ready, settled, take


@pytest.fixture(scope="module")
def own_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake.clip(tmp_path_factory.mktemp("own") / "my *own* <b>clip.mp4", seconds=1.5)


def test_bundled_clip_plays_with_its_heatmap(page: Page, app_url: str) -> None:
    player = open_player(page, app_url)
    expect(page.get_by_text("True label")).to_be_visible()
    seen = play_undisturbed(page, player)
    assert seen["presented"] >= 20
    assert seen["drawn"] / seen["presented"] >= 0.99


def test_reload_restores_the_view(page: Page, app_url: str) -> None:
    player = open_player(page, app_url)
    page.keyboard.press("3")
    page.keyboard.press("]")
    page.keyboard.press("l")
    player.get_by_label("Playback speed").select_option("0.5")
    player.get_by_label("Heatmap of which head").select_option("visual")
    player.locator("[data-ref=opacity]").fill("40")
    click_lane(player, 0.5)
    settled(player, data(player)["duration"] / 2, 0.05)
    expect(page).to_have_url(re.compile(r"speed=0\.5.*|.*[?&]t="), timeout=READY)
    page.wait_for_timeout(800)
    before = data(player)
    page.reload()
    player = ready(page)
    settled(player, before["time"], 0.001)
    after = data(player)
    assert (after["time"], after["frame"], after["heatmap"]) == (before["time"], before["frame"], before["heatmap"])
    expect(player.get_by_label("Attention head")).to_have_value("2")
    expect(player.get_by_label("Attention layer")).to_have_value("0")
    expect(player.get_by_label("Playback speed")).to_have_value("0.5")
    expect(player.get_by_label("Loop")).to_have_attribute("aria-pressed", "true")
    expect(player.locator("[data-ref=opacity]")).to_have_value("40")


def test_another_row_opens_another_clip(page: Page, app_url: str) -> None:
    open_player(page, app_url)
    heading = page.locator(".heading h2").inner_text()
    page.locator("[data-testid=stSidebar] [role=option]:not([aria-selected=true])").first.click()
    expect(page.locator(".heading h2")).not_to_have_text(heading, timeout=READY)
    other = data(ready(page))["clip"]
    # What the player reports as it opens is no step of its own: Back would come to it, and be undone at once.
    expect(page).to_have_url(re.compile(f"clip={other}.*[?&]t="), timeout=READY)
    page.go_back()
    expect(page.locator(".heading h2")).to_have_text(heading, timeout=READY)
    ready(page)
    page.go_forward()
    expect(page.locator(".heading h2")).to_have_text(other, timeout=READY)


def test_another_class_is_explained_while_the_clip_stays(page: Page, app_url: str) -> None:
    player = open_player(page, app_url)
    click_lane(player, 0.4)
    settled(player, 0.4 * data(player)["duration"], 0.05)
    time = data(player)["time"]
    options = player.get_by_label("Class to explain").locator("option").all_inner_texts()
    player.get_by_label("Class to explain").select_option(options[-1])
    expect(page).to_have_url(re.compile(f"explain={options[-1]}"), timeout=READY)
    expect(player.locator("[data-ref=mapTitle]")).to_contain_text(options[-1], timeout=READY)
    assert data(player)["time"] == time


def test_how_heatmaps_are_made_is_chosen_while_the_clip_stays(page: Page, app_url: str) -> None:
    player = open_player(page, app_url)
    click_lane(player, 0.4)
    settled(player, 0.4 * data(player)["duration"], 0.05)
    time = data(player)["time"]
    # What the lane's press made the player report has been taken: the box opens on a page that stands.
    expect(page).to_have_url(re.compile(r"[?&]t="), timeout=READY)
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning", timeout=READY)
    take(page, "Heatmap by", "LayerCAM")
    expect(page).to_have_url(re.compile("o.clip.explanation=layer-cam"), timeout=READY)
    expect(player.locator("[data-ref=mapTitle]")).to_contain_text("LayerCAM", timeout=READY)
    assert data(player)["time"] == time
    page.reload()
    expect(ready(page).locator("[data-ref=mapTitle]")).to_contain_text("LayerCAM")


def test_a_heads_card_shows_what_it_looks_at_and_the_bench_is_a_press_away(page: Page, app_url: str) -> None:
    player = open_player(page, app_url)
    heading = page.locator(".heading h2").inner_text()
    click_lane(player, 0.4)
    settled(player, 0.4 * data(player)["duration"], 0.05)
    time = data(player)["time"]
    page.locator(".verdict").get_by_role("button", name="Visual", exact=True).click()
    expect(player.locator("[data-ref=mapTitle]")).to_contain_text("Visual head", timeout=READY)
    expect(player.get_by_label("Prediction of")).to_have_value("prediction.visual")
    expect(page).to_have_url(re.compile("map=visual"), timeout=READY)
    assert data(player)["time"] == time
    page.get_by_role("button", name="Mask").click()
    expect(page.locator(".board")).to_have_attribute("data-ready", "true", timeout=READY)
    expect(page.locator(".heading h2")).to_have_text(heading)


def test_upload_goes_through(page: Page, app_url: str, own_clip: Path) -> None:
    page.goto(app_url)
    page.locator("input[type=file]").set_input_files(own_clip)
    expect(page.locator(".heading h2")).to_have_text("my *own* <b>clip.mp4", timeout=READY)
    player = ready(page)
    expect(player.locator(".notices")).to_contain_text("No face", timeout=READY)
    page.reload()
    ready(page)
    expect(page.locator(".heading h2")).to_have_text("my *own* <b>clip.mp4")


def test_broken_upload_gets_one_sentence(page: Page, app_url: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film at all" * 100)
    page.goto(app_url)
    page.locator("input[type=file]").set_input_files(broken)
    alert = page.get_by_role("alert").first
    expect(alert).to_contain_text("broken.mp4", timeout=READY)
    expect(alert).not_to_contain_text("Traceback")


def test_unknown_clip_gets_one_sentence(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/?corpus=uploads&clip=gone")
    expect(page.get_by_role("alert")).to_contain_text("no longer stored", timeout=READY)


@pytest.mark.parametrize("width", [1280, 1440, 1920])
def test_all_pages_are_a_click_away(page: Page, app_url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 720})
    open_player(page, app_url)
    for title, _ in PAGES.values():
        expect(page.get_by_role("link", name=title, exact=False).first).to_be_in_viewport()
    assert page.get_by_text("more", exact=False).filter(has_text=re.compile(r"^\d+ more$")).count() == 0


def test_on_a_low_screen_picture_controls_and_two_lanes_need_no_scrolling(page: Page, app_url: str) -> None:
    """With all that stands over the player: the answers, and why in a sentence, which comes later."""
    page.set_viewport_size({"width": 1280, "height": 720})
    player = open_player(page, app_url)
    expect(page.locator(".why[data-whole=true]").first).to_be_attached(timeout=READY)
    expect(player.locator("canvas.track").nth(1)).to_be_in_viewport(ratio=1, timeout=READY)
    expect(player.get_by_role("button", name="Play", exact=True)).to_be_in_viewport(ratio=1)
    expect(player.locator(".stage").first).to_be_in_viewport(ratio=1)
