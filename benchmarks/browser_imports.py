"""How soon a table of another's predictions is in the dashboard, in a real Chromium over the real app, on this machine.

1,440 rows, as many as RAVDESS has audio-visual clips of speech; two models, eight classes, 300 attention values a clip.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.browser import browser_found, report, timed
from tests.e2e.drive import READY
from tests.e2e.serve import APP, FLAGS, serving

ROWS, VALUES, TURNS, TARGET = 1440, 300, 5, 5.0
CLASSES = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")


def main() -> None:
    path = browser_found()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        with serving(APP, Path(folder) / "cache") as url:
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            for kind in ("csv", "parquet"):
                seconds = [dropped(page, url, table(Path(folder), kind, turn), f"first-{turn}-{kind}") for turn in range(TURNS)]
                report(f"{ROWS:,} rows of two models as {kind}, dropped to in the library", seconds, TARGET)
        browser.close()


def table(folder: Path, kind: str, turn: int) -> Path:
    """Models of another name in each turn."""
    random = np.random.default_rng(turn)
    made = pd.DataFrame({"clip": [f"c{i:04d}" for i in range(ROWS)], "label": [CLASSES[i % 8] for i in range(ROWS)]})
    for model in ("first", "second"):
        logits = random.normal(size=(ROWS, 8)).round(4)
        made = made.assign(**{f"{model}-{turn}-{kind}.{name}": logits[:, k] for k, name in enumerate(CLASSES)})
    weights = random.random((ROWS, VALUES)).round(4).tolist()
    made[f"first-{turn}-{kind}.attention.audio"] = weights if kind == "parquet" else [str(row) for row in weights]
    file = folder / f"predictions-{turn}.{kind}"
    if kind == "parquet":
        made.to_parquet(file)
    else:
        made.to_csv(file, index=False)
    return file


def dropped(page: Page, url: str, file: Path, model: str) -> float:
    """Seconds from the drop until the library says that the models are there: both come in with one step, it names the first."""
    page.goto(f"{url}/library?model=auxformer", timeout=READY)
    zone = page.locator(".zone input[type=file]")
    expect(zone).to_be_attached(timeout=READY)
    page.wait_for_timeout(1500)

    def act() -> None:
        zone.set_input_files(file)
        expect(page.get_by_role("status", name=f"{model} is in the library")).to_be_visible(timeout=READY)

    return timed(act)
