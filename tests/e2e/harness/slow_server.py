"""The real app over made-up clips and two models that take their time: what is chosen meanwhile must be what is shown.

A clip's class is told by its file's size, and the model by how sure it is: whose answer stands on the page can be seen. The
corpus is what lies in the cache's folder ``slow``: clips c00, c01, ... and a file for each model.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import streamlit as st

from affectscope.app.server import ROUTES
from affectscope.app.services import known
from affectscope.core import corpora
from affectscope.core.analyzer import Analysis
from affectscope.core.cache.store import cache_root
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import Corpus
from tests.app import fake
from tests.app.conftest import FakeAnalyzer
from tests.e2e.harness.slow import class_of

DELAY = 0.7
SURE = {"one": 0.9, "two": 0.7}
FOLDER = cache_root() / "slow"


class Slow(FakeAnalyzer):
    """Predictions after a while, what the file's size says."""

    def __init__(self, checkpoint: object, store: object = None) -> None:
        super().__init__(checkpoint, store)
        self.checkpoint.digest = self.name = str(checkpoint)

    def key(self, media: Path, *rest: object, **more: object) -> str:
        return f"{self.name}-{super().key(media, *rest, **more)}"  # type: ignore[arg-type]

    def analyze(self, media: Path, *, explain: str | None = None, progress=None, **how: object) -> Analysis:
        for step in range(10):
            progress("Asking the model", step / 10)
            time.sleep(DELAY / 10)
        answer, sure = class_of(media), SURE[self.name]
        row = {name: sure if name == answer else (1 - sure) / 5 for name in fake.CLASSES}
        heads = ("av", "audio", "visual")
        explained = dict.fromkeys(("av", "visual"), explain or answer)
        key = self.key(media, explain)
        return Analysis(
            dict.fromkeys((*heads, "decision"), row), dict.fromkeys(heads, True), explained, fake.timeline(1.0), (), key
        )


def _corpus() -> Corpus:
    names = sorted(path.stem for path in FOLDER.glob("c*.mp4"))
    table = pd.DataFrame({"path": [f"{name}.mp4" for name in names], "speaker": "s"}, index=names)
    return Corpus("demo", FOLDER, table, fake.CLASSES, True)


corpora.bundled = _corpus
checkpoints.shipped = lambda: {name: FOLDER / f"{name}.mp4" for name in SURE}
checkpoints.load = lambda path: Path(path).stem  # type: ignore[assignment,return-value]
known.Analyzer = Slow  # type: ignore[assignment,misc]

app = st.App(Path(__file__).parents[3] / "app" / "main.py", routes=ROUTES)
