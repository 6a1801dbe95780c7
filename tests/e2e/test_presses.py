"""A press counts whenever it comes: also while the page's script runs again, on a processor that is slow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.e2e.drive import READY, ready

TRIES = int(os.environ.get("AFFECTSCOPE_PRESSES_TRIES", "40"))
SLOWER = 3
# From press to press the moment moves on by so many milliseconds through what the page does after a choice.
STEP = 23
HEARD = 6_000


def slowed(page: Page, rate: int) -> None:
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})


def idle(page: Page) -> None:
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning", timeout=READY)


@pytest.fixture
def wide(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(READY)
    yield page
    page.close()


def test_a_file_is_saved_while_another_class_is_being_explained(wide: Page, app_url: str, tmp_path: Path) -> None:
    wide.goto(app_url)
    root = ready(wide)
    classes = root.get_by_label("Class to explain").locator("option").evaluate_all("all => all.map(option => option.value)")
    slowed(wide, SLOWER)
    wide.get_by_role("button", name="Export").click()
    button = wide.get_by_role("button", name="Lanes (CSV)")
    expect(button).to_be_visible(timeout=READY)
    lost = []
    for i in range(TRIES):
        root.get_by_label("Class to explain").select_option(classes[i % len(classes)])
        wide.wait_for_timeout(STEP * i)
        button.focus()
        try:
            with wide.expect_download(timeout=HEARD) as download:
                wide.keyboard.press("Enter")
            # Of a file that is gone, the download begins and ends in nothing.
            download.value.save_as(tmp_path / "lanes.csv")
        except Error:
            lost.append(STEP * i)
        else:
            assert (tmp_path / "lanes.csv").read_text(encoding="utf-8").count("\n") > 20
    assert not lost, f"{len(lost)} of {TRIES} presses saved nothing, so many ms after the choice: {lost}"


# Where the middle of the first card's button is; nothing before there is one.
NOTE = """
() => {
  for (const node of document.querySelectorAll("[data-testid=stMain] *")) {
    const button = node.shadowRoot?.querySelector(".cards li button[data-action=note]")
    if (!button) continue
    const { left, top, width, height } = button.getBoundingClientRect()
    return [left + width / 2, top + height / 2]
  }
}
"""


# The same, once it is where it was when last asked.
STANDS = f"""
() => {{
  const now = ({NOTE.strip()})(), before = window.stoodAt
  window.stoodAt = now
  return now && before && now.every((part, i) => part === before[i]) ? now : null
}}
"""


def test_a_press_on_a_page_that_has_just_come_is_heard(browser: Browser, app_url: str) -> None:
    """The player on the page before reports its time while this one is made; and nothing moves under a person's finger."""
    lost = []
    for i in range(TRIES // 4):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(READY)
        page.goto(app_url)
        ready(page)
        slowed(page, SLOWER)
        page.get_by_test_id("stTopNav").get_by_role("link", name="Failures").click()
        try:
            there = page.wait_for_function(NOTE).json_value()
            page.mouse.move(*there)
            page.mouse.down()
            # As long as people press.
            page.wait_for_timeout(100)
            page.mouse.up()
            page.get_by_label("What is there to see?").wait_for()
        except Error:
            lost.append((i, page.url, page.evaluate(NOTE)))
        page.close()
    assert not lost, lost


def test_what_is_drawn_anew_while_it_is_pressed_is_pressed_all_the_same(wide: Page, app_url: str) -> None:
    wide.goto(f"{app_url}/failures")
    wide.wait_for_function(NOTE)
    # Of this corpus: a press that begins on a case of one corpus and ends on a case of another is none.
    rows = wide.locator(".clips .row[data-clip^=held_]")
    rows.nth(3).wait_for()
    idle(wide)
    for i in range(3):
        # Another clip is chosen between the two ends of the press: the page runs again, and all its cards are made anew.
        wide.mouse.move(*wide.evaluate(NOTE))
        wide.mouse.down()
        clip = rows.nth(i + 1).get_attribute("data-clip")
        rows.nth(i + 1).evaluate("row => row.click()")
        wide.wait_for_url(f"**clip={clip}*")
        idle(wide)
        # Where it has come to stand: what the page shows above it may be longer.
        wide.mouse.move(*wide.wait_for_function(STANDS, polling=300).json_value())
        wide.mouse.up()
        wide.get_by_label("What is there to see?").wait_for()
        wide.keyboard.press("Escape")
        wide.get_by_label("What is there to see?").wait_for(state="hidden")
        idle(wide)


def test_a_page_chosen_before_the_app_stands_keeps_the_link(wide: Page, app_url: str) -> None:
    wide.route("**/_stcore/**", lambda route: route.abort())
    wide.goto(f"{app_url}/?model=vavl&o.embeddings.method=PCA", wait_until="commit")
    link = wide.locator("#shell").get_by_role("link", name="Embeddings")
    expect(link).to_have_attribute("href", f"{app_url}/embeddings?model=vavl&o.embeddings.method=PCA")
    wide.unroute("**/_stcore/**")
    link.click()
    expect(wide).to_have_url(f"{app_url}/embeddings?model=vavl&o.embeddings.method=PCA")
