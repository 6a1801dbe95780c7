"""Two people in one film: everybody has a box, a click reads another's face, and links and files keep the choice."""

from __future__ import annotations

import base64
import gzip
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from affectscope.core.timeline.timeline import Timeline
from tests import films
from tests.e2e.drive import READY, ready
from tests.e2e.test_export import save

LARGE, SMALL = 170, 480
# An analysis of a film that nobody has read yet is waited for, which takes a while where other tests run beside.
READ = 3 * READY


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    large, small = films.shows("happiness", 0), films.shows("anger", 2)
    out = tmp_path_factory.mktemp("films") / "two of them.mp4"
    return films.film(out, {large: films.still(LARGE, 320), small: films.still(SMALL, 250)}, 1.6, sound=large)


def upload(page: Page, url: str, film: Path) -> Locator:
    page.goto(url)
    page.locator(".own input[type=file]").set_input_files(film, timeout=READY)
    player = page.locator(".player")
    expect(player).to_have_attribute("data-clip", re.compile("two of them"), timeout=READ)
    expect(player).to_have_attribute("data-ready", "true", timeout=READY)
    return player


def click_at(player: Locator, x: float) -> None:
    """Click the picture half-way down, at a place of the film in pixels."""
    stage = player.locator("[data-ref=stage]")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box
    stage.page.mouse.click(box["x"] + box["width"] * x / films.WIDTH, box["y"] + box["height"] / 2)


def reads(page: Page, face: int) -> Locator:
    """The player, once it reads this face: it is said over the picture, on Masking under the board."""
    remarks = page.locator(".player [data-ref=notices], [data-testid=stAlert]")
    expect(remarks.filter(has_text="the larger one is read" if face == 1 else f"face {face} is read")).to_be_visible(timeout=READ)
    player = ready(page)
    expect(player.locator("[data-ref=face]")).to_have_value(str(face))
    return player


def timeline_of(html: Path) -> Timeline:
    """What a page that was taken home plays."""
    packed = re.search(r'id="data-timeline"[^>]*>([^<]+)<', html.read_text())
    assert packed
    return Timeline.from_bytes(gzip.decompress(base64.b64decode(packed[1])))


def test_a_click_reads_another_face_and_the_link_and_the_page_keep_it(
    page: Page, browser: Browser, app_url: str, film: Path, tmp_path: Path
) -> None:
    upload(page, app_url, film)
    player = reads(page, 1)
    before = page.locator("[data-ref=classes]").inner_text()
    assert "face=" not in page.url

    # A click on the face that is read plays, as everywhere on the picture; a click on the other reads that.
    click_at(player, LARGE)
    page.wait_for_function("root => !root.querySelector('video').paused", arg=player.element_handle())
    click_at(player, LARGE)
    page.wait_for_function("root => root.querySelector('video').paused", arg=player.element_handle())
    click_at(player, SMALL)
    player = reads(page, 2)
    assert re.search(r"[?&]face=2(&|$)", page.url)
    expect(page.locator(".heading")).to_contain_text("face 2 is read")
    assert page.locator("[data-ref=classes]").inner_text() != before

    page.get_by_role("button", name="Export").click()
    html = save(page, "One page (HTML)", tmp_path / "case.html")
    kept = timeline_of(html)
    assert kept.face == 2
    assert kept.people.shape[0] == 2
    context = browser.new_context(offline=True)
    taken = context.new_page()
    taken.set_default_timeout(READY)
    taken.goto(html.as_uri())
    home = ready(taken)
    # Nobody is there to reckon: the choice is shown and cannot be changed.
    expect(home.locator("[data-ref=face]")).to_be_disabled()
    expect(home.locator("[data-ref=face]")).to_have_value("2")
    context.close()

    link = page.url
    page.goto("about:blank")
    page.goto(link)
    reads(page, 2)
    # Another page looks at the same face; the menu leads back without a mouse.
    page.get_by_test_id("stTopNav").get_by_role("link", name="Masking").click()
    player = reads(page, 2)
    assert "face=2" in page.url
    player.locator("[data-ref=face]").select_option("1")
    reads(page, 1)
    expect(page).not_to_have_url(re.compile("face="))


def test_a_link_to_a_face_that_is_not_there_shows_the_first(page: Page, app_url: str, film: Path) -> None:
    upload(page, app_url, film)
    reads(page, 1)
    first = page.url
    page.goto(f"{first}&face=7")
    reads(page, 1)
    # Another clip begins with its own first face.
    page.goto(f"{first}&face=2")
    reads(page, 2)
    page.locator(".clips").get_by_text("held_s2026_00001").first.click()
    expect(page.locator(".heading h2")).to_have_text("held_s2026_00001", timeout=READY)
    expect(page).not_to_have_url(re.compile("face="))
