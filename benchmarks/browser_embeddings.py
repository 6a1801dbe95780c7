"""How long a person waits on the Embeddings page, in a real Chromium; and how long maps take, against their libraries."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from affectscope.core.analysis.atlas import Drawing
from affectscope.core.analysis.map_process import MapProcess
from affectscope.core.corpora import bundled
from benchmarks.browser import browser_found, clip_ready, report, timed, waited
from tests.e2e.drive import ready
from tests.e2e.serve import APP, FLAGS, serving

MANY = "tests/e2e/harness/many_server.py"
TIMES, MAPS = 50, 10
SHOWN = "find('.scatter[data-ready=true]')"
COUNTED = """
find('.scatter').dataset.selected > 500 && find("dl[aria-label='The chosen clips'] dd")
  ?.innerText.includes(Number(find('.scatter').dataset.selected).toLocaleString('en'))
"""
PATIENCE = 120_000

# The longest time between two frames of the browser while the hand is on the map: what is felt as freezing.
WATCH_FRAMES = """
() => {
  window.longest = 0
  let before = performance.now()
  const step = (now) => {
    window.longest = Math.max(window.longest, now - before)
    before = now
    window.going = requestAnimationFrame(step)
  }
  window.going = requestAnimationFrame(step)
}
"""


def main() -> None:
    path = browser_found()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        in_browser(browser, Path(folder))
        browser.close()
    against_libraries()


def in_browser(browser: Browser, folder: Path) -> None:
    with serving(MANY, folder / "many") as url:
        report("map of 7,442 clips never drawn, page chosen to map shown", first_shown(browser, url, known=True), 1.0)
        report("the same, in a browser that never saw the page", first_shown(browser, url, known=False), 1.0)
        report("lasso of half of 7,442 clips to counts and table", lassos(browser, url, "made-up 7442", TIMES), 0.3)
        report("100,000 clips: lasso of half to counts and table", lassos(browser, url, "made-up 100000", 10))
        report("100,000 clips: longest wait for a frame, moving", frames(browser, url, move=True))
        report("100,000 clips: longest wait for a frame, drawing a lasso", frames(browser, url, move=False))
    with serving(APP, folder / "app") as url:
        report("click on a map's point to clip ready", clicks(browser, url), 1.5)


def map_of(page: Page) -> Locator:
    root = page.locator(".scatter").first
    expect(root).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    return root


def first_shown(browser: Browser, url: str, known: bool) -> list[float]:
    """Another map each time, that nobody has drawn yet.

    Args:
        known: True in a browser that has been on the page before, with another map, and therefore has Streamlit's scripts.
    """
    found = []
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    for turn in range(MAPS + known):
        if not known:
            context = browser.new_context(viewport={"width": 1440, "height": 1000})
        page = context.new_page()
        page.goto(f"{url}/?model=made-up 7442&o.embeddings.of=layer {turn + MAPS * known}")
        expect(page.get_by_text("Nothing here.")).to_be_visible(timeout=PATIENCE)
        # Nobody leaves a page before it stands.
        page.wait_for_timeout(1000)
        link = page.get_by_role("link", name="embeddings")
        found.append(waited(page, SHOWN, link.click))
        expect(map_of(page)).to_have_attribute("data-points", "7442")
        page.close()
    return found[known:]


def opened(browser: Browser, url: str, model: str) -> tuple[Page, Locator]:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(f"{url}/?model={model}")
    expect(page.get_by_text("Nothing here.")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="embeddings").click()
    root = map_of(page)
    expect(page.locator("dl[aria-label='How well the classes part']")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(1000)
    return page, root


def ring(page: Page, root: Locator, share: float) -> Callable[[], None]:
    """Draw a lasso round the left part of the map; the act returned lets the button go."""
    box = root.locator("canvas.over").bounding_box()
    assert box
    wide = box["width"] * share / 2
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(1, 41):
        turn = math.pi - 2 * math.pi * step / 40
        page.mouse.move(box["x"] + 5 + wide * (1 + math.cos(turn)), box["y"] + box["height"] / 2 * (1 + 0.97 * math.sin(turn)))
    return page.mouse.up


def lassos(browser: Browser, url: str, model: str, times: int) -> list[float]:
    page, root = opened(browser, url, model)
    found = []
    for turn in range(times):
        let_go = ring(page, root, 0.5 + 0.002 * turn)

        found.append(waited(page, COUNTED, let_go))
        page.wait_for_timeout(400)
        page.keyboard.press("Escape")
        expect(page.locator("dl[aria-label='All clips']")).to_be_visible(timeout=PATIENCE)
        page.wait_for_timeout(200)
    page.close()
    return found


def frames(browser: Browser, url: str, move: bool) -> list[float]:
    page, root = opened(browser, url, "made-up 100000")
    found = []
    for _ in range(TIMES // 5):
        if move:
            root.get_by_role("button", name="Move").click()
        page.evaluate(WATCH_FRAMES)
        ring(page, root, 0.5)()
        found.append(page.evaluate("() => { cancelAnimationFrame(window.going); return window.longest }") / 1000)
        page.wait_for_timeout(300)
    page.close()
    return found


def clicks(browser: Browser, url: str) -> list[float]:
    page, found = browser.new_page(viewport={"width": 1440, "height": 1000}), []
    page.goto(url)
    ready(page)
    page.get_by_role("link", name="Embeddings").click()
    map_of(page)
    page.wait_for_timeout(5000)
    clips = [str(clip) for clip in bundled().table.index]
    for turn in range(TIMES):
        clip = clips[(turn + 1) % len(clips)]
        x, y = map_of(page).evaluate("(root, clip) => root.where(clip)", clip)
        page.mouse.move(x, y)
        seen = str(map_of(page).get_attribute("data-hover"))
        found.append(waited(page, clip_ready(seen), lambda x=x, y=y: page.mouse.click(x, y)))  # type: ignore[misc]
        page.get_by_role("link", name="Embeddings").click()
        map_of(page)
        page.wait_for_timeout(500)
    page.close()
    return found


def against_libraries() -> None:
    """t-SNE and UMAP of 7,442 vectors as the page draws them, in its other process, and by a plain call; both warm."""
    from openTSNE import TSNE
    from umap import UMAP

    random = np.random.default_rng(0)
    vectors = (3 * random.normal(size=(6, 64))[random.integers(0, 6, 7442)] + 2 * random.normal(size=(7442, 64))).astype(
        np.float32
    )
    plain: dict[str, Callable[[np.ndarray], object]] = {
        "t-SNE": lambda given: TSNE(perplexity=30, random_state=0, n_jobs=1).fit(given),
        "UMAP": lambda given: UMAP(n_neighbors=15, min_dist=0.1, init="pca", random_state=0, n_jobs=1).fit(given),
    }
    aside = MapProcess()
    with tempfile.TemporaryDirectory() as folder:
        for method, call in plain.items():
            drawing = Drawing("t-SNE") if method == "t-SNE" else Drawing("UMAP")
            out = Path(folder) / "map.f32"
            call(vectors[:300])
            aside.draw(vectors[:300], drawing, out, lambda share: None)
            ours, theirs = [], []
            for _ in range(3):
                theirs.append(timed(lambda call=call: call(vectors)))  # type: ignore[misc]
                ours.append(timed(lambda drawing=drawing, out=out: aside.draw(vectors, drawing, out, lambda share: None)))  # type: ignore[misc]
            report(f"{method} of 7,442 clips, the library called directly", theirs)
            report(f"{method} of 7,442 clips, as the page draws it", ours)
    aside.stop()
