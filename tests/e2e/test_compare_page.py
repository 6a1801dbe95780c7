"""The Compare page over the real app: two models, one clip, one playhead."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.drive import READY, click_lane, data, play_to_end, ready, settled

LOOK = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
  let sum = 0
  for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2]
  return sum
}"""


def opened(page: Page, url: str, more: str = "") -> Locator:
    page.goto(f"{url}/compare?model=auxformer&o.compare.with=other{more}")
    return ready(page)


def test_both_heatmaps_stand_side_by_side_under_one_playhead(page: Page, app_url: str) -> None:
    player = opened(page, app_url)
    click_lane(player, 0.5)
    settled(player, data(player)["duration"] / 2, 0.05)
    seen = data(player)
    frame = round(seen["frame"])
    assert (seen["heatmap"], seen["beside"]) == (f"A.av:{frame}", f"B.av:{frame}")
    assert player.locator("[data-ref=twinPicture]").evaluate(LOOK) > 0
    expect(page.get_by_role("list", name="What A · auxformer says")).to_be_visible(timeout=READY)
    expect(page.get_by_role("list", name="What B · other says")).to_be_visible(timeout=READY)
    expect(page.locator(".st-key-verdict_a .sentence")).to_have_text(re.compile("^A and B (agree|disagree)"))
    lanes = seen["lanes"].split()
    assert lanes.index("A.prediction.av") + 1 == lanes.index("B.prediction.av")
    assert lanes.count("wave") == 1


def test_both_pictures_follow_every_frame_of_the_video(page: Page, app_url: str) -> None:
    player = opened(page, app_url)
    page.evaluate(
        """root => {
          window.seen = { frames: 0, together: 0 }
          const step = () => {
            const [a, b] = [root.dataset.heatmap, root.dataset.beside].map((text) => text.split(":")[1])
            window.seen.frames += 1
            if (a === b && a === root.dataset.frame) window.seen.together += 1
            root.querySelector("video").requestVideoFrameCallback(step)
          }
          root.querySelector("video").requestVideoFrameCallback(step)
        }""",
        player.element_handle(),
    )
    # How many frames a busy machine draws is test_player.py's to say; here both pictures must show the same ones.
    play_to_end(page, player, 1)
    seen = page.evaluate("window.seen")
    assert seen["frames"] >= 10
    assert seen["together"] == seen["frames"]


def test_the_difference_is_signed_and_a_link_reopens_it(page: Page, app_url: str) -> None:
    player = opened(page, app_url, "&map=A-B.av&t=0.8")
    settled(player, 0.8, 0.05)
    assert data(player)["heatmap"].startswith("A-B.av:")
    assert data(player)["beside"] == ""
    expect(player.locator("[data-ref=legend]")).to_have_text(re.compile("B more.*A more"))
    expect(player.locator("[data-ref=mapTitle]")).to_contain_text("A minus B")
    player.get_by_label("Heatmap of which head").select_option("B.visual")
    expect(player).to_have_attribute("data-heatmap", re.compile(r"^B\.visual:"))
    expect(page).to_have_url(re.compile("map=B.visual"), timeout=READY)


def test_swapping_turns_the_models_round_and_the_clips_that_differ_open_here(page: Page, app_url: str) -> None:
    opened(page, app_url)
    page.get_by_role("button", name="Swap").click()
    expect(page.get_by_role("list", name="What A · other says")).to_be_visible(timeout=READY)
    expect(page).to_have_url(re.compile("model=other.*with=auxformer"))
    others = page.locator(".differ button[data-clip]:not([aria-current=true])")
    expect(others.first).to_be_visible(timeout=READY)
    wanted = others.first.get_attribute("data-clip") or ""
    others.first.click()
    expect(page.locator(".heading h2")).to_have_text(wanted, timeout=READY)
    ready(page)
