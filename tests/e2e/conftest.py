"""A real browser over real servers; every page fails its test when the console shows an error."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.e2e.drive import READY
from tests.e2e.serve import APP, FLAGS, HARNESS, chromium, serving

# Seconds after which a server is taken as it is.
WARM = 180
# What a test waits for is a state: a busy machine needs longer for it than the five seconds that Playwright gives.
expect.set_options(timeout=READY)
# The player alone is looked at frame by frame, before the app's servers share its cores; runs that train come last.
_ORDER = {"test_player.py": -1, "test_train_page.py": 1}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _ORDER.get(item.path.name, 0))
    if chromium() is None:
        skip = pytest.mark.skip(reason="no Chromium found: install Debian's chromium, or set $CHROMIUM")
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield instance
        instance.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def app_url(cache: Path) -> Iterator[str]:
    """The real app over a cache of its own, with a second model that has learnt nothing, as if a run had left it.

    Its warm-up is over: what it asks for in the background would hold up the first tests.
    """
    import torch

    from affectscope.core.checkpoints import saved as checkpoints
    from affectscope.core.models.vavl import VAVL
    from affectscope.core.training import background, runs

    torch.manual_seed(0)
    card = {"system": "vavl", "synthetic_training": True}
    checkpoints.save(cache / "runs" / "other" / "other.safetensors", VAVL.preset("demo"), checkpoints.Normaliser(), card)
    try:
        with serving(os.environ.get("AFFECTSCOPE_E2E_SERVER", APP), cache) as url:
            until = time.monotonic() + WARM
            while time.monotonic() < until and not list((cache / "surveys").glob("*.npz")):
                time.sleep(0.5)
            yield url
    finally:
        # Runs outlive their server: that is what they are for, but not after a test.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AFFECTSCOPE_CACHE", str(cache))
            for run in runs.all_runs().values():
                background.stop(run)


@pytest.fixture(scope="session")
def harness_url(cache: Path) -> Iterator[str]:
    """The player alone over a made-up clip."""
    with serving(HARNESS, cache) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1440, "height": 1000})
    opened.set_default_timeout(READY)
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Opened by a link to a page, Streamlit asks under the page's own path first where its server is.
        url = message.location.get("url", "")
        # A file that the server refuses is told of on the page; the browser notes the answer all the same.
        refused = "status of 4" in message.text and any(f"/{folder}/" in url for folder in ("drops", "own"))
        if message.type == "error" and "/_stcore/" not in url and not refused:
            errors.append(f"{message.text} ({message.location.get('url', '')})")

    opened.on("console", note)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert not errors, errors
