"""An analysis as a notebook shows it: exported to HTML, opened from disk, played without a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.drive import READY

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
nbconvert = pytest.importorskip("nbconvert")

BOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "look_at_a_clip.ipynb"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    book = nbformat.read(BOOK, 4)
    book.cells = book.cells[:2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(BOOK.parents[2]))
        nbclient.NotebookClient(book, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    out = folder / "look.html"
    out.write_text(nbconvert.HTMLExporter().from_notebook_node(book)[0], encoding="utf-8")
    return out


def test_it_plays_with_its_heatmap(browser: Browser, exported: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 1440, "height": 1200})
    page = context.new_page()
    page.set_default_timeout(READY)
    page.goto(exported.as_uri(), wait_until="domcontentloaded")
    player = page.frame_locator("iframe").locator(".player")
    expect(player).to_have_attribute("data-ready", "true", timeout=READY)
    expect(player).not_to_have_attribute("data-heatmap", "")
    # Frames that were presented, with two digits: it plays.
    player.get_by_role("button", name="Play").click()
    expect(player).to_have_attribute("data-presented", re.compile(r"^\d{2,}$"), timeout=READY)
    context.close()
