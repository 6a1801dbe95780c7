"""A table of predictions, imported while the app runs: what a person then sees of models that are not ours."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from affectscope.core import cli
from tests.app import fake
from tests.e2e.drive import READY, click_lane, data, ready, take

SOON = READY
LONG = 300_000
CLASSES = ("<b>calm</b>", "happy", "sad")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty clips of three classes: the first is called happy and taken for sad, with all confidence; one row has no number."""
    folder = tmp_path_factory.mktemp("imports")
    (folder / "films").mkdir()
    fake.clip(folder / "films" / "c00.mp4", seconds=2.0)
    rng = np.random.default_rng(0)
    truth = np.arange(40) % 3
    truth[0] = 1
    logits = 3 * np.eye(3)[truth] + rng.normal(size=(40, 3))
    logits[0] = 0, 0, 20
    made = pd.DataFrame({"clip": [f"c{i:02d}" for i in range(40)], "label": [CLASSES[i] for i in truth], "speaker": "s1"})
    made.loc[::2, "speaker"] = "s2"
    made["path"] = "films/" + made["clip"] + ".mp4"
    for k, name in enumerate(CLASSES):
        made[f"guest.av.{name}"], made[f"second.{name}"] = logits[:, k], np.roll(logits, 1, 1)[:, k]
    made.loc[7, f"guest.av.{CLASSES[0]}"] = np.nan
    # The third quarter of the clip has all the attention.
    made["guest.attention.audio"] = [[0, 0, 1, 0]] * 40
    made["guest.attention.audio.rate"] = 2
    made.to_parquet(folder / "answers.parquet")
    return folder / "answers.parquet"


def test_imported_models_are_next_to_the_others(
    page: Page, app_url: str, cache: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.goto(app_url, timeout=LONG)
    expect(page.locator(".heading h2")).to_be_visible(timeout=LONG)
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(cache))
    told = CliRunner().invoke(cli.app, ["import-predictions", str(table)])
    assert told.exit_code == 0, told.output
    assert "Row 8, guest: av: 1 of 3 classes are missing or NaN." in told.output
    # The page that is open shows them without a new start.
    page.get_by_test_id("stTopNav").get_by_role("link", name="Failures").click()
    expect(page.locator(".heading h2")).to_have_text("Failures", timeout=LONG)
    take(page, "Model", "guest")
    expect(page.locator(".heading")).to_contain_text("39 clips of answers", timeout=SOON)
    worst = page.locator(".cards li").first
    expect(worst).to_contain_text("c00", timeout=SOON)
    expect(worst).to_contain_text("true label happy")
    expect(page.locator(".matrix text", has_text="<b>calm</b>").first).to_be_visible()
    worst.get_by_role("button", name=re.compile("^Play")).click()
    expect(page.locator(".heading h2")).to_have_text("c00", timeout=SOON)
    player = ready(page)
    expect(player.locator(".notices")).to_contain_text("There are no heatmaps")
    assert data(player)["lanes"] == "wave attention.audio.imported"
    click_lane(player, 0.6)
    expect(player.locator(".row-weights .readout")).to_contain_text("4.00 × average", timeout=SOON)
    click_lane(player, 0.1)
    expect(player.locator(".row-weights .readout")).to_contain_text("0.00 × average", timeout=SOON)
    page.get_by_test_id("stTopNav").get_by_role("link", name="Masking").click()
    expect(page.locator("[data-testid=stAlert]")).to_contain_text("This model was imported as predictions", timeout=SOON)
    page.get_by_test_id("stTopNav").get_by_role("link", name="Embeddings").click()
    expect(page.locator(".scatter, [data-map]").first).to_be_visible(timeout=SOON)
    expect(page.get_by_text("guest: posteriors", exact=True)).to_be_visible(timeout=SOON)


def test_a_dropped_table_shows_its_card_and_goes(page: Page, app_url: str, tmp_path: Path) -> None:
    odd = "<img src=x onerror=document.title='run'>"
    (tmp_path / "my run.csv").write_text(f"clip,label,{odd}-x,m-1.a,m-1.b\nc1,a,1,0.9,0.1\nc2,b,2,0.5,0.7\n", encoding="utf-8")
    page.goto(f"{app_url}/library?model={quote('auxformer')}", timeout=LONG)
    page.locator(".zone input[type=file]").set_input_files(tmp_path / "my run.csv")
    expect(page.get_by_role("status", name="m-1 is in the library")).to_contain_text("1 clips", timeout=LONG)
    card = page.get_by_role("region", name="m-1", exact=True)
    card.get_by_text("1 problem of its table").click()
    expect(card).to_contain_text("Row 2, m-1: its probabilities sum to 1.2, not to 1.")
    expect(page).not_to_have_title("run")
    page.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0, timeout=SOON)
