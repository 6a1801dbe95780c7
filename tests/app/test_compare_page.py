"""The Compare page's script, without a browser."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from affectscope.app import services
from affectscope.app.compare import second
from affectscope.app.services import known
from affectscope.core.cache import sealed
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.timeline.timeline import Timeline
from tests.app import fake
from tests.app.conftest import FakeAnalyzer
from tests.app.test_failures import answers, made

PAGE = "../pages/compare.py"


class TwoMinds(FakeAnalyzer):
    """The model in first.mp4 says happiness; the one in second.mp4 says fear, but for its visual head."""

    def __init__(self, checkpoint: object, store: object = None) -> None:
        super().__init__(checkpoint, store)
        self.name = str(checkpoint)
        if self.name == "values":
            self.checkpoint.spec = SimpleNamespace(
                labels=("arousal",),
                heads=("av",),
                modalities={"av": ("audio", "visual")},
                task="regression",
                inputs={"audio": 1, "visual": 1},
            )

    def key(self, media, *rest, **more) -> str:
        return f"{self.name}-{super().key(media, *rest, **more)}"

    def analyze(self, media, **how):
        found = super().analyze(media, **how)
        if self.name == "values":
            found = SimpleNamespace(**{**found.__dict__, "predictions": {"av": {"arousal": 0.25}, "decision": {"arousal": 0.25}}})
        if self.name == "second":
            says = {name: 0.8 if name == "fear" else 0.04 for name in fake.CLASSES}
            found = SimpleNamespace(**{**found.__dict__, "predictions": {**found.predictions, "decision": says, "av": says}})
        return found


TABLES = {
    "first": made(),
    "second": made(
        answers=made().answers | {"decision": answers(3, 0)}, table=made().table.assign(predicted=["happiness", "anger"])
    ),
    "third": made(),
    "values": made(task="regression", outputs=("arousal",)),
}
ONE_HEAD = {"heads": ("av",), "decision": ("av",)}
DECLARED = (
    SimpleNamespace(task="classification", labels=fake.CLASSES, **ONE_HEAD),
    SimpleNamespace(task="regression", labels=("arousal",), **ONE_HEAD),
)
# How far two are apart, as prediction tables on disk would say; and who was asked in the background.
APART: dict[frozenset[str], float] = {}
ASKED: list[tuple] = []


@pytest.fixture
def two(app, clips, monkeypatch: pytest.MonkeyPatch):
    names = {"first": "first.mp4", "values": "values.mp4", "second": "second.mp4", "third": "third.mp4"}
    for name in ("values", "third"):
        (clips / f"{name}.mp4").write_bytes((clips / "first.mp4").read_bytes())
    monkeypatch.setattr(checkpoints, "shipped", lambda: {name: clips / file for name, file in names.items()})
    monkeypatch.setattr(checkpoints, "load", lambda path: path.stem)
    monkeypatch.setattr(known, "Analyzer", TwoMinds)
    monkeypatch.setattr(services, "prediction_table", lambda model, of=None: TABLES[model])
    monkeypatch.setattr(services, "ask_each", lambda *asked: ASKED.append(asked[:2]))
    monkeypatch.setattr(second, "_apart", lambda a, b: APART.get(frozenset((a, b))))
    monkeypatch.setattr(services, "declared", lambda model: DECLARED[model == "values"])
    APART.clear()
    ASKED.clear()
    app.run()
    return app.switch_page(PAGE)


def shown(app, field: str) -> list[dict]:
    found = [json.loads(element.proto.json) for element in app.get("bidi_component")]
    return [data for data in found if field in data]


def test_both_answers_are_shown_and_where_they_differ(two) -> None:
    two.run()
    assert not two.exception
    assert not two.error
    a, b = (side for side in shown(two, "verdicts") if side["verdicts"])
    assert (a["name"], b["name"]) == ("A · first", "B · second")
    assert (
        a["sentence"] == "A and B disagree: happiness (90\N{NO-BREAK SPACE}%) against fear (80\N{NO-BREAK SPACE}%); A is right."
    )
    assert [card["label"] for card in b["verdicts"]] == ["fear", "fear", "happiness", "happiness"]
    assert [card["differs"] for card in b["verdicts"]] == [True, True, False, False]


def test_one_player_gets_both_models_lanes_and_maps(two, tmp_path) -> None:
    two.run()
    (player,) = shown(two, "timeline_url")
    assert player["clip_url"] == "/clips/demo.first"
    (file,) = (tmp_path / "compared").glob("*.aft")
    assert player["timeline_url"] == f"/timelines/{file.stem}"
    both = Timeline.from_bytes(sealed.read(file))
    assert [pair.id for pair in both.pairs] == ["AB.av", "AB.visual"]
    assert {"A.prediction.av", "B.prediction.av", "wave"} <= {lane.id for lane in both.lanes}
    assert player["options"]["explained"] == {
        "AB.av": "", "A.av": "happiness", "A.visual": "happiness", "B.av": "happiness", "B.visual": "happiness",
    }  # fmt: skip


def test_the_url_names_both_and_swapping_turns_them_round(two) -> None:
    two.query_params["model"] = "second"
    two.query_params["o.compare.with"] = "first"
    two.run()
    assert [box.value for box in two.selectbox if box.label in ("Model A", "Model B")] == ["second", "first"]
    next(button for button in two.button if button.label == "Swap").click().run()
    assert (two.query_params["model"], two.query_params["o.compare.with"]) == ("first", "second")


@pytest.mark.parametrize("named", ["gone", "first", "../../etc/passwd"])
def test_what_cannot_be_compared_with_gives_way_to_the_next(two, named: str) -> None:
    two.query_params["model"] = "first"
    two.query_params["o.compare.with"] = named
    two.run()
    assert not two.exception
    assert [box.value for box in two.selectbox if box.label == "Model B"] == ["second"]


def test_classes_and_attributes_stand_side_by_side(two) -> None:
    two.query_params["o.compare.with"] = "values"
    two.run()
    assert not two.exception
    a, b = (side for side in shown(two, "verdicts") if side["verdicts"])
    assert a["sentence"].startswith("A and B give different kinds of answers")
    assert [(card["label"], card["differs"]) for card in b["verdicts"]] == [("arousal +0.25", False)] * 2


def models(app) -> list[str]:
    return [box.value for box in app.selectbox if box.label in ("Model A", "Model B")]


def test_it_opens_with_a_model_of_the_same_classes_and_asks_the_others(two) -> None:
    two.run()
    assert models(two) == ["first", "second"]
    assert two.query_params["o.compare.with"] == "second"
    assert ASKED == [("second-first", ["second", "third"])]


def test_it_opens_with_the_one_that_differs_most_and_stays_with_it(two) -> None:
    APART[frozenset(("first", "third"))] = 0.4
    two.run()
    assert models(two) == ["first", "third"]
    APART[frozenset(("first", "second"))] = 0.6
    two.run()
    assert models(two) == ["first", "third"]
    (row,) = shown(two, "offer")
    assert row["offer"] == [
        "Compare with second", "second differs more from first: 60\N{NO-BREAK SPACE}% of the clips, B 40\N{NO-BREAK SPACE}%"
    ]  # fmt: skip
    # Another first model has another second one.
    APART[frozenset(("third", "second"))] = 0.1
    two.query_params["model"] = "third"
    two.run()
    assert models(two) == ["third", "first"]


def test_what_was_chosen_by_hand_is_left_alone(two) -> None:
    APART[frozenset(("first", "second"))], APART[frozenset(("first", "third"))] = 0.1, 0.9
    two.query_params["o.compare.with"] = "second"
    two.run()
    assert models(two) == ["first", "second"]
    assert [row["offer"] for row in shown(two, "offer")] == [["", ""]]
    assert ASKED == []


def test_the_clips_on_which_they_differ_stand_in_a_row(two) -> None:
    two.query_params["o.compare.with"] = "second"
    two.run()
    assert not two.error
    (row,) = shown(two, "offer")
    assert row["title"] == "A and B differ on 1 of 2 clips"
    (clip,) = row["clips"]
    assert (clip["id"], clip["a"], clip["b"]) == ("second", "disgust", "anger")
    assert (clip["a_right"], clip["b_right"]) == (False, False)
    assert row["current"] == "first"


def test_what_cannot_be_counted_is_said_in_the_row(two) -> None:
    two.query_params["o.compare.with"] = "values"
    two.run()
    assert shown(two, "offer")[0]["title"] == "A and B give different kinds of answers, so agreement cannot be counted."


def test_a_single_checkpoint_gets_one_sentence(app) -> None:
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert [info.value for info in app.info] == [
        "Comparing takes two checkpoints, and only one is here: train a second one on the page Train."
    ]


def test_both_are_explained_by_the_method_that_is_chosen_where_both_have_it(two, tmp_path) -> None:
    two.run()
    (box,) = [box for box in two.main.selectbox if box.label == "Heatmap by"]
    assert box.options == ["LayerCAM, two layers", "Grad-CAM", "HiResCAM"]
    (usual,) = (tmp_path / "compared").glob("*.aft")
    box.select("grad-cam").run()
    assert not two.exception
    (player,) = shown(two, "timeline_url")
    asked = {path.stem for path in (tmp_path / "analyses").glob("*by-grad-cam*")}
    assert {name.split("-")[0] for name in asked} == {"first", "second"}
    assert player["timeline_url"] != f"/timelines/{usual.stem}"
