"""The file that is taken home, opened from disk in a browser that is offline."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from affectscope.core.evaluation.grid import Grid, Strip
from affectscope.core.export.answers import HeadPrediction, Predictions
from affectscope.core.standalone import Home, Model, page
from tests.app import fake
from tests.e2e.drive import READY

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;"
SHARES = (0, 50, 100)
FRAMES = 3 * fake.FPS


@pytest.fixture
def opened(browser: Browser) -> Iterator[Page]:
    """A page that may ask nobody for anything: what it asks for all the same fails the test, and so does an error."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, offline=True)
    wrong: list[str] = []

    def judge(route: Route) -> None:
        if route.request.url.startswith(("file:", "blob:", "data:")):
            route.continue_()
        else:
            wrong.append(route.request.url)
            route.abort()

    context.route("**/*", judge)
    tab = context.new_page()
    tab.set_default_timeout(READY)
    tab.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    tab.on("request", lambda request: None if request.url.startswith(("file:", "blob:", "data:")) else wrong.append(request.url))
    yield tab
    context.close()
    assert not wrong, wrong


def test_clip_heatmap_lanes_and_masking_work_from_disk(opened: Page, tmp_path: Path) -> None:
    show(opened, tmp_path, home(tmp_path))
    player, board = opened.locator(".player"), opened.locator(".board")
    expect(opened.get_by_text("it has never seen a person")).to_be_visible()
    expect(opened.get_by_role("listitem").filter(has_text="Decision").first).to_contain_text("neutral 60 %")
    # Its heatmap lies on the picture before anybody has pressed anything.
    expect(player).to_have_attribute("data-heatmap", re.compile(r"av:\d+"))
    assert inked(player.locator("[data-ref=overlay]"))

    player.get_by_role("button", name="Play", exact=True).click()
    expect(player).to_have_attribute("data-frame", str(FRAMES - 1), timeout=READY)
    assert int(player.get_attribute("data-presented") or 0) > 5
    assert int(player.get_attribute("data-drawn") or 0) > 5

    lane = player.locator("canvas.track").first
    box = lane.bounding_box()
    assert box
    lane.click(position={"x": box["width"] * 0.5, "y": 10})
    near = "|".join(str(FRAMES // 2 + by) for by in (-1, 0, 1))
    expect(player).to_have_attribute("data-frame", re.compile(f"^({near})$"))

    # Of the sound nothing: the node (0, 100) says "sadness" with 0.7; whole it is "neutral" with 0.6; half-way 0.45 of both.
    expect(board).to_have_attribute("data-top", "neutral")
    slider = board.get_by_role("slider", name="Audio frames kept")
    slider.fill("0")
    expect(board).to_have_attribute("data-top", "sadness")
    expect(board).to_have_attribute("data-share", "0.7000")
    slider.fill("25")
    expect(board).to_have_attribute("data-share", "0.4500")


def test_names_labels_and_cards_stay_text(opened: Page, tmp_path: Path) -> None:
    case = home(tmp_path)
    named = replace(case.models[0].predictions, model=EVIL, version=EVIL, heads=(HeadPrediction(EVIL, EVIL, 0.5),))
    show(
        opened,
        tmp_path,
        replace(case, title=EVIL, truth=EVIL, facts=(EVIL,), models=(replace(case.models[0], predictions=named),)),
    )
    assert opened.title().startswith(EVIL)
    assert opened.locator("h1").inner_text() == EVIL
    expect(opened.locator("img")).to_have_count(0)
    assert opened.locator("body > script").count() == len(("facts", "clip", "timeline", "grid", "script"))


def test_two_models_have_a_board_each(opened: Page, tmp_path: Path) -> None:
    case = home(tmp_path)
    other = replace(case.models[0], predictions=replace(case.models[0].predictions, model="other"))
    show(opened, tmp_path, replace(case, models=(case.models[0], other)))
    boards = opened.locator(".board")
    expect(boards).to_have_count(2)
    boards.nth(1).get_by_role("slider", name="Audio frames kept").fill("0")
    expect(boards.nth(1)).to_have_attribute("data-top", "sadness")
    expect(boards.nth(0)).to_have_attribute("data-top", "neutral")


def home(folder: Path) -> Home:
    clip = folder / "clip.mp4"
    fake.clip(clip)
    # Nodes by sound and picture: whatever the picture, the answer goes from "sadness" without sound to "neutral" with all of it.
    without, half, whole = (0.1, 0.2, 0.7), (0.1, 0.7, 0.2), (0.1, 0.6, 0.3)
    rows = np.array([row for row in (without, half, whole) for _ in SHARES])
    frames = Strip(np.arange(4) / 4, np.arange(4), np.zeros(0))
    grid = Grid(
        ("audio", "visual"),
        SHARES,
        "classification",
        ("anger", "neutral", "sadness"),
        {"av": ("audio", "visual")},
        {"decision": rows, "av": rows},
        {"decision": np.ones(9, bool), "av": np.ones(9, bool)},
        {"audio": frames, "visual": frames},
        1.0,
    )
    answered = Predictions(
        "auxformer",
        (HeadPrediction("Decision", "neutral", 0.6),),
        "version 0123abcd",
        "It has never seen; it has never seen a person.",
    )
    return Home("clip", clip.read_bytes(), fake.timeline().to_bytes(), (Model(answered, None, grid.to_json()),), truth="neutral")


def show(browser_page: Page, folder: Path, case: Home) -> None:
    file = folder / "case.html"
    file.write_text(page(case), encoding="utf-8")
    browser_page.goto(file.as_uri())
    expect(browser_page.locator(".player")).to_have_attribute("data-ready", "true")
    expect(browser_page.locator(".board").last).to_have_attribute("data-ready", "true")


def inked(canvas: Locator) -> bool:
    """Whether anything is drawn on it."""
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"))
    return bool(picture.std() > 1)
