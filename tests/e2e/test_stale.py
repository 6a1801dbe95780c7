"""What is chosen stays chosen, and is what is shown, on a machine that is slow in the browser and on the server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from tests.e2e.drive import READY, take
from tests.e2e.harness.slow import class_of, films
from tests.e2e.serve import serving

TRIES = int(os.environ.get("AFFECTSCOPE_STALE_TRIES", "20"))
SERVER = os.environ.get("AFFECTSCOPE_STALE_SERVER", "tests/e2e/harness/slow_server.py")
PATIENCE = READY
SLOWER = 6

# What the page says of which clip, as it is drawn: a heading over another clip's answer or player is noted.
WATCH = """
classes => {
  window.mixed = []
  window.classes = classes
  const deep = (selector) => {
    for (const node of document.querySelectorAll("[data-testid=stMain] *")) {
      const found = node.shadowRoot?.querySelector(selector)
      if (found) return found
    }
  }
  window.seen = () => ({
    clip: deep(".heading h2")?.textContent ?? "", answer: deep(".card.main .class")?.textContent ?? "",
    share: deep(".card.main .share")?.textContent ?? "", player: deep(".player")?.dataset.clip ?? "",
    ready: deep(".player")?.dataset.ready ?? "",
  })
  const step = () => {
    const { clip, answer, player } = window.seen()
    const other = (answer && answer !== window.classes[clip]) || (player && player !== clip)
    if (clip && other) window.mixed.push([clip, answer, player])
    requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
}
"""
SHOWN = """
([clip, answer, share]) => {
  const seen = window.seen()
  const idle = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"
  return idle && seen.clip === clip && seen.answer === answer && (!share || seen.share === share) && seen.player === clip
    && seen.ready === "true"
}
"""


CORPUS = [f"c{i:03d}" for i in range(125)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stale")


@pytest.fixture(scope="module")
def own(folder: Path) -> list[Path]:
    return films(folder / "own", [f"own {i}" for i in range(4 * TRIES)])


@pytest.fixture(scope="module")
def slow_url(folder: Path) -> Iterator[str]:
    films(folder / "slow", [*CORPUS, "one", "two"])
    (folder / "data").mkdir()
    # Nobody is offered the tour.
    (folder / "data" / "tour-seen").touch()
    with serving(SERVER, folder) as url:
        yield url


@pytest.fixture
def slow(request: pytest.FixtureRequest, browser: Browser, slow_url: str, folder: Path, own: list[Path]) -> Iterator[Page]:
    """A page on a processor six times slower, in which nothing is ever said of another clip than the heading's."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{slow_url}/?corpus=demo&clip={request.param}")
    classes = {path.stem: class_of(path) for path in (folder / "slow").glob("c*.mp4")}
    classes |= {path.name: class_of(path) for path in own}
    page.evaluate(WATCH, classes)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    shows(page, request.param)
    yield page
    mixed = page.evaluate("window.mixed")
    page.close()
    assert not mixed, mixed[:5]


def shows(page: Page, clip: str, model: str = "") -> None:
    """Wait until the page is at rest and shows a clip: heading, answer, player, and address say so."""
    expected = page.evaluate("clip => window.classes[clip]", clip)
    share = {"": "", "one": "90\N{NO-BREAK SPACE}%", "two": "70\N{NO-BREAK SPACE}%"}[model]
    try:
        page.wait_for_function(SHOWN, arg=[clip, expected, share], timeout=PATIENCE)
    except TimeoutError as error:
        seen = page.evaluate("[window.seen(), document.querySelector('[data-testid=stApp]').dataset.testScriptState]")
        raise AssertionError(f"wanted {clip}: {expected} {share}; {seen} at {page.url}") from error


def choose(page: Page, clip: str) -> None:
    page.locator(f".clips .row[data-clip={clip}]").click()


def choose_model(page: Page, model: str) -> None:
    take(page, "Model", model)


def upload(page: Page, file: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(file)


def begun(page: Page, clip: str) -> None:
    """Wait until the clip is taken up: its answer is under way."""
    try:
        page.wait_for_function("clip => window.seen().clip === clip", arg=clip, timeout=PATIENCE)
    except TimeoutError as error:
        raise AssertionError(f"wanted {clip}; {page.evaluate('window.seen()')} at {page.url}") from error


at = pytest.mark.parametrize


@at("slow", ["c000"], indirect=True)
def test_an_upload_stays(slow: Page, own: list[Path]) -> None:
    for file in own[:TRIES]:
        upload(slow, file)
        begun(slow, file.name)
        shows(slow, file.name)
    shows(slow, own[TRIES - 1].name)


@at("slow", ["c000"], indirect=True)
def test_an_upload_over_an_upload_is_the_second(slow: Page, own: list[Path]) -> None:
    for i in range(TRIES):
        first, second = own[TRIES + 2 * i : TRIES + 2 * i + 2]
        upload(slow, first)
        # Every other time before anything was heard of the first.
        if i % 2:
            begun(slow, first.name)
        upload(slow, second)
        shows(slow, second.name)


@at("slow", ["c000"], indirect=True)
def test_a_clip_chosen_during_an_analysis_is_shown(slow: Page) -> None:
    for i in range(TRIES):
        first, second = CORPUS[2 * i + 1], CORPUS[2 * i + 2]
        choose(slow, first)
        if i % 2:
            begun(slow, first)
        choose(slow, second)
        shows(slow, second)
        expect(slow).to_have_url(re.compile(f"clip={second}"))


@at("slow", ["c050"], indirect=True)
def test_a_model_chosen_during_an_analysis_answers(slow: Page) -> None:
    for i in range(TRIES):
        clip, model = CORPUS[51 + i], ("two", "one")[i % 2]
        choose(slow, clip)
        begun(slow, clip)
        choose_model(slow, model)
        shows(slow, clip, model)
        expect(slow).to_have_url(re.compile(f"model={model}"))


@at("slow", ["c080"], indirect=True)
def test_a_step_back_during_an_analysis_stays(slow: Page) -> None:
    for i in range(TRIES):
        before, after = CORPUS[81 + 2 * i], CORPUS[82 + 2 * i]
        choose(slow, before)
        shows(slow, before)
        choose(slow, after)
        begun(slow, after)
        slow.go_back()
        shows(slow, before)
        expect(slow).to_have_url(re.compile(f"clip={before}"))
