"""How soon the Masking page answers the hand, in a real Chromium over the real app, on this machine."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.browser import browser_found, report, waited
from tests.e2e.drive import READY, ready
from tests.e2e.serve import APP, FLAGS, serving

ACTIONS = 50

# From the thumb's event to the frame that shows the bars where they belong, milliseconds each.
WATCH = """
(root) => {
  window.moves = []
  const slider = root.querySelector("input[type=range]")
  slider.addEventListener("input", (event) => {
    const start = event.timeStamp
    const share = () => root.dataset.keep.startsWith(`audio:${slider.value},`)
    const step = () => (share() ? window.moves.push(performance.now() - start) : requestAnimationFrame(step))
    requestAnimationFrame(step)
  })
}
"""


RENEWED = """
find('.board[data-exact=true]') && find('.player[data-ready=true]') && find('.player').dataset.timeline !== %s
"""


def main() -> None:
    browser_path = browser_found()
    given = os.environ.get("AFFECTSCOPE_URL")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        if given:
            measured(page, given)
        else:
            with serving(APP, Path(folder) / "cache") as url:
                measured(page, url)
        browser.close()


def measured(page: Page, url: str) -> None:
    page.goto(f"{url}/masking", timeout=READY)
    board = page.locator(".board")
    expect(board).to_have_attribute("data-ready", "true", timeout=READY)
    ready(page)
    report("slider drag to moved bars", drags(page), 0.05)
    report("slider release to new heatmap and lanes", releases(page), 1.0)


def drags(page: Page) -> list[float]:
    """The thumb of the sound, held by the mouse, over its whole way."""
    slider = page.locator(".board input[type=range]").first
    slider.scroll_into_view_if_needed()
    page.locator(".board").evaluate(WATCH)
    box = slider.bounding_box()
    assert box
    y, start, way = box["y"] + box["height"] / 2, box["x"] + 8, box["width"] - 16
    page.mouse.move(start + way, y)
    page.mouse.down()
    places = np.linspace(0.99, 0.01, ACTIONS)
    for place in places:
        page.mouse.move(start + place * way, y)
        page.wait_for_timeout(40)
    page.mouse.up()
    page.wait_for_timeout(3000)
    return [ms / 1000 for ms in json.loads(page.evaluate("JSON.stringify(window.moves)"))][-ACTIONS:]


def releases(page: Page) -> list[float]:
    """Another share each time, so that no cache helps; until the player shows the clip as it is now given to the model."""
    slider = page.locator(".board input[type=range]").last
    player = page.locator(".player")
    seconds: list[float] = []
    for i in range(ACTIONS):
        timeline = player.get_attribute("data-timeline") or ""
        share = 2 + (37 * i) % 97

        seconds.append(waited(page, RENEWED % json.dumps(timeline), lambda share=share: slider.fill(str(share))))  # type: ignore[misc]
    return seconds
