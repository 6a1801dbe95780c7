"""``python -m tests.two_apps [SECONDS [SEED]]``: two servers of the app on one cache, a browser on each, and no wrong answer.

First a server that is alone is asked of all, which takes a minute or two more. Then each browser chooses clips, masks them, sends
films of its own and one that both have, and writes notes, while analyses are swept away now and then. What it is told is compared
with what the one alone told; at the end each note is as it was saved last, whichever server is asked.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

from affectscope.core.corpora import bundled
from benchmarks.soak import look, mask
from tests.e2e.serve import APP, FLAGS, chromium, serving
from tests.media_files import ffmpeg

CLIPS, FILMS = 2, 3
# A machine that others use too answers late; what the page refuses is told at once.
PATIENCE = 200_000
WORK = ("look", "look", "mask", "note", "note", "send", "send", "sweep")


class Told:
    """What a server that is alone says: of clips whole and masked, and of films."""

    def __init__(self) -> None:
        self.whole: dict[str, str] = {}
        self.masked: dict[str, str] = {}
        self.films: dict[Path, str] = {}


class Person:
    """One browser on one server; clips whose place in the list is ``number`` modulo 2 are its own to note."""

    def __init__(self, number: int, page: Page, url: str, cache: Path, told: Told, seed: int) -> None:
        self.number, self.page, self.url, self.cache, self.told = number, page, url, cache, told
        self.draw = random.Random(f"{seed} {number}")
        self.done: Counter[str] = Counter()
        self.notes: dict[str, str] = {}
        self.faults: list[str] = []

    async def work(self, until: float) -> None:
        while time.monotonic() < until:
            name = self.draw.choice(WORK)
            try:
                await _or_refused(self.page, getattr(self, name)())
            except Exception as error:  # What ends a piece of work is told at the end, and the other browser goes on.
                self.faults.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}")
                await self.page.goto("about:blank")
            self.done[name] += 1

    def compare(self, what: str, shown: str, expected: str) -> None:
        if shown != expected:
            self.faults.append(f"server {self.number}, {what}: {shown!r} instead of {expected!r}")

    async def look(self) -> None:
        clip = self.draw.choice(list(self.told.whole))
        self.compare(clip, await look(self.page, self.url, clip), self.told.whole[clip])

    async def mask(self) -> None:
        clip = self.draw.choice(list(self.told.masked))
        self.compare(f"{clip} masked", await mask(self.page, self.url, clip), self.told.masked[clip])

    async def send(self) -> None:
        film = self.draw.choice([next(iter(self.told.films)), list(self.told.films)[1 + self.number]])
        self.compare(film.name, await sent(self.page, self.url, film), self.told.films[film])

    async def note(self) -> None:
        clip = self.draw.choice(list(self.told.whole)[self.number :: 2])
        text = f"{self.number} {self.draw.randrange(10**9)}"
        self.compare(clip, await look(self.page, self.url, clip), self.told.whole[clip])
        await self.page.get_by_role("button", name="Note this case").click()
        form = self.page.get_by_test_id("stPopoverBody")
        await form.get_by_role("textbox", name="What is there to see?").fill(text)
        await form.get_by_role("button", name="Save note").click()
        await expect(form.get_by_text("Saved.")).to_be_visible(timeout=PATIENCE)
        self.notes[clip] = text

    async def sweep(self) -> None:
        paths = [*(self.cache / "analyses").glob("*"), *(self.cache / "features").glob("*")]
        for path in self.draw.sample(paths, min(1, len(paths))):
            if path.is_file():
                path.unlink(missing_ok=True)

    async def reads(self, notes: dict[str, str]) -> None:
        """Every note, whoever wrote it, as this server tells it."""
        await self.page.goto(f"{self.url}/failures?o.failures.view=notes", timeout=PATIENCE)
        for clip, text in notes.items():
            card = self.page.locator(".cards li").filter(has_text=clip).filter(has_text=text)
            try:
                await expect(card).to_be_visible(timeout=PATIENCE)
            except AssertionError:
                self.faults.append(f"server {self.number} does not tell the note {text!r} of {clip}")


async def _or_refused(page: Page, work: Coroutine[Any, Any, None]) -> None:
    """Do it, unless the page says before that something is wrong: nobody waits for what will not come."""
    refusal = page.get_by_test_id("stAlertContentError").first
    doing, refused = asyncio.ensure_future(work), asyncio.ensure_future(refusal.wait_for(timeout=0))
    done, waiting = await asyncio.wait({doing, refused}, return_when=asyncio.FIRST_COMPLETED)
    said = await refusal.inner_text() if refused in done and doing not in done else ""
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    if said:
        raise RuntimeError(f"the page says {said!r}")
    doing.result()


async def sent(page: Page, url: str, film: Path) -> str:
    """What the page says of a film after it was sent."""
    await page.goto(url, timeout=PATIENCE)
    await expect(page.locator(".player")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    await page.locator(".own input[type=file]").set_input_files(film, timeout=PATIENCE)
    await expect(page.locator(".heading h2")).to_have_text(film.name, timeout=PATIENCE)
    await expect(page.locator(".player")).to_have_attribute("data-clip", film.name, timeout=PATIENCE)
    await expect(page.locator(".player")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    return " ".join((await page.get_by_role("list", name="What the model says").inner_text()).split())


async def alone(browser: Browser, url: str, films: list[Path]) -> Told:
    page, told = await browser.new_page(viewport={"width": 1440, "height": 1000}), Told()
    for clip in map(str, bundled().table.index[:CLIPS]):
        told.whole[clip], told.masked[clip] = await look(page, url, clip), await mask(page, url, clip)
    for film in films:
        told.films[film] = await sent(page, url, film)
    await page.close()
    return told


async def drive(folder: Path, seconds: float, seed: int) -> int:
    begun, films = time.monotonic(), [folder / f"film {number}.mp4" for number in range(FILMS)]
    for number, film in enumerate(films):
        source = bundled().media(str(bundled().table.index[CLIPS + number]))
        ffmpeg("-i", source, "-c", "copy", "-metadata", f"comment={number}", film)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with serving(APP, folder / "alone") as url:
            told = await alone(browser, url, films)
        print(f"what a server that is alone says was read in {time.monotonic() - begun:.0f} s", flush=True)
        cache = folder / "shared"
        with serving(APP, cache) as first, serving(APP, cache) as second:
            people = [
                Person(number, await browser.new_page(viewport={"width": 1440, "height": 1000}), url, cache, told, seed)
                for number, url in enumerate((first, second))
            ]
            until = time.monotonic() + seconds
            await asyncio.gather(*(person.work(until) for person in people))
            notes = people[0].notes | people[1].notes
            for person in people:
                await person.reads(notes)
        await browser.close()
    done, faults = sum((person.done for person in people), Counter()), [fault for person in people for fault in person.faults]
    work = ", ".join(f"{name} {count}" for name, count in sorted(done.items()))
    print(f"two servers on one cache, {seconds:g} s: {work}; {len(notes)} notes read by both; {len(faults)} wrong")
    for fault in faults[:10]:
        print(f"  {fault}")
    return int(bool(faults))


def main(seconds: float, seed: int) -> int:
    if chromium() is None:
        print("two servers on one cache: not tried, no Chromium was found (install Debian's chromium, or set $CHROMIUM)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(drive(Path(folder), seconds, seed))


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [120.0, 0.0][len(given) :])))  # type: ignore[arg-type]
