"""What the browser tests do with a player and read from it."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

READY = 180_000

# How often a list is opened: each time something above it grew just then.
OPENED = 18

# A second frame callback beside the player's own: does the map that it says it drew belong to the frame on the screen?
WATCH = """
root => {
  const video = root.querySelector("video")
  window.watched = { frames: 0, right: 0, wrong: [] }
  const step = (_, frame) => {
    const [, index] = root.dataset.heatmap.split(":")
    const distance = Math.abs(Number(root.dataset.time) - frame.mediaTime)
    window.watched.frames += 1
    if (index === root.dataset.frame && distance <= 0.021) window.watched.right += 1
    else window.watched.wrong.push([root.dataset.heatmap, root.dataset.time, frame.mediaTime])
    video.requestVideoFrameCallback(step)
  }
  video.requestVideoFrameCallback(step)
}
"""

PLAY_TO_END = """
video => new Promise(done => {
  video.muted = true
  const before = video.getVideoPlaybackQuality()
  video.onended = () => {
    const after = video.getVideoPlaybackQuality()
    done({
      dropped: after.droppedVideoFrames - before.droppedVideoFrames, total: after.totalVideoFrames - before.totalVideoFrames,
    })
  }
  video.currentTime = 0
  video.play()
})
"""


def open_player(page: Page, url: str) -> Locator:
    page.goto(url)
    return ready(page)


def ready(page: Page) -> Locator:
    """The player, once it shows the clip that the page's heading names: until then it may be the one before."""
    root, heading = page.locator(".player"), page.locator(".heading h2")
    if heading.count():
        expect(root).to_have_attribute("data-clip", heading.inner_text(), timeout=READY)
    expect(root).to_have_attribute("data-ready", "true", timeout=READY)
    return root


def data(root: Locator) -> dict[str, Any]:
    found = root.evaluate("root => ({ ...root.dataset })")
    return {k: float(v) if k in ("time", "frame", "presented", "drawn", "dropped", "duration") else v for k, v in found.items()}


def play_to_end(page: Page, root: Locator, times: int = 3) -> dict[str, Any]:
    """Play the clip to its end, several times so that one frame is less than a hundredth, and return the player's data.

    ``presented`` and ``drawn`` are those of the plays, not of what was shown before.
    """
    before = data(root)
    for _ in range(times):
        page.keyboard.press("Space")
        page.wait_for_function("root => !root.querySelector('video').ended", arg=root.element_handle())
        page.wait_for_function("root => root.querySelector('video').ended", arg=root.element_handle(), timeout=READY)
    after = data(root)
    return after | {name: after[name] - before.get(name, 0) for name in ("presented", "drawn")}


def play_undisturbed(page: Page, root: Locator, share: float = 0.99, rounds: int = 8) -> dict[str, Any]:
    """As ``play_to_end``, and again when too few frames were drawn: on a shared core the browser itself is held up at times,
    shows frames without a callback, and no page can draw on those. A page that cannot keep up fails every round.
    """
    for _ in range(rounds):
        seen = play_to_end(page, root)
        if seen["drawn"] >= share * seen["presented"]:
            break
        page.wait_for_timeout(3000)
    return seen


def click_lane(root: Locator, share: float, row: int = 1) -> None:
    """Click a lane at a share of its width."""
    lane = root.locator("canvas.track").nth(row)
    lane.scroll_into_view_if_needed()
    box = lane.bounding_box()
    assert box
    root.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def settled(root: Locator, seconds: float, within: float) -> None:
    """Wait until the player shows a frame near ``seconds``."""
    root.page.wait_for_function(
        "([root, t, d]) => Math.abs(Number(root.dataset.time) - t) <= d && !root.querySelector('video').seeking",
        arg=[root.element_handle(), seconds, within],
        timeout=READY,
    )


def take(page: Page, box: str, option: str | re.Pattern[str]) -> None:
    """Choose from one of Streamlit's select boxes by keys. It shuts its list whenever the page scrolls under it, as it does while
    it is brought into view or when what stands above grows: as a person would, open it again.

    Raises:
        playwright's TimeoutError: when the list never stayed open, or has no such option.
    """
    asked, offered = page.get_by_role("combobox", name=box, exact=True), page.get_by_role("option", name=option, exact=True)
    expect(asked).to_be_visible(timeout=READY)
    for tries in range(1, OPENED + 1):
        asked.scroll_into_view_if_needed()
        asked.focus()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if asked.get_attribute("aria-expanded") != "true":
            # Let go within the same instant, the list shuts as it opens.
            asked.press("ArrowDown", delay=80)
        try:
            return offered.click(timeout=READY // OPENED)
        except TookTooLong:
            if tries == OPENED:
                raise
