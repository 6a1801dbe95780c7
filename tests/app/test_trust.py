"""Trust on the Clip page: what the browser is sent, when it is asked for, and what is kept."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from affectscope.app.common import jobs
from affectscope.app.trust import asking
from affectscope.core.errors import UserError
from affectscope.core.trust.trust import Request, Trust
from tests.app import fake
from tests.app.conftest import FakeAnalyzer

QUESTION = "How far can this map be trusted?"
asked: list[Request] = []


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked.clear()

    def trust(self, media, request, progress) -> Trust:
        asked.append(request)
        if request.target == "anger":
            raise UserError("The clip cannot be measured: choose another.")
        return fake.trust(request.target or "happiness", request.head)

    monkeypatch.setattr(FakeAnalyzer, "trust", trust)


def chip(app) -> dict:
    """What the browser is sent, once somebody has asked and all of it is there."""
    for turn in range(4):
        app.run()
        if turn == 1 and not asked:
            (button,) = [widget for widget in app.button if widget.label == QUESTION]
            button.click()
        for job in list(jobs._JOBS.values()):
            assert job.wait(20)
    app.run()
    assert not app.exception
    (element,) = [e for e in app.get("bidi_component") if '"rows"' in e.proto.json or '"failed"' in e.proto.json]
    return json.loads(element.proto.json)


def test_the_page_says_how_far_and_why(app) -> None:
    rows = chip(app)["rows"]
    assert [row["trust"] for row in rows] == ["high", "low"]
    assert rows[0]["explanation"] == "Heatmap, Change for the class"
    assert "19 of 19 other places of the same size, and than 19 of 19 maps" in rows[0]["reasons"]
    assert rows[1]["explanation"] == "sound, attention"
    # The map that the player shows first, and nobody asks twice.
    assert [(request.head, request.target, request.methods) for request in asked] == [("av", "", None)]
    app.run()
    assert len(asked) == 1


def test_nothing_is_measured_before_somebody_asks(app) -> None:
    for _ in range(3):
        app.run()
        for job in list(jobs._JOBS.values()):
            assert job.wait(20)
    assert [button.label for button in app.button if button.label == QUESTION] == [QUESTION]
    assert not asked


def test_another_map_class_or_method_is_measured_anew(app) -> None:
    app.query_params["map"] = "visual"
    app.query_params["explain"] = "fear"
    app.query_params["o.clip.explanation"] = "grad-cam"
    chip(app)
    assert {(request.head, request.target, request.methods) for request in asked} == {("visual", "fear", ("grad-cam",))}


def test_a_refusal_is_one_quiet_sentence(app) -> None:
    app.query_params["explain"] = "anger"
    data = chip(app)
    assert data["failed"]
    assert data["stage"] == "The clip cannot be measured: choose another."


def test_it_stands_back_while_somebody_waits_for_a_clip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    busy = iter([True, True, False])
    heard: list[float] = []
    monkeypatch.setattr(asking.jobs, "busy", lambda: next(busy))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    jobs.standing_back(lambda stage, share: heard.append(share))("Trust", 0.5)
    assert heard == [0.5, 0.5, 0.5]


def test_the_numbers_are_kept_for_files(app) -> None:
    chip(app)
    (file,) = (path for path in asking.cache_root().glob("trust/*.csv"))
    assert b"better than random marks" in file.read_bytes()
