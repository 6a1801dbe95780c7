"""Pictures of all pages for people to judge: ``python -m tests.e2e.screenshots OUT [URL] [PAGE ...] [WIDTH ...]``.

Every page at every width, light and dark, as ``PAGE-WIDTH-SCHEME.png``; without pages or widths, all of them.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.e2e.drive import ready
from tests.e2e.serve import APP, FLAGS, chromium, serving

SIZES = {1440: 1100, 1280: 720, 1920: 1080, 400: 860}
PATIENCE = 180_000
# What a page shows while it is being made: bars of progress, the server at work, answers to why that are not all there.
UNDER_WAY = "[data-testid=stProgress], [data-testid=stSkeleton], [data-testid=stStatusWidget], .why[data-whole=false], .why:empty"
# Each page: its address, and what stands on it when it is there.
PAGES = {
    "clip": ("/", ".player[data-ready=true]"),
    "embeddings": ("/embeddings?o.embeddings.map=UMAP", ".scatter[data-ready=true]"),
    "shared-space": ("/shared_space", ".scatter, .js-plotly-plot"),
    "masking": ("/masking?o.masking.keep=audio:60,visual:25", ".player[data-ready=true]"),
    "failures": ("/failures", ".matrix"),
    "compare": ("/compare?o.compare.with=vavl", ".player[data-ready=true]"),
    "train": ("/train", "summary"),
    "library": ("/library", ".zone"),
}


def shoot(out: Path, url: str, names: list[str], widths: list[int]) -> None:
    """Save each page in these widths, light and dark."""
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for scheme in ("light", "dark"):
            for width in widths:
                for name in names:
                    page = browser.new_page(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme)
                    _show(page, url, name)
                    if width == 400:
                        tall = int(page.locator("[data-testid=stMainBlockContainer]").evaluate("block => block.scrollHeight"))
                        page.set_viewport_size({"width": width, "height": tall})
                        page.wait_for_timeout(800)
                    _save(page.screenshot(), out / f"{name}-{width}-{scheme}.png")
                    page.close()
        browser.close()


def _show(page: Page, url: str, name: str) -> None:
    address, there = PAGES[name]
    page.goto(url + address, timeout=PATIENCE)
    page.locator(there).first.wait_for(timeout=PATIENCE)
    _quiet(page)
    close = page.locator(".st-key-tour_close button")
    if close.count():
        close.click()
    if name == "clip":
        ready(page)
    page.mouse.move(0, 0)
    _quiet(page)
    page.locator("[data-testid=stMain]").evaluate("main => main.scrollTo(0, 0)")


def _save(picture: bytes, path: Path) -> None:
    """In a palette of its own, at half the size. Rare colours count by their root: heatmaps and bars stay what they are."""
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    colours, counts = np.unique(np.asarray(whole).reshape(-1, 3), axis=0, return_counts=True)
    sample = Image.fromarray(np.repeat(colours, np.sqrt(counts).astype(int), axis=0)[None])
    palette = sample.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=15)
    whole.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


def _quiet(page: Page) -> None:
    """Wait until nothing has been under way for a second."""
    still, until = 0, time.monotonic() + PATIENCE / 1000
    while still < 5 and time.monotonic() < until:
        page.wait_for_timeout(200)
        still = 0 if page.locator(UNDER_WAY).count() else still + 1


if __name__ == "__main__":
    target, more = Path(sys.argv[1]), sys.argv[2:]
    chosen = [word for word in more if word in PAGES] or list(PAGES)
    wide = [int(word) for word in more if word.isdigit()] or list(SIZES)
    address = next((word for word in more if word.startswith("http")), "")
    if address:
        shoot(target, address, chosen, wide)
    else:
        with tempfile.TemporaryDirectory() as folder, serving(APP, Path(folder)) as app:
            shoot(target, app, chosen, wide)
