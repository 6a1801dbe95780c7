"""How long a person waits, in a real Chromium over the real app, on this machine."""

from __future__ import annotations

import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from affectscope.core import media
from affectscope.core.corpora import bundled
from tests.e2e.drive import open_player, ready
from tests.e2e.serve import APP, FLAGS, chromium, serving

# Playwright's `expect` looks again after 0.1, 0.35, 0.85 and 1.85 seconds, which is too coarse a clock: the page looks itself,
# before each frame that it shows. `find` is `querySelector` that looks into components too.
WATCH = """
() => {
  const find = (selector, root = document) => {
    let found = root.querySelector(selector)
    for (const node of root.querySelectorAll("*")) found ??= node.shadowRoot && find(selector, node.shadowRoot)
    return found
  }
  const start = performance.now()
  window.waited = new Promise((done) => {
    const look = () => ((%s) ? done((performance.now() - start) / 1000) : requestAnimationFrame(look))
    requestAnimationFrame(look)
  })
}
"""

# The player shows the clip that the page's heading names.
CLIP_READY = "find('.heading h2')?.innerText === %s && find('.player[data-ready=true]')?.dataset.clip === %s"

CLIPS = 24
UPLOADS = 5
# The clip table, in pixels: see app/common/choose.py.
ROW_HEIGHT, HEADER_HEIGHT, ROWS_SHOWN = 52, 40, 11


def main() -> None:
    browser_path = browser_found()
    with tempfile.TemporaryDirectory() as folder, serving(APP, Path(folder) / "cache") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        open_player(page, url)
        rows = range(1, CLIPS + 1)
        report("bundled clip chosen for the first time, to player ready", [choose(page, row) for row in rows], 1.5)
        page.goto(url)
        ready(page)
        report("bundled clip chosen again, to player ready", [choose(page, row) for row in rows], 1.5)
        files = [upload_file(Path(folder), number) for number in range(UPLOADS)]
        report("3-second 720p upload to first heatmap", [upload(page, url, file) for file in files], 15.0)
        browser.close()


def browser_found() -> str:
    """The browser's path; the benchmark ends with one sentence where there is none."""
    path = chromium()
    if path is None:
        raise SystemExit("The benchmark needs a Chromium: install Debian's, or set $CHROMIUM.")
    return path


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def waited(page: Page, condition: str, action: Callable[[], object]) -> float:
    """Seconds from just before the action until a condition, JavaScript with ``find``, holds on the page, which is not left."""
    page.evaluate(WATCH % condition)
    action()
    return float(page.evaluate("window.waited"))


def clip_ready(clip: str) -> str:
    """The condition that the player stands ready with a clip."""
    return CLIP_READY % (json.dumps(clip), json.dumps(clip))


def report(name: str, seconds: list[float], target: float | None = None) -> None:
    """One line: median and 95th percentile, against the target where there is one."""
    high = float(np.percentile(seconds, 95))
    verdict = "" if target is None else f"  target {target:g} s: {'met' if high <= target else 'MISSED'}"
    print(f"{name:<58} n={len(seconds):<3} median {statistics.median(seconds):6.2f} s  p95 {high:6.2f} s{verdict}", flush=True)


def choose(page: Page, row: int) -> float:
    """Click a row of the clip table."""
    clip = str(bundled().table.index[row])
    grid = page.locator("[data-testid=stDataFrame] canvas").first
    box = grid.bounding_box()
    assert box
    if row % ROWS_SHOWN == 0:
        page.mouse.move(box["x"] + 60, box["y"] + 200)
        page.mouse.wheel(0, ROWS_SHOWN * ROW_HEIGHT)
        page.wait_for_timeout(500)

    y = box["y"] + HEADER_HEIGHT + ROW_HEIGHT * (row % ROWS_SHOWN + 0.5)
    return waited(page, clip_ready(clip), lambda: page.mouse.click(box["x"] + 15, y))


def upload_file(folder: Path, number: int) -> Path:
    """Three seconds of a bundled clip, enlarged to 720p: each a different file, so that no cache helps."""
    corpus = bundled()
    source = corpus.media(corpus.table.index[number])
    frames = [(t, p) for t, p in media.read_frames(source) if t < 3]
    enlarged = ((t, pad(cv2.resize(p, (720, 720), interpolation=cv2.INTER_CUBIC))) for t, p in frames)
    path = folder / f"upload{number}.mp4"
    media.encode(path, enlarged, media.read_sound(source), 25)
    return path


def pad(square: np.ndarray) -> np.ndarray:
    return np.pad(square, ((0, 0), (280, 280), (0, 0)), mode="edge")


def upload(page: Page, url: str, file: Path) -> float:
    page.goto(url)
    ready(page)

    def act() -> None:
        page.locator("input[type=file]").set_input_files(file)
        expect(page.locator(".heading h2")).to_contain_text(file.stem, timeout=120_000)
        expect(ready(page)).to_have_attribute("data-heatmap", re.compile(":"), timeout=60_000)

    return timed(act)
