"""While an answer is explained, the page stays where it is: nobody reaches for a list that then moves away, or shuts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

# Where the player, its picture, the lists and the buttons of the page stand, at every moment from the player's first on, shadow
# trees included.
WATCH = """
(() => {
  const roots = () => [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)]
  const found = (selector) => roots().flatMap((root) => [...root.querySelectorAll(selector)])
  const main = () => document.querySelector("[data-testid=stMain]")
  const named = (selector) => found(`[data-testid=stMain] ${selector}`).map((e) => [e.innerText.trim(), e])
  const place = (element) => {
    const box = element.getBoundingClientRect()
    return [box.left, box.top + main().scrollTop, box.width, box.height].map(Math.round).join(" ")
  }
  const own = ["[data-testid=stSelectbox]", "[data-testid=stButton] button", "[data-testid=stPopover] button"]
  window.places = {}
  const look = () => {
    const [player] = found(".player")
    if (player?.dataset.ready === "true") {
      const [picture] = found(".stage")
      for (const [name, element] of [["player", player], ["picture", picture], ...own.flatMap(named)]) {
        const at = place(element)
        if (at.endsWith(" 0 0")) continue
        const seen = (window.places[name] ??= [])
        if (seen.at(-1) !== at) seen.push(at)
      }
    }
    requestAnimationFrame(look)
  }
  look()
  window.explained = (parts) => {
    const whys = found(".why")
    const waiting = found(".player").some((player) => player.dataset.lanes.includes("awaited."))
    return whys.length >= parts && whys.every((why) => why.dataset.whole === "true") && !waiting
  }
  window.begun = () => found(".why").some((why) => why.dataset.whole === "false") && found(".player[data-ready=true]").length > 0
})()
"""
PAGES = {
    "clip-1440": ("/?clip=held_s2026_00047", (1440, 900), 2),
    "clip-1280": ("/?clip=held_s2026_00046", (1280, 720), 2),
    "clip-400": ("/?clip=held_s2026_00045", (400, 860), 2),
    "compare-1440": ("/compare?o.compare.with=other&clip=held_s2026_00044", (1440, 900), 4),
}


@pytest.mark.parametrize("name", PAGES)
def test_nothing_moves_while_the_answer_is_explained(page: Page, app_url: str, name: str) -> None:
    address, (width, height), parts = PAGES[name]
    page.set_viewport_size({"width": width, "height": height})
    page.add_init_script(WATCH)
    page.goto(app_url + address)
    page.wait_for_function("() => window.begun()", timeout=120_000)
    page.wait_for_function("parts => window.explained(parts)", arg=parts, timeout=240_000)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    places: dict[str, Any] = page.evaluate("window.places")
    assert {"player", "picture"} < set(places)
    assert any(text.startswith("Heatmap by") for text in places)
    # Bars of progress come and go.
    moved = {text: seen for text, seen in places.items() if len(seen) > 1 and text != "Cancel"}
    assert not moved, moved
