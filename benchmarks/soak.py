"""Twenty people at once on one server: each chooses clips, plays them, drags sliders, and must be told only what is theirs."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from pathlib import Path

import psutil
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from affectscope.core.corpora import bundled
from benchmarks.browser import browser_found
from tests.e2e.serve import APP, FLAGS, serving

SESSIONS = int(os.environ.get("SOAK_SESSIONS", 20))
SECONDS = float(os.environ.get("SOAK_SECONDS", 300))
PATIENCE = 120_000
LIMIT_MB = 50


def main() -> None:
    path = browser_found()
    with tempfile.TemporaryDirectory() as folder, serving(APP, Path(folder) / "cache") as url:
        asyncio.run(soak(path, url))


async def soak(path: str, url: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        clips = [str(clip) for clip in bundled().table.index[:SESSIONS]]
        expected = await alone(browser, url, clips)
        before = server_mb(url)
        errors: list[str] = []
        until = time.monotonic() + SECONDS
        rounds = await asyncio.gather(*(session(browser, url, expected, number, until, errors) for number in range(SESSIONS)))
        after = server_mb(url)
        await browser.close()
    grown = (after - before) / SESSIONS
    print(f"{SESSIONS} sessions, {SECONDS:.0f} s: {sum(rounds)} rounds of choosing, playing and dragging; {len(errors)} errors")
    for error in errors[:10]:
        print(f"  {error}")
    verdict = "met" if grown < LIMIT_MB and not errors else "MISSED"
    print(
        f"server's memory {before:.0f} MB before, {after:.0f} MB after: {grown:.1f} MB a session  target {LIMIT_MB} MB: {verdict}"
    )


async def alone(browser: Browser, url: str, clips: list[str]) -> dict[str, tuple[str, str]]:
    """What one person is told of each clip, whole and with half of the sound, while nobody else is there."""
    page = await browser.new_page(viewport={"width": 1440, "height": 1000})
    told = {clip: (await look(page, url, clip), await mask(page, url, clip)) for clip in clips}
    await page.close()
    return told


async def session(
    browser: Browser, url: str, expected: dict[str, tuple[str, str]], number: int, until: float, errors: list[str]
) -> int:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()

    def note(message: ConsoleMessage) -> None:
        # Streamlit looks for itself under a page's address first, and is not there.
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
            errors.append(f"session {number}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(f"session {number}: {error}"))
    choice, rounds = random.Random(number), 0
    try:
        while time.monotonic() < until:
            clip = choice.choice(list(expected))
            whole, halved = expected[clip]
            if (shown := await look(page, url, clip)) != whole:
                errors.append(f"session {number}: {clip} should be {whole!r}, was {shown!r}")
            await page.keyboard.press("Space")
            await page.wait_for_timeout(1000)
            if (shown := await mask(page, url, clip)) != halved:
                errors.append(f"session {number}: {clip}, masked, should be {halved!r}, was {shown!r}")
            rounds += 1
    except Exception as error:  # What ends one session must not end the others: it is told at the end.
        errors.append(f"session {number}: {type(error).__name__}: {str(error).splitlines()[0]}")
    await context.close()
    return rounds


async def look(page: Page, url: str, clip: str) -> str:
    """The clip's answers as the Clip page shows them."""
    await page.goto(f"{url}/?clip={clip}&corpus=demo", timeout=PATIENCE)
    player = page.locator(".player")
    await expect(player).to_have_attribute("data-clip", clip, timeout=PATIENCE)
    await expect(player).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    return " ".join((await page.get_by_role("list", name="What the model says").inner_text()).split())


async def mask(page: Page, url: str, clip: str) -> str:
    """The clip's answer with half of its sound, after the sound's slider was dragged there."""
    await page.goto(f"{url}/masking?clip={clip}&corpus=demo", timeout=PATIENCE)
    board = page.locator(".board")
    await expect(board).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    await expect(page.locator(".heading h2")).to_have_text(clip, timeout=PATIENCE)
    slider = page.get_by_role("slider", name="Audio frames kept")
    for share in (90, 70, 50):
        await slider.fill(str(share))
    await expect(board).to_have_attribute("data-keep", "audio:50,visual:100", timeout=PATIENCE)
    return await board.get_attribute("data-share") or ""


def server_mb(url: str) -> float:
    """Resident memory of the process that listens there, its children left out: maps and imports come and go."""
    port = int(url.rsplit(":", 1)[1])
    for process in psutil.process_iter():
        try:
            if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in process.net_connections("tcp")):
                return process.memory_info().rss / 1e6
        except psutil.Error:
            continue
    raise RuntimeError(f"nothing listens on port {port}")
