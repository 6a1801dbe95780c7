"""The app over made-up clips and analyses: no model, no corpus, a cache of its own."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import streamlit as st

from affectscope.app.own import parts, store
from affectscope.core import corpora
from affectscope.core.analyzer import Analysis
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import Corpus
from affectscope.core.trust.trust import Trust
from affectscope.core.why import Why
from tests.app import fake

MAIN = str(Path(__file__).parents[2] / "app" / "main.py")


class FakeAnalyzer:
    """Predictions at once, and remembers what it was asked."""

    def __init__(self, checkpoint: object, store: object = None) -> None:
        modalities = {"av": ("audio", "visual"), "audio": ("audio",), "visual": ("visual",)}
        inputs = {"audio": 1, "visual": 1}
        spec = SimpleNamespace(
            labels=fake.CLASSES,
            heads=tuple(modalities),
            decision=tuple(modalities),
            modalities=modalities,
            task="classification",
            inputs=inputs,
        )
        self.checkpoint = SimpleNamespace(card={"synthetic_training": True}, spec=spec, digest="made-up")

    def key(
        self,
        media: Path,
        explain: str | None = None,
        truth: bool = False,
        perturbation: object = None,
        track: int | None = None,
        clip: str = "",
        explanation: str | None = None,
        face: int | None = None,
        sound: str | None = None,
    ) -> str:
        heard = (f"-track-{track}" if track else "") + (f"-by-{explanation}" if explanation else "")
        heard += (f"-face-{face}" if face else "") + (f"-sound-{sound}" if sound else "")
        return f"{media.stem}-{explain or 'predicted'}" + ("-masked" if perturbation else "") + heard

    def analyze(
        self,
        media,
        *,
        truth=None,
        explain=None,
        perturbation=None,
        track=None,
        clip="",
        explanation=None,
        face=None,
        sound=None,
        progress=None,
    ) -> Analysis:
        progress("Asking the model", 0.5)
        row = {name: 0.9 if name == "happiness" else 0.02 for name in fake.CLASSES}
        predictions = dict.fromkeys(("av", "audio", "visual", "decision"), row)
        evidence = {"av": True, "audio": True, "visual": True}
        explained = dict.fromkeys(("av", "visual"), explain or "happiness")
        key = self.key(media, explain, track=track, explanation=explanation, face=face)
        offered = ("layer-cam-product", "grad-cam", "hires-cam")
        return Analysis(predictions, evidence, explained, fake.timeline(1.0), (), key, explanations=offered)

    def why(self, media, *, target="", against="", label="", **how) -> Why:
        return fake.why(target, against, label)

    def trust(self, media, asked, progress) -> Trust:
        progress("Trust: deletion and insertion", 0.5)
        return fake.trust(asked.target or "happiness", asked.head)


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit puts a page's script in place of the main module, which processes that later tests spawn would run again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def fresh_jobs() -> None:
    """Failed jobs are remembered by id, and another test's clip and model may have the same."""
    from affectscope.app.common import jobs

    for job in list(jobs._JOBS.values()):
        if job.done:
            jobs.forget(job.id)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in ("first", "second"):
        fake.clip(folder / f"{name}.mp4", seconds=1.0)
    return folder


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clips: Path):
    """The app's main script, with everything behind it made up."""
    from streamlit.testing.v1 import AppTest

    from affectscope.app.services import known

    table = pd.DataFrame(
        {
            "path": ["first.mp4", "second.mp4"],
            "label": ["happiness", "*fear*"],
            "speaker": ["s1", "s2"],
            "intensity": ["high", "low"],
        },
        index=["first", "second"],
    )
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    monkeypatch.setenv("AFFECTSCOPE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(corpora, "bundled", lambda: Corpus("demo", clips, table, fake.CLASSES, True))
    monkeypatch.setattr(checkpoints, "shipped", lambda: {"demo": clips / "first.mp4"})
    monkeypatch.setattr(checkpoints, "load", lambda path: None)
    monkeypatch.setattr(known, "Analyzer", FakeAnalyzer)
    # What another test's made-up prediction table came to is kept under the same key.
    st.cache_data.clear()
    st.cache_resource.clear()
    yield AppTest.from_file(MAIN, default_timeout=30)
    st.cache_resource.clear()


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch):
    """Called with a running app, a name and a file: the file arrives as if the browser had sent it, and the app runs again."""

    def arrive(app, name: str, file: Path):
        waiting = [store.save(name, io.BytesIO(file.read_bytes()))]

        def zone(key: str, on_arrived_change, **_) -> None:
            if waiting:
                st.session_state[key] = {"arrived": {"id": waiting.pop()}}
                on_arrived_change()
                st.rerun()

        monkeypatch.setattr(parts, "_ZONE", zone)
        return app.run()

    return arrive
