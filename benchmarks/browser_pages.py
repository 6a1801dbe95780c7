"""How soon a page stands after a click on its name, everything warm, in a real Chromium over the real app, on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.browser import browser_found, report, waited
from tests.e2e.drive import ready
from tests.e2e.serve import APP, FLAGS, serving

ROUNDS = 7
# A page's name in the navigation, and what stands on it when it is there.
PAGES = {
    "Embeddings": ".scatter[data-ready=true]",
    "Shared space": ".js-plotly-plot",
    "Masking": ".board[data-ready=true]",
    "Failures": ".matrix",
    "Compare": ".heading h2",
    "Train": "summary",
    "Library": ".zone",
    "Clip": ".player[data-ready=true]",
}
STANDS = """
find('[data-testid=stTopNavLink][aria-current=page]')?.innerText.includes('{name}')
  && find('[data-testid=stMain]') && find('{selector}', find('[data-testid=stMain]'))?.checkVisibility()
"""


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
            seconds.append(switch(page, name))
            page.wait_for_timeout(500)
        for i, name in enumerate(PAGES):
            report(f"page switch, warm: {name}", seconds[i :: len(PAGES)], 0.5)
        report("page switch, warm, all pages", seconds, 0.5)
        browser.close()


def switch(page: Page, name: str) -> float:
    """Seconds from the click on a page's name until what the page is for stands there."""
    link = page.get_by_role("navigation", name="App pages").get_by_role("link", name=name, exact=True)
    return waited(page, STANDS.format(name=name, selector=PAGES[name]), link.click)
