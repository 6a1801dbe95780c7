"""The Failures and Shared space pages' scripts over a made-up prediction table, without a browser."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from affectscope.app import services
from affectscope.app.failures import lists
from affectscope.app.services import prediction_tables
from affectscope.core.cache.store import cache_root, content_hash
from affectscope.core.inference.corpus import PredictionTable, inference_key_of
from affectscope.core.library import cards
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note
from tests.app import fake

HEADS = ("av", "audio", "visual")


def answers(*rows: int) -> np.ndarray:
    """Ninety per cent for the class of that number."""
    shares = np.full((len(rows), len(fake.CLASSES)), 0.02)
    shares[np.arange(len(rows)), rows] = 0.9
    return shares


def made(**changes) -> PredictionTable:
    """The first clip is answered rightly, the second (true "*fear*") with disgust by all but the audio head."""
    shares_of = {"decision": answers(3, 1), "av": answers(3, 1), "audio": answers(3, 2), "visual": answers(3, 1)}
    table = pd.DataFrame(
        {"label": ["happiness", "*fear*"], "speaker": ["s1", "s2"], "intensity": ["high", "low"], "duration": [1.0, 1.0],
         "attention_entropy": [0.5, 0.9], "disagreement": [0.0, 0.5], "margin": 0.88},
        index=pd.Index(["first", "second"], name="clip"),
    )  # fmt: skip
    for head, shares in shares_of.items():
        own = "" if head == "decision" else f"_{head}"
        table[f"predicted{own}"] = np.array(fake.CLASSES)[shares.argmax(1)]
        table[f"confidence{own}"] = shares.max(1)
        table[f"correct{own}"] = table[f"predicted{own}"] == table["label"]
    vectors = {name: np.array([[1.0, 0.0], [0.0, 1.0]]) for name in ("layer 1 audio", "layer 1 visual")}
    present = {"audio": np.ones(2, bool), "visual": np.ones(2, bool)}
    facts = {
        "system": "made", "task": "classification", "outputs": fake.CLASSES, "heads": HEADS,
        "shared": (("layer 1 audio", "layer 1 visual"),), "table": table, "answers": shares_of, "embeddings": vectors,
        "present": present,
    }  # fmt: skip
    return PredictionTable(**facts | changes)


@pytest.fixture
def page(app, monkeypatch: pytest.MonkeyPatch):
    """The app with its clips asked about; called with a page's file and the URL's options."""

    def open_page(file: str, prediction_table: PredictionTable | None = None, **options: str):
        app.run()
        prediction_table = prediction_table or made()
        prediction_table.save(prediction_tables.prediction_table_path("demo", services.opened("demo")))
        disk = inference_key_of(content_hash(services.models()["demo"]), services.opened("demo"))
        prediction_table.save(cache_root() / "surveys" / f"{disk}.npz")
        app.switch_page(f"../pages/{file}.py")
        for name, value in options.items():
            app.query_params[name.replace("__", ".")] = value
        return app.run()

    return open_page


def shown(app, name: str) -> dict:
    """What a component was given."""
    (element,) = [e for e in app.get("bidi_component") if f'"{name}"' in e.proto.json]
    return json.loads(element.proto.json)


def test_the_confidently_wrong_come_first(page) -> None:
    app = page("failures")
    assert not app.exception
    (card,) = shown(app, "cards")["cards"]
    assert card["id"] == "second"
    assert [(a["title"], a["label"], a["right"], a["note"]) for a in card["lead"]] == [
        ("decision", "disgust", False, "90\N{NO-BREAK SPACE}%"), ("true label", "*fear*", None, ""),
    ]  # fmt: skip
    assert [(a["title"], a["label"], a["right"]) for a in card["answers"]] == [
        ("audio-visual", "disgust", False), ("audio", "fear", False), ("visual", "disgust", False),
    ]  # fmt: skip
    # The model does not know the class "*fear*", and cannot say why it was none.
    assert [a["label"] for a in card["actions"]] == ["Why disgust?", "In a sentence", "Mask", "Note"]
    assert card["facts"] == []


def test_a_case_shows_the_number_that_it_is_ordered_by(page) -> None:
    app = page("failures", o__failures__order="torn")
    (card,) = shown(app, "cards")["cards"]
    assert card["facts"] == ["heads disagree: 50\N{NO-BREAK SPACE}% of the maximum"]


def test_a_corpus_whose_labels_the_model_does_not_know_is_one_sentence(page) -> None:
    prediction_table = made()
    prediction_table = made(table=prediction_table.table.assign(label="*fear*", correct=False))
    app = page("failures", prediction_table, o__failures__view="reliability")
    assert not app.exception
    assert "label that the model knows" in app.info[0].value


def test_reliability_and_the_library_say_the_same_error(page) -> None:
    """One answer of 90 % right, one wrong: |0.5 - 0.9| = 0.4 on the page and on the card."""
    known = made(table=made().table.assign(label=["happiness", "fear"], correct=[True, False]))
    app = page("failures", known, o__failures__view="reliability")
    (line,) = [t.value for t in app.text if t.value.startswith("Expected calibration error")]
    assert line.startswith("Expected calibration error 0.400 (ECE, 15 equal-width bins")
    assert cards.measured(known)["decision"]["ece"] == pytest.approx(0.4, abs=1e-6)


def test_abstention_says_what_is_gained_by_keeping_silent(page) -> None:
    """Two answers, one right and one wrong, both of 90 %: a confidence that says nothing gains nothing."""
    known = made(table=made().table.assign(label=["happiness", "fear"], correct=[True, False]))
    app = page("failures", known, o__failures__view="abstention")
    (line,) = [t.value for t in app.text if t.value.startswith("Of all 2 answers")]
    assert "50\N{NO-BREAK SPACE}% are right: no more and no less" in line
    assert "(AURC) 0.500" in line


def test_a_cell_shows_its_clips(page) -> None:
    app = page("failures", o__failures__cell=json.dumps(["happiness", "happiness"]))
    assert [card["id"] for card in shown(app, "cards")["cards"]] == ["first"]
    assert shown(app, "cards")["title"] == "True happiness, answer happiness: 1 clip"
    matrix = shown(app, "counts")
    assert matrix["labels"] == [*fake.CLASSES, "*fear*"]
    assert matrix["counts"][6][1] == 1
    assert matrix["chosen"] == [3, 3]


def test_a_slice_keeps_its_clips(page) -> None:
    app = page("failures", o__failures__slice=json.dumps(["speaker", "s1"]), o__failures__show="all")
    assert [card["id"] for card in shown(app, "cards")["cards"]] == ["first"]


@pytest.mark.parametrize("view", ["slices", "reliability", "abstention", "notes", "nonsense"])
def test_every_view_opens_by_link(page, view: str) -> None:
    app = page("failures", o__failures__view=view, o__failures__head="audio", o__failures__cell="{", o__failures__count="-3")
    assert not app.exception
    assert not app.error


def test_a_corpus_without_labels_is_one_sentence(page) -> None:
    prediction_table = made()
    prediction_table = made(table=prediction_table.table.drop(columns="label"))
    app = page("failures", prediction_table)
    assert not app.exception
    assert "no labels" in app.info[0].value


@pytest.mark.parametrize("known", [True, False])
def test_attributes_are_sorted_by_error(page, known: bool) -> None:
    table = made().table[["speaker", "duration", "attention_entropy"]].copy()
    if known:
        table["arousal"] = [0.1, -0.9]
    answered = dict.fromkeys(("decision", *HEADS), np.array([[0.0, 0.0], [0.5, 0.0]]))
    prediction_table = made(task="regression", outputs=("arousal", "valence"), table=table, answers=answered)
    app = page("failures", prediction_table)
    assert not app.exception
    if known:
        assert [card["id"] for card in shown(app, "cards")["cards"]] == ["second", "first"]
        assert [a["note"] for a in shown(app, "cards")["cards"][0]["lead"]] == ["", "error 1.40"]
    else:
        assert "no true values" in app.info[0].value


@pytest.mark.parametrize("attribute", ["arousal", "valence"])
def test_the_attribute_that_is_looked_at_is_explained(monkeypatch: pytest.MonkeyPatch, attribute: str) -> None:
    asked, chosen = [], {}
    monkeypatch.setattr(lists.why, "dialog", lambda *question: asked.append(question))
    monkeypatch.setattr(lists.session, "update", lambda **selection: chosen.update(selection))
    monkeypatch.setattr(lists.session, "go", lambda page: None)
    monkeypatch.setattr(lists.services, "corpus_of", lambda model: SimpleNamespace(name="demo"))
    monkeypatch.setattr(lists.services, "labels", lambda model: ("arousal", "valence"))
    monkeypatch.setattr(lists.services, "unasked", lambda model: False)
    table = pd.DataFrame({"truth": [0.1], "error": [0.3]}, index=["second"])
    looked = lists.Looked("demo", made(), "decision", attribute=attribute)
    for action in ("reasons", "said"):
        lists._act("second", action, looked, table)
    assert asked == [("demo", "second", "demo", attribute)]
    assert chosen["explain"] == attribute


def test_notes_are_listed_and_stay_text(page) -> None:
    page("failures")
    note = Note("demo", "second", "demo", "<b>second</b>", "# **not** a heading", ("<i>tag</i>",), {"clip": "second"})
    notes.save(note)
    app = page("failures", o__failures__view="notes")
    assert not app.exception
    (card,) = shown(app, "cards")["cards"]
    assert (card["title"], card["text"], card["tags"]) == ("<b>second</b>", "# **not** a heading", ["<i>tag</i>"])
    assert [a["label"] for a in card["actions"]] == ["Open", "Edit", "Remove"]


def test_removal_can_be_undone(page) -> None:
    saved = notes.save(Note("demo", "second", "demo", text="kept"))
    app = page("failures", o__failures__view="notes")
    notes.remove(saved.id)
    app.session_state["removed_note"] = saved.id
    app.run()
    (undo,) = [b for b in app.button if b.label == "Undo"]
    undo.click().run()
    assert notes.find(saved.id) == saved
    assert [card["text"] for card in shown(app, "cards")["cards"]] == ["kept"]


def test_shared_space_shows_both_ends(page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "declared", lambda model: SimpleNamespace(shared=made().shared))
    app = page("shared_space", o__shared__by="label")
    assert not app.exception
    assert not app.error
    assert {card["id"] for card in shown(app, "cards")["cards"]} == {"first", "second"}
    (line,) = [t.value for t in app.text if t.value.startswith("demo:")]
    # Own pairs point the same way, those of two clips at a right angle: the difference is 1 for both, without any spread.
    assert line.replace("\N{NO-BREAK SPACE}", " ") == (
        "demo: after layer 1, sound and picture of a clip are closer than chance (mean cosine distance 0.000 within a clip, "
        "1.000 between clips: 1.000 closer, 95 % interval 1.000 closer to 1.000 closer, n = 2 clips)."
    )


def test_no_shared_layers_is_one_sentence(page) -> None:
    app = page("shared_space")
    assert not app.exception
    assert "No model here has layers" in app.info[0].value


@pytest.mark.parametrize(
    ("options", "says"),
    [({"o__failures__head": "audio"}, "audio head: accuracy 0\N{NO-BREAK SPACE}%"), ({}, "accuracy 50\N{NO-BREAK SPACE}%")],
)
def test_the_heading_counts_the_answers_that_are_looked_at(page, options: dict[str, str], says: str) -> None:
    own = made()
    own.answers["audio"] = answers(0, 2)
    assert any(fact.startswith(says) for fact in shown(page("failures", own, **options), "caution")["facts"])
