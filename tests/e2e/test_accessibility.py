"""What axe-core finds on every page, light and dark; and that who moves by keyboard sees where."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.screenshots import PAGES, PATIENCE

SCHEMES = ("light", "dark")
# Stops of the Tab key that are looked at on each page: the navigation, the sidebar, and the first of what the page is for.
STOPS = 25
# The element that has the focus, inside components too; whether anything is drawn differently of it, in it or round it.
FOCUSED = """
async () => {
  // What Streamlit draws of it comes a frame later.
  const settled = async () => {
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame)
    for (const animation of document.getAnimations()) animation.finish()
  }
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  if (!element || element === document.body) return null
  const drawn = () => {
    const looks = [], parts = [element.firstElementChild]
    for (let up = element; up && parts.length < 8; up = up.parentElement) parts.push(up)
    for (const part of parts.filter(Boolean)) {
      const style = getComputedStyle(part)
      looks.push([
        style.outlineStyle === "none" || style.outlineColor === "rgba(0, 0, 0, 0)" ? "" : style.outlineWidth + style.outlineColor,
        style.boxShadow, style.borderColor, style.backgroundColor, style.textDecorationLine, style.color, style.stroke,
      ].join())
    }
    return looks.join("|")
  }
  const name = `${element.tagName.toLowerCase()} ${element.getAttribute("aria-label") ?? element.innerText?.slice(0, 40) ?? ""}`
  await settled()
  const focused = drawn()
  element.blur()
  await settled()
  const plain = drawn()
  element.focus({ focusVisible: true })
  return { name, visible: focused !== plain }
}
"""


def opened(page: Page, url: str, name: str, scheme: str) -> None:
    """A page of the app, with all that stands on it."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    address, there = PAGES[name]
    page.goto(url + address)
    page.locator(there).first.wait_for(timeout=PATIENCE)
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)
    expect(page.locator("#shell")).to_have_count(0)


def grave(page: Page) -> list[str]:
    """What axe-core calls serious or critical, a line for each element."""
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['impact']} {fault['id']}: {' '.join(map(str, node['target']))}: {' '.join(node['failureSummary'].split())}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(page: Page, app_url: str, name: str, scheme: str) -> None:
    opened(page, app_url, name, scheme)
    found = grave(page)
    assert not found, "\n".join(found)


OPENED = {
    "keys": ("clip", lambda page: page.get_by_role("button", name="Keyboard shortcuts").click(), ".player dialog"),
    "note": ("clip", lambda page: page.get_by_role("button", name="Note this case").click(), "[data-testid=stPopoverBody]"),
    "export": ("clip", lambda page: page.get_by_role("button", name="Export").click(), "[data-testid=stPopoverBody]"),
    "link": ("clip", lambda page: page.get_by_role("button", name="Copy link").click(), ".link [role=status]"),
    "recorder": ("clip", lambda page: page.get_by_role("button", name="Record yourself").click(), "[role=dialog]"),
    "filter": ("clip", lambda page: page.get_by_role("button", name="Filter").click(), ".filters"),
    "gallery": ("clip", lambda page: page.get_by_role("button", name="Show as a gallery").click(), ".rows"),
    "case": (
        "failures",
        lambda page: page.locator(".cards li").first.get_by_role("button", name="Note").click(),
        "[role=dialog]",
    ),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", OPENED)
def test_axe_finds_nothing_serious_in_what_opens(page: Page, app_url: str, name: str, scheme: str) -> None:
    where, open_it, there = OPENED[name]
    opened(page, app_url, where, scheme)
    open_it(page)
    page.locator(there).first.wait_for(timeout=PATIENCE)
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)
    found = grave(page)
    assert not found, "\n".join(found)


def test_axe_looks_into_components(page: Page, app_url: str) -> None:
    """A fault planted in the player is found: the tests above do not pass because they see nothing."""
    opened(page, app_url, "clip", "light")
    page.locator(".player").evaluate("player => player.insertAdjacentHTML('beforeend', '<button></button>')")
    assert any("button-name" in line for line in grave(page))


@pytest.mark.parametrize("name", PAGES)
def test_the_focus_is_seen_wherever_tab_goes(page: Page, app_url: str, name: str) -> None:
    opened(page, app_url, name, "light")
    unseen = []
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop and not stop["visible"]:
            unseen.append(stop["name"])
    assert not unseen, unseen


def test_a_focus_that_nobody_sees_is_found(page: Page) -> None:
    page.set_content("<button>seen</button><button style='outline: none'>unseen</button>")
    seen = []
    for _ in range(2):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
    assert seen == [{"name": "button seen", "visible": True}, {"name": "button unseen", "visible": False}]
