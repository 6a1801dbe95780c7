"""Why on the Clip page: what the browser is sent, and what is asked of the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.app.export import files as export
from affectscope.app.serving import lending
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.errors import UserError
from affectscope.core.familiarity.words import Familiar
from affectscope.core.timeline.timeline import Timeline
from affectscope.core.why.why import Why
from tests.app import fake
from tests.app.conftest import FakeAnalyzer

asked: list[dict] = []


@pytest.fixture(autouse=True)
def reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    asked.clear()

    def why(self, media, *, target="", against="", label="", quick=False, progress=None, **rest) -> Why:
        asked.append({"media": media.stem, "target": target, "against": against, "quick": quick, **rest})
        if against == "happiness":
            raise UserError("A class is explained against another one: choose another than happiness.")
        return fake.why(target, against, label)

    monkeypatch.setattr(FakeAnalyzer, "why", why)


def panel(app, part: str = "details") -> dict:
    """What the browser is sent, once all of it is there."""
    app.run()
    for job in list(jobs._JOBS.values()):
        assert job.wait(20)
    app.run()
    assert not app.exception
    (element,) = [e for e in app.get("bidi_component") if '"nouns"' in e.proto.json and json.loads(e.proto.json)["part"] == part]
    return json.loads(element.proto.json)


def test_the_page_says_why(app) -> None:
    data = panel(app)
    assert data["whole"]
    assert data["modality"]["names"] == ["audio", "visual"]
    text = "".join(clause["lead"] + clause["text"] for clause in data["sentence"])
    assert "the sound alone says happiness (90\N{NO-BREAK SPACE}%)" in text
    assert "spectrum" not in data
    # Quick first, then all of it; nobody asks twice.
    assert [request["quick"] for request in asked] == [True, False]
    app.run()
    assert len(asked) == 2


def test_the_class_that_the_player_explains_is_explained(app) -> None:
    app.query_params["explain"] = "fear"
    assert panel(app)["target"] == "fear"
    assert {request["target"] for request in asked} == {"fear"}


def test_a_link_says_against_what(app) -> None:
    app.query_params["o.clip.against"] = "fear"
    assert panel(app)["against"] == "fear"
    assert {request["against"] for request in asked} == {"fear"}


def test_another_class_may_be_chosen(app) -> None:
    panel(app)
    (box,) = [element for element in app.selectbox if element.label == "Why this class, and not"]
    box.select("neutral").run()
    assert panel(app)["against"] == "neutral"
    assert app.query_params["o.clip.against"] == "neutral"


def test_a_refusal_is_one_quiet_sentence(app) -> None:
    app.query_params["o.clip.against"] = "happiness"
    app.run()
    for job in list(jobs._JOBS.values()):
        assert job.wait(20)
    app.run()
    assert not app.exception
    assert any("choose another than happiness" in caption.value for caption in app.caption)


def test_the_player_keeps_room_for_the_lanes_until_they_are_refused(app) -> None:
    app.run()
    assert options(app)["awaited"] == {"audio": "Sound contribution", "visual": "Picture contribution"}
    app.query_params["o.clip.against"] = "happiness"
    app.run()
    for job in list(jobs._JOBS.values()):
        assert job.wait(20)
    app.run()
    assert options(app)["awaited"] == {}


@pytest.mark.parametrize(
    "told",
    [
        {"evidence": {"av": True, "audio": False, "visual": True}},
        {"familiar": Familiar(True, {"visual": 0.4}, {"visual": 0})},
    ],
)
def test_no_room_is_kept_for_what_the_clip_does_not_have(app, monkeypatch: pytest.MonkeyPatch, told: dict) -> None:
    analyze = FakeAnalyzer.analyze
    monkeypatch.setattr(FakeAnalyzer, "analyze", lambda self, *args, **how: replace(analyze(self, *args, **how), **told))
    app.run()
    assert options(app)["awaited"] == {"visual": "Picture contribution"}


def test_what_is_chosen_stands_over_what_grows(app) -> None:
    panel(app)
    order = [
        element.proto.id for element in app.main if getattr(element, "proto", None) is not None and hasattr(element.proto, "id")
    ]
    boxes = [order.index(box.proto.id) for box in app.main.get("selectbox")]
    (details,) = [e for e in app.get("bidi_component") if '"part": "details"' in e.proto.json]
    assert boxes
    assert max(boxes) < order.index(details.proto.id)


def options(app) -> dict:
    """What the player was told."""
    (player,) = [json.loads(e.proto.json) for e in app.get("bidi_component") if '"reasons_url"' in e.proto.json]
    return player["options"]


def test_work_that_somebody_else_cancelled_is_asked_for_again(app) -> None:
    app.run()
    job = [known_job for known_job in jobs._JOBS.values() if known_job.id.startswith("why-")][-1]
    assert job.wait(20)
    from affectscope.core.cache.store import cache_root

    for path in (cache_root() / "whys").glob("*"):
        path.unlink()
    job.cancelled, job.error = True, "The work was cancelled."
    assert panel(app)["whole"]


def test_the_lanes_of_contributions_reach_the_player(app) -> None:
    panel(app)
    (player,) = [json.loads(e.proto.json) for e in app.get("bidi_component") if '"reasons_url"' in e.proto.json]
    url = player["reasons_url"]
    assert "/timelines/why-" in url
    content = lending.content("timelines", url.rpartition("/")[2])
    found = Timeline.from_bytes(content)
    assert {lane.kind for lane in found.lanes} == {"contribution"}
    assert {lane.group for lane in found.lanes} == {"audio", "visual"}


def test_heads_have_their_titles(app) -> None:
    data = panel(app)
    assert data["titles"]["decision"] == "Decision"
    assert set(data["titles"]) == set(data["heads"])


def test_a_failure_is_explained_where_it_is_listed(app) -> None:
    app.run()
    app.session_state["why.asking"] = ("demo", "second", "demo", "")
    app.switch_page("../pages/failures.py")
    data = panel(app, "sentence")
    assert data["name"] == "second"
    assert asked[-1]["media"] == "second"


def test_both_models_are_explained_side_by_side(app, monkeypatch, clips) -> None:
    monkeypatch.setattr(checkpoints, "shipped", lambda: {"demo": clips / "first.mp4", "other": clips / "second.mp4"})
    app.switch_page("../pages/compare.py")
    app.run()
    for job in list(jobs._JOBS.values()):
        assert job.wait(20)
    app.run()
    for job in list(jobs._JOBS.values()):
        assert job.wait(20)
    app.run()
    assert not app.exception
    sent = [json.loads(e.proto.json) for e in app.get("bidi_component") if '"nouns"' in e.proto.json]
    assert [(component["name"], component["part"]) for component in sent] == [
        ("A", "sentence"),
        ("B", "sentence"),
        ("A", "details"),
        ("B", "details"),
    ]
    (player,) = [json.loads(e.proto.json) for e in app.get("bidi_component") if '"reasons_url"' in e.proto.json]
    found = Timeline.from_bytes(lending.content("timelines", player["reasons_url"].rpartition("/")[2]))
    assert {lane.group for lane in found.lanes} == {"A.audio", "A.visual", "B.audio", "B.visual"}


@pytest.mark.parametrize(("against", "expected"), [("neutral", "neutral"), ("fear", ""), ("awe", "")])
def test_what_is_taken_home_is_asked_as_the_page_asks(app, against: str, expected: str) -> None:
    """Of the same face, class and heatmap, against the same class; not against itself, or one that the model does not know."""
    app.run()
    clip = replace(services.clip("demo", "first"), face=2)
    result = services.Result({"decision": {"fear": 0.4, "happiness": 0.6}}, {}, "key", {}, Path())
    case = export.Case(clip, result, {"demo": result}, target="fear", explanation="grad-cam", against=against)
    asked.clear()
    export.reasons(case, "demo", lambda stage, share: None)
    (request,) = asked
    assert {name: request[name] for name in ("target", "against", "face", "explanation")} == {
        "target": "fear", "against": expected, "face": 2, "explanation": "grad-cam",
    }  # fmt: skip
