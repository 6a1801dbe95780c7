"""The Masking page's script and its parts, without a browser."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
import streamlit as st
import torch

from affectscope.app.common import jobs
from affectscope.app.masking import figure
from affectscope.app.services import known
from affectscope.core.analyzer import Analyzer
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.features.extract import DEFAULT_SETS
from affectscope.core.models.base import MODELS
from affectscope.core.training import robustness
from tests.app import fake

PAGE = "../pages/masking.py"


def element(app, part: str) -> dict:
    (found,) = [e for e in app.get("bidi_component") if part in e.proto.json]
    return json.loads(found.proto.json)


def board(app) -> dict:
    return element(app, "grid_url")


def settle(app):
    """Run the page until what it started is done."""
    app.run()
    while not app.exception and not app.error and app.get("progress"):
        for job in list(jobs._JOBS.values()):
            assert job.wait(60)
        app.run()
    return app


class RealGrid(Analyzer):
    """Analyses are made up; grids and answers are asked of a fresh model."""

    analyze = None

    def key(self, media, explain=None, truth=False, perturbation=None, track=None, clip="", explanation=None, face=None, *rest):
        self.asked.append(perturbation)
        return (
            f"{media.stem}-{explain or 'predicted'}"
            + ("" if self.checkpoint.digest == "auxformer" else self.checkpoint.digest)
            + (json.dumps(perturbation.facts()) if perturbation else "")
        )


def made(system: str, **changes) -> Checkpoint:
    torch.manual_seed(0)
    model = MODELS[system].preset("demo", **changes).eval().requires_grad_(False)
    dims = model.spec.inputs
    return Checkpoint(
        model,
        Normaliser({m: torch.zeros(d) for m, d in dims.items()}, {m: torch.ones(d) for m, d in dims.items()}),
        {},
        None,
        system,
    )


def use(monkeypatch: pytest.MonkeyPatch, checkpoint: Checkpoint) -> None:
    """Another model under the same name."""
    monkeypatch.setattr(checkpoints, "load", lambda *_, **__: checkpoint)
    st.cache_resource.clear()


@pytest.fixture
def page(app, monkeypatch: pytest.MonkeyPatch):
    from tests.app.conftest import FakeAnalyzer

    RealGrid.asked = []
    monkeypatch.setattr(RealGrid, "analyze", FakeAnalyzer.analyze)
    monkeypatch.setattr(checkpoints, "load", lambda *_, **__: made("auxformer"))
    monkeypatch.setattr(known, "Analyzer", RealGrid)
    app.run()
    app.switch_page(PAGE)
    return app


def grid_of(data: dict) -> dict:
    from affectscope.app.serving import lending

    content = lending.content("grids", data["grid_url"].removeprefix("/grids/"))
    assert content
    return json.loads(content)


def test_the_board_gets_every_share_at_once_and_the_exact_answer(page) -> None:
    settle(page)
    assert not page.exception
    assert not page.error
    data = board(page)
    grid = grid_of(data)
    assert grid["modalities"] == ["audio", "visual"]
    assert len(grid["answers"]["decision"]) == len(grid["shares"]) ** 2 * len(fake.CLASSES)
    assert data["exact"]["decision"] == pytest.approx(grid["answers"]["decision"][-6:], abs=1e-4)
    assert [pattern["id"] for pattern in data["options"]["patterns"]] == ["random", "burst", "tail", "attended", "drawn"]
    assert {pattern["title"] for pattern in data["options"]["patterns"]} >= {"random frames", "most attended first"}
    assert all(imputation["title"] and imputation["meaning"] for imputation in data["options"]["imputations"])
    assert element(page, "timeline_url")["timeline_url"] == "/timelines/first-predicted"


def test_what_is_to_be_known_of_an_answer_stands_under_the_board_and_moves_no_picture(page, monkeypatch) -> None:
    from tests.app.conftest import FakeAnalyzer

    def remarked(*args, **how):
        analysis = FakeAnalyzer.analyze(*args, **how)
        return replace(analysis, timeline=replace(analysis.timeline, notices=("The sound is *unlike* any.",)))

    monkeypatch.setattr(RealGrid, "analyze", remarked)
    page.query_params["o.masking.keep"] = "audio:40,visual:0"
    settle(page)
    assert [info.value for info in page.info] == ["The sound is \\*unlike\\* any."]
    assert element(page, "timeline_url")["options"]["notices"] is False


def test_a_link_takes_the_same_frames_away(page) -> None:
    wanted = {
        "keep": "audio:40,visual:70",
        "pattern": "burst",
        "seed": "7",
        "burst": "0.8",
        "imputation": "forward-fill",
        "class": "fear",
    }
    for name, value in wanted.items():
        page.query_params[f"o.masking.{name}"] = value
    settle(page)
    assert not page.error
    state = board(page)["state"]
    assert state["keep"] == {"audio": 40, "visual": 70}
    assert (state["pattern"], state["seed"], state["burst"], state["imputation"], state["class"]) == (
        "burst",
        7,
        0.8,
        "forward-fill",
        "fear",
    )
    (change,) = {json.dumps(asked.facts()) for asked in RealGrid.asked if asked}
    assert json.loads(change) == {
        "pattern": "burst", "imputation": "forward-fill", "keep": {"audio": 40, "visual": 70}, "seed": 7, "burst": 0.8,
    }  # fmt: skip


def test_what_a_hand_did_reaches_the_url_once(page) -> None:
    settle(page)
    report = {
        "keep": {"audio": 100, "visual": 100}, "pattern": "drawn", "imputation": "absent", "seed": 0, "burst": 0.4,
        "spans": {"audio": [[0.5, 1.2], [2.0, 2.4]], "visual": []}, "head": "audio", "class": "", "stamp": "me", "serial": 1,
        "subject": board(page)["options"]["subject"],
    }  # fmt: skip
    page.session_state["masking_board"] = {"state": report}
    settle(page)
    assert page.query_params["o.masking.spans"] == "audio:500-1200.2000-2400"
    assert page.query_params["o.masking.pattern"] == "drawn"
    assert "o.masking.keep" not in page.query_params
    assert board(page)["state"]["stamp"] == "me"
    page.query_params["o.masking.spans"] = "audio:100-200"
    settle(page)
    assert page.query_params["o.masking.spans"] == "audio:100-200"
    assert board(page)["state"]["stamp"] == ""


def test_what_a_board_says_late_of_another_clip_is_not_done_to_this_one(page) -> None:
    settle(page)
    late = {"keep": {"audio": 0}, "pattern": "tail", "stamp": "me", "serial": 7, "subject": "demo demo second"}
    assert board(page)["options"]["subject"] == "demo demo first"
    page.session_state["masking_board"] = {"state": late}
    settle(page)
    assert not [name for name in page.query_params if name.startswith("o.masking.")]
    assert board(page)["state"]["keep"] == {}
    assert board(page)["state"]["pattern"] == "random"


@pytest.mark.parametrize(
    "options",
    [{"keep": "audio:999,smell:4,visual:x"}, {"pattern": "<b>"}, {"seed": "-1"}, {"burst": "nan"}, {"spans": "audio:9-3.x"}],
)
def test_nonsense_in_a_link_is_left_out(page, options: dict[str, str]) -> None:
    for name, value in options.items():
        page.query_params[f"o.masking.{name}"] = value
    settle(page)
    assert not page.exception
    assert not page.error
    state = board(page)["state"]
    assert state["keep"] in ({}, {"audio": 100})
    assert state["spans"] in ({}, {"audio": []})


@pytest.mark.parametrize(
    ("system", "changes"),
    [
        ("unimodal-conformer", {}),
        ("affect-transformer", {}),
        ("auxformer", {"task": "regression", "labels": ("arousal", "valence")}),
        ("double-attention", {}),
    ],
)
def test_models_of_other_kinds_have_a_board_or_a_sentence(page, monkeypatch, system: str, changes: dict) -> None:
    use(monkeypatch, made(system, **changes))
    settle(page)
    assert not page.exception
    assert len(page.error) + bool(board(page)["grid_url"]) == 1


def test_a_mean_that_nobody_knows_is_one_sentence(page, monkeypatch) -> None:
    use(monkeypatch, Checkpoint(made("auxformer").model, Normaliser(), {}, None, "without-mean"))
    page.query_params["o.masking.imputation"] = "mean"
    settle(page)
    assert not page.exception
    assert "training mean" in page.error[0].value
    assert board(page)["state"]["imputation"] == "mean"


def test_curves_wait_for_a_press_and_come_back_from_disk(page, monkeypatch) -> None:
    from affectscope.app.masking import grids
    from tests.core.evaluation.test_robustness import table

    monkeypatch.setattr(grids, "measure", lambda *_: table().rename(columns={"accuracy": "micro_f1"}))
    settle(page)
    assert not [b for b in page.button if b.label.startswith("Measure")]
    page.query_params["o.masking.view"] = "corpus"
    settle(page)
    assert not [e for e in page.get("bidi_component") if "grid_url" in e.proto.json]
    assert not page.get("plotly_chart")
    (press,) = [b for b in page.button if b.label.startswith("Measure")]
    press.click()
    settle(page)
    assert not page.exception
    assert len(page.get("plotly_chart")) == 2
    settle(page)
    assert not [b for b in page.button if b.label.startswith("Measure")]


def test_names_in_a_figure_are_text_and_a_unimodal_model_is_a_line() -> None:
    rows = pd.DataFrame({"present": [0, 100], "mean": [0.4, 0.8], "low": [0.3, 0.8], "high": [0.5, 0.8]})
    shown = {"<b>a</b>": rows, "ears": rows[:0]}
    made_of = figure.curves(
        shown, {"<b>a</b>": {"whole": 0.8}, "ears": {"baseline": 0.5}}, "visual", "UAR", {"<b>a</b>": 0, "ears": 1}
    )
    names = [trace.name for trace in made_of.data if trace.name]
    assert "&lt;b&gt;a&lt;/b&gt;" in names
    assert "ears: never takes it" in names
    assert "falls from 0.80 to 0.40" in figure.words(shown, "visual", "UAR")
    assert robustness.RATES[-1] == 1
    assert DEFAULT_SETS["audio"] == "llds"
