"""How soon a page stands after a click on its name, everything warm, in a real Chromium over the real app, on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

from benchmarks.browser import browser_found, report, timed
from tests.e2e.drive import ready
from tests.e2e.serve import APP, FLAGS, serving

ROUNDS = 7
PATIENCE = 120_000
# A page's name in the navigation, what stands on it when it is there, and the attribute that says so.
PAGES = {
    "Embeddings": (".scatter", "data-ready"),
    "Shared space": (".js-plotly-plot", ""),
    "Masking": (".board", "data-ready"),
    "Failures": (".matrix", ""),
    "Compare": (".heading h2", ""),
    "Train": ("summary", ""),
    "Library": (".zone", ""),
    "Clip": (".player", "data-ready"),
}


def main() -> None:
    browser_path = browser_found()
    with tempfile.TemporaryDirectory() as folder, serving(APP, Path(folder) / "cache") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(url)
        ready(page)
        for name in PAGES:
            switch(page, name)
            page.wait_for_timeout(5000)
        seconds: list[float] = []
        for name in list(PAGES) * ROUNDS:
            seconds.append(timed(lambda name=name: switch(page, name)))  # type: ignore[misc]
            page.wait_for_timeout(500)
        for i, name in enumerate(PAGES):
            report(f"page switch, warm: {name}", seconds[i :: len(PAGES)], 0.5)
        report("page switch, warm, all pages", seconds, 0.5)
        browser.close()


def switch(page: Page, name: str) -> None:
    """Click the page's name, until what the page is for stands there."""
    selector, said = PAGES[name]
    page.get_by_role("navigation", name="App pages").get_by_role("link", name=name, exact=True).click()
    expect(page.locator("[data-testid=stTopNavLink][aria-current=page]")).to_contain_text(name, timeout=PATIENCE)
    found: Locator = page.locator(selector).first
    expect(found).to_be_visible(timeout=PATIENCE)
    if said:
        expect(found).to_have_attribute(said, "true", timeout=PATIENCE)
