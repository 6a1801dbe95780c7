"""Keys alone, from the first page to a file on disk: choose a clip, play it, switch the head, mask, note, export."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.drive import READY, data, ready

MOST_STOPS = 120
# What has the focus, inside components too: what it is, and what it is called.
FOCUSED = """
() => {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  const name = element?.getAttribute("aria-label") || element?.innerText || element?.value || ""
  return `${element?.getAttribute("role") || element?.tagName.toLowerCase()} ${name.trim()} ${element?.className ?? ""}`
}
"""


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the focus is on what is called so."""
    seen = []
    for _ in range(MOST_STOPS):
        seen.append(page.evaluate(FOCUSED))
        if wanted in seen[-1]:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not among {seen}")


def idle(page: Page) -> None:
    """Wait until the page's script has run."""
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning", timeout=READY)


def test_keys_alone_from_choosing_a_clip_to_its_file(page: Page, app_url: str, tmp_path: Path) -> None:
    page.goto(app_url)
    root = ready(page)
    first = data(root)["clip"]

    tab_to(page, "listbox")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(root).not_to_have_attribute("data-clip", first, timeout=READY)
    ready(page)

    tab_to(page, "button Play")
    page.keyboard.press("Space")
    page.wait_for_function("root => !root.querySelector('video').paused", arg=root.element_handle())
    page.keyboard.press("Space")
    page.wait_for_function("root => root.querySelector('video').paused", arg=root.element_handle())
    # The card's, by its class: why the model answers so is told by head too.
    tab_to(page, "button Visual look")
    page.keyboard.press("Enter")
    expect(root).to_have_attribute("data-heatmap", re.compile("^visual:"), timeout=READY)

    tab_to(page, "Note this case")
    page.keyboard.press("Enter")
    tab_to(page, "What is there to see?")
    idle(page)
    page.keyboard.type("It looks at the brow.")
    tab_to(page, "Save note")
    # What was typed is taken when the field is left.
    idle(page)
    tab_to(page, "Save note")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible(timeout=READY)
    page.keyboard.press("Escape")

    tab_to(page, "Export")
    page.keyboard.press("Enter")
    tab_to(page, "Lanes (CSV)")
    with page.expect_download(timeout=READY) as download:
        page.keyboard.press("Enter")
    download.value.save_as(tmp_path / "lanes.csv")
    assert (tmp_path / "lanes.csv").read_text(encoding="utf-8").count("\n") > 20
    page.keyboard.press("Escape")

    tab_to(page, "Mask")
    page.keyboard.press("Enter")
    board = page.locator(".board")
    expect(board).to_have_attribute("data-ready", "true", timeout=READY)
    page.keyboard.press("s")
    expect(board).to_have_attribute("data-keep", "audio:0,visual:100")
