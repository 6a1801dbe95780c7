"""Pictures of the Clip page for people to judge: ``python -m tests.e2e.screenshots OUT [URL]``."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.e2e.drive import click_lane, ready
from tests.e2e.serve import APP, FLAGS, chromium, serving

SIZES = {1440: 1100, 400: 860}


def shoot(out: Path, url: str) -> None:
    """Save the page in two widths, light and dark, at the middle of the first clip."""
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for scheme in ("light", "dark"):
            for width, height in SIZES.items():
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(url)
                player = ready(page)
                click_lane(player, 0.45)
                page.mouse.move(0, 0)
                page.wait_for_timeout(1500)
                page.locator("[data-testid=stMain]").evaluate("main => main.scrollTo(0, 0)")
                page.screenshot(path=out / f"clip-{width}-{scheme}.png")
                if width == 400:
                    tall = int(page.locator("[data-testid=stMainBlockContainer]").evaluate("block => block.scrollHeight"))
                    page.set_viewport_size({"width": width, "height": tall})
                    page.wait_for_timeout(800)
                    page.screenshot(path=out / f"clip-{width}-{scheme}.png")
                page.close()
        browser.close()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if len(sys.argv) > 2:
        shoot(target, sys.argv[2])
    else:
        with serving(APP) as app:
            shoot(target, app)
