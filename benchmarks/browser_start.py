"""How soon a fresh process has its first page and its first clip, in a real Chromium over the real app, on this machine.

The server's time is counted from its start, the others from when the address is opened; every round has a process and a cache of
its own. A first round, which is not counted, leaves the files that are read in the machine's memory.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.browser import browser_found, report
from tests.e2e.serve import APP, FLAGS, serving

ROUNDS = 5
PATIENCE = 120_000
# What stands on the page, and the seconds within which it is to stand.
MOMENTS = {
    "skeleton": (".skeleton .picture", 1.0),
    "navigation": ("[data-testid=stTopNavLink], #shell nav a", 1.0),
    "first player": (".player[data-ready=true]", 4.0),
}
# The page looks itself, before each frame that it shows; `find` looks into components too.
WATCH = """
const moments = %s
const find = (selector, root = document) => {
  for (const node of root.querySelectorAll(selector)) if (node.checkVisibility()) return node
  for (const node of root.querySelectorAll("*")) {
    const found = node.shadowRoot && find(selector, node.shadowRoot)
    if (found) return found
  }
}
window.stood = {}
const look = () => {
  for (const [name, selector] of Object.entries(moments))
    if (!(name in stood) && find(selector)) stood[name] = performance.now() / 1000
  if (Object.keys(stood).length < Object.keys(moments).length) requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""


def main() -> None:
    browser_path = browser_found()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        rounds = [start(browser) for _ in range(ROUNDS + 1)][1:]
        browser.close()
    report("fresh process: server answers", [times["server"] for times in rounds], 2.0)
    for name, (_, target) in MOMENTS.items():
        report(f"fresh process: {name}, after the address is opened", [times[name] for times in rounds], target)


def start(browser: Browser) -> dict[str, float]:
    """Seconds of one fresh process: until its server answers, then until each of the moments."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, serving(APP, Path(folder) / "cache") as url:
        up = time.perf_counter() - begun
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.add_init_script(WATCH % {name: selector for name, (selector, _) in MOMENTS.items()})
        page.goto(url, wait_until="commit")
        page.wait_for_function(f"() => Object.keys(window.stood).length === {len(MOMENTS)}", timeout=PATIENCE)
        stood = page.evaluate("window.stood")
        page.context.close()
        return {"server": up, **stood}
