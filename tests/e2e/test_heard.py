"""What can be seen of a component can be pressed: a press in its first frame counts, on a slow processor too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.app import fake
from tests.e2e.drive import READY, ready
from tests.media_files import ffmpeg

SLOWER = 6
PATIENCE = 3 * READY

# Presses each of ``window.toPress`` once, in the first frame in which a person could.
HASTE = """
const inside = () => [...document.querySelectorAll(".stBidiComponent *")].map((host) => host.shadowRoot).filter(Boolean)
const pressable = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getBoundingClientRect().width > 0
  && !element.disabled && !element.closest("[inert]")
const press = (element) => {
  const click = new MouseEvent("click", { bubbles: true, cancelable: true, composed: true })
  if (element.type !== "file") return element.dispatchEvent(click)
  const chosen = new DataTransfer()
  chosen.items.add(new File(["no clip"], "nothing.txt"))
  element.files = chosen.files
  element.dispatchEvent(new Event("change"))
}
const look = () => {
  for (const root of inside())
    for (const selector of window.toPress) {
      const found = [...root.querySelectorAll(selector)].find(pressable)
      if (!found) continue
      window.toPress = window.toPress.filter((other) => other !== selector)
      press(found)
    }
  requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""

# Of each page: what is pressed, and what is there once it was heard.
PRESSED = {
    "/": {
        ".clips [data-ref=filter]": ".clips [data-ref=filter][aria-expanded=true]",
        ".link [data-ref=copy]": ".link[data-copied]",
        ".player [data-ref=loop]": ".player [data-ref=loop][aria-pressed=true]",
        ".why .measures [aria-pressed=false]": ".why .measures button:last-child[aria-pressed=true]",
        ".own [data-ref=files]": ".own .files .wrong",
    },
    "/embeddings": {
        ".scatter [data-tool=move]": ".scatter[data-tool=move]",
        ".strip li:nth-child(3) .picture": ".strip:not([data-clips^=held_s2026_00000])",
    },
    "/failures": {
        ".matrix [data-cell='0-0']": ".matrix [data-cell='0-0'][aria-pressed=true]",
        ".cards button[data-action=note]": "[aria-label='What is there to see?']",
    },
    "/library": {".zone [data-ref=files]": ".zone[data-arrived]"},
}


@pytest.fixture
def hasty(page: Page) -> Page:
    page.set_default_timeout(PATIENCE)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    return page


def presses(page: Page, *selectors: str) -> None:
    page.add_init_script(f"(() => {{ window.toPress = {list(selectors)!r}; {HASTE} }})()")


@pytest.mark.parametrize("path", PRESSED)
def test_what_is_seen_is_heard(hasty: Page, app_url: str, path: str) -> None:
    presses(hasty, *PRESSED[path])
    hasty.goto(app_url + path)
    for effect in PRESSED[path].values():
        expect(hasty.locator(effect).first).to_be_attached(timeout=PATIENCE)


def test_a_clip_is_played_by_a_press_before_its_lanes_are_there(hasty: Page, app_url: str) -> None:
    presses(hasty, ".player [data-ref=play]")
    hasty.goto(app_url)
    root = ready(hasty)
    hasty.wait_for_function("root => root.querySelector('video').ended", arg=root.element_handle(), timeout=PATIENCE)


def test_keys_count_before_any_script_of_the_player_runs(hasty: Page, app_url: str) -> None:
    hasty.goto(app_url, wait_until="domcontentloaded")
    for key in ("l", "m", "h"):
        hasty.keyboard.press(key)
    assert not hasty.locator(".player").count()
    root = ready(hasty)
    for ref, on in (("loop", "true"), ("mute", "true"), ("heat", "false")):
        expect(root.locator(f"[data-ref={ref}]")).to_have_attribute("aria-pressed", on)


def test_a_preset_counts_before_any_script_of_the_board_runs(hasty: Page, app_url: str) -> None:
    hasty.goto(f"{app_url}/masking", wait_until="domcontentloaded")
    hasty.keyboard.press("i")
    assert not hasty.locator(".board").count()
    expect(hasty.locator(".board")).to_have_attribute("data-keep", "audio:100,visual:0", timeout=PATIENCE)


def test_the_recorder_opens(hasty: Page, app_url: str) -> None:
    presses(hasty, ".own [data-ref=record]")
    hasty.goto(app_url)
    hasty.locator(".recorder").wait_for()


def test_a_stretch_is_taken(hasty: Page, app_url: str, tmp_path: Path) -> None:
    short, film = fake.clip(tmp_path / "short.mp4", seconds=9, size=(160, 120)), tmp_path / "hasty.mp4"
    ffmpeg("-stream_loop", 9, "-i", short, "-c", "copy", film)
    presses(hasty, ".picker [data-ref=take]")
    hasty.goto(app_url)
    hasty.locator(".own input[type=file]").set_input_files(film)
    expect(hasty.locator(".heading h2")).to_have_text(re.compile(r"^0:00–\d.* of hasty\.mp4"), timeout=PATIENCE)


def test_a_file_is_saved(hasty: Page, app_url: str) -> None:
    presses(hasty, ".save a[href]")
    with hasty.expect_download(timeout=PATIENCE):
        hasty.goto(app_url)
        ready(hasty)
        hasty.get_by_role("button", name="Export").click()


def test_the_board_hears_buttons_and_keys_before_its_answers_are_there(hasty: Page, app_url: str) -> None:
    presses(hasty, ".board [data-ref=dice]")
    hasty.goto(f"{app_url}/masking")
    board = hasty.locator(".board:not([data-unheard])")
    board.wait_for()
    hasty.keyboard.press("s")
    expect(board).to_have_attribute("data-keep", "audio:0,visual:100", timeout=PATIENCE)
    expect(hasty).to_have_url(re.compile("o.masking.seed=1"), timeout=PATIENCE)


def test_a_differing_clip_is_opened(hasty: Page, app_url: str) -> None:
    presses(hasty, ".differ li:nth-child(2) button")
    hasty.goto(f"{app_url}/compare?o.compare.with=vavl")
    expect(hasty.locator(".differ li:nth-child(2) button")).to_have_attribute("aria-current", "true", timeout=PATIENCE)
