"""The Train page's script, without a browser and without a process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import psutil
import pytest

from affectscope.app import services
from affectscope.app.training import curves, outlook, watch
from affectscope.core.cache import sealed
from affectscope.core.training import background, forecast, runs, splits
from affectscope.core.training.runs import Order, Run

PAGE = "../pages/train.py"
ORDER = Order("auxformer", "demo", "demo", "optimised", 4, 1.5e-3, 0)
HISTORY = [
    {"epoch": 0.0, "train_loss": 2.0, "dev_loss": 1.9, "dev_accuracy": 0.25, "dev_accuracy_av": 0.2},
    {"epoch": 1.0, "train_loss": 1.5, "dev_loss": 1.7, "dev_accuracy": 0.5, "dev_accuracy_av": 0.4},
    {"epoch": 2.0, "train_loss": 1.2, "dev_loss": 1.8, "dev_accuracy": 0.45, "dev_accuracy_av": 0.6},
]


@pytest.fixture
def train(app, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(background, "_launch", lambda folder: process(folder))
    # The corpus of these tests has two speakers, which cannot be split_speakers in three.
    split_speakers = splits.split_speakers
    monkeypatch.setattr(
        splits,
        "split_speakers",
        lambda table, seed, way: split_speakers(table, seed, way) if way == "official" else shared(table),
    )
    monkeypatch.setattr(forecast, "measure", told)
    app.run()
    return app.switch_page(PAGE)


def shared(table: pd.DataFrame) -> pd.Series:
    return pd.Series(["train", *["test"] * (len(table) - 1)], table.index)


def told(order: Order, report: object = None) -> None:
    """2 s a clip and an epoch, without measuring anything."""
    path = forecast.measured_path(order)
    sealed.write_cached_json(path, {"clip": 2.0, "reading": 0.5, "basis": "a step"})


def process(folder: Path, alive: bool = True) -> None:
    began = psutil.Process().create_time() if alive else 0.0
    (folder / "process.json").write_text(json.dumps({"pid": os.getpid(), "began": began, "queued": 1.0}))


def made(name: str, alive: bool, **files: object) -> Path:
    folder = runs.root() / name
    folder.mkdir(parents=True)
    (folder / "order.json").write_text(json.dumps(ORDER.__dict__))
    (folder / f"{name}.history.json").write_text(json.dumps({"best_epoch": 1, "epochs": HISTORY}))
    process(folder, alive)
    for file, content in files.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    return folder


def of(app, kind: str, label: str):
    return next(widget for widget in getattr(app, kind) if widget.label == label)


def test_the_form_opens_with_the_systems_own_recipe(train) -> None:
    train.run()
    assert not train.exception
    assert (of(train, "number_input", "Epochs, at most").value, of(train, "number_input", "Learning rate").value) == (20, 1.5e-3)
    assert of(train, "selectbox", "Strategy").value == "optimised"
    of(train, "selectbox", "System").select("double-attention").run()
    assert of(train, "number_input", "Epochs, at most").value == 20
    assert of(train, "selectbox", "Strategy").value == "metric"


def test_the_time_and_a_small_corpus_are_told_before_a_run_begins(train) -> None:
    """5 s to start, 20 epochs of 2 s for the one clip to train on, and half a second for each of two that are read: 46 s."""
    train.run()
    captions = [caption.value for caption in train.caption]
    assert any(
        caption.startswith("Expected: about 46 s for 20 epochs on 1 clip,") and "based on a step" in caption
        for caption in captions
    ), captions
    (warning,) = (warning.value for warning in train.warning)
    assert warning.startswith("This corpus is small for a run. Few clips to learn from: 1, 0 to 1 of each class")
    assert "It is tested on 1 clip of 1 speaker: a single clip changes the accuracy by 100 points" in warning
    of(train, "number_input", "Epochs, at most").set_value(3).run()
    assert any(caption.value.startswith("Expected: about 12 s for 3 epochs") for caption in train.caption)


def test_a_sample_stands_where_runs_will_and_says_so(train, clips: Path) -> None:
    (clips / "first.history.json").write_text(json.dumps({"best_epoch": 1, "epochs": HISTORY}))
    train.run()
    assert any("A sample, not a run of yours." in markdown.value for markdown in train.markdown)
    assert any("The recorded training of demo" in text.value for text in train.text)
    assert len(train.get("plotly_chart")) == 2
    made("mine", alive=False)
    train.run()
    assert not any("A sample" in markdown.value for markdown in train.markdown)
    (clips / "first.history.json").unlink()


def test_a_corpus_that_cannot_be_split_is_refused_before_a_run_begins(train) -> None:
    train.run()
    of(train, "selectbox", "Split").select("official").run()
    of(train, "button", "Start training").click().run()
    assert "no split of its own" in train.error[0].value
    assert runs.all_runs() == {}


def test_a_run_is_started_as_the_form_says_and_is_in_the_url(train) -> None:
    train.run()
    of(train, "number_input", "Epochs, at most").set_value(3).run()
    of(train, "number_input", "Seed").set_value(5).run()
    of(train, "button", "Start training").click().run()
    assert not train.exception
    assert train.query_params["o.train.run"] == "auxformer-demo-seed5"
    order = json.loads((runs.root() / "auxformer-demo-seed5" / "order.json").read_text())
    assert (order["epochs"], order["seed"], order["corpus"], order["strategy"]) == (3, 5, "demo", "optimised")
    assert order["split"] == "speaker"
    assert of(train, "button", "Stop")


def test_a_folder_without_a_corpus_gets_one_sentence(train) -> None:
    train.run()
    train.radio[0].set_value("A folder").run()
    train.text_input[0].set_value("/nowhere").run()
    of(train, "button", "Start training").click().run()
    assert not train.exception
    assert len(train.error) == 1
    assert "There is no corpus in /nowhere" in train.error[0].value
    assert runs.all_runs() == {}


def test_a_run_that_died_says_so_and_can_go_on(train) -> None:
    folder = made("died", alive=False)
    (folder / "log.txt").write_text("one line\nanother\n")
    train.run()
    assert not train.exception
    assert train.error[0].value.startswith("Its process ended without a word")
    assert "another" in train.code[0].value
    of(train, "button", "Go on").click().run()
    assert not train.exception
    assert not train.error
    assert of(train, "button", "Stop")


def test_a_finished_run_is_a_model_and_shows_its_curves(train) -> None:
    folder = made("done", alive=False, end={"code": 0})
    (folder / "done.safetensors").touch()
    train.run()
    assert not train.exception
    assert services.models()["done"] == folder / "done.safetensors"
    assert train.success[0].value.startswith("Done: 3 epochs, then no further improvement.")
    assert "rendered faces" in train.warning[0].value
    assert len(train.get("plotly_chart")) == 2
    words = "3 epochs; training loss from 2.000 to 1.200; the best is epoch 2 with a development loss of 1.700 and accuracy 0.50."
    assert words in [caption.value for caption in train.caption]


@pytest.mark.parametrize("named", ["gone", "../../etc", "b"])
def test_the_url_chooses_among_the_runs_there_are(train, named: str) -> None:
    made("a", alive=False)
    made("b", alive=False)
    train.query_params["o.train.run"] = named
    train.run()
    assert not train.exception
    assert of(train, "selectbox", "Run").value == ("b" if named == "b" else next(iter(runs.all_runs())))


def test_a_waiting_run_names_the_one_it_waits_for(train) -> None:
    made("first", alive=True)
    second = made("second", alive=True)
    facts = json.loads((second / "process.json").read_text())
    (second / "process.json").write_text(json.dumps(facts | {"queued": 2.0}))
    train.query_params["o.train.run"] = "second"
    train.run()
    assert [info.value for info in train.info] == ["It waits until first is done."]


def test_the_curves_are_the_history() -> None:
    losses, scores = curves.losses(HISTORY, 1), curves.scores(HISTORY, 1)
    assert [(trace.name, list(trace.x), list(trace.y)) for trace in losses.data] == [
        ("Training", [1, 2, 3], [2.0, 1.5, 1.2]),
        ("Development", [1, 2, 3], [1.9, 1.7, 1.8]),
    ]
    assert [(trace.name, list(trace.y)) for trace in scores.data] == [
        ("Decision", [0.25, 0.5, 0.45]),
        ("Audio-visual", [0.2, 0.4, 0.6]),
    ]
    assert losses.layout.shapes[0].x0 == 2
    assert curves.scores([{"epoch": 0.0, "train_loss": 1.0, "dev_loss": 1.0}], 0) is None


def test_a_run_says_what_it_does_and_how_long_it_will_take() -> None:
    run = Run("a", Path("a"), ORDER, "running", stage="Reading clips", share=0.4)
    assert watch.doing(run) == "Reading clips, 40\N{NO-BREAK SPACE}%: the first epoch will show how long it takes"
    doing = watch.doing(run, 150.0).replace("\N{NO-BREAK SPACE}", " ")
    assert doing.endswith("40 %: about 2 min in all; the first epoch will make the estimate better")
    run = Run("a", Path("a"), ORDER, "running", history=HISTORY, pace=100.0)
    assert watch.doing(run) == "Epoch 3 of 4, at most 2 min to go"
    assert [outlook.duration(s) for s in (0.2, 89, 90, 6000, 7500)] == ["1 s", "89 s", "2 min", "1 h 40 min", "2 h 5 min"]


def test_corpora_that_join_offer_the_roads_first_and_then_there_are_no_epochs(train, monkeypatch) -> None:
    monkeypatch.setattr(background, "_joins_shipped", lambda system, preset, corpus, also: (system, also) == ("vavl", "demo"))
    monkeypatch.setattr(background, "check", lambda order: order)
    train.run()
    of(train, "selectbox", "System").select("vavl").run()
    assert of(train, "selectbox", "Strategy").value == "vavl"
    assert not of(train, "number_input", "Epochs, at most").disabled
    train.radio[0].set_value("A folder").run()
    of(train, "text_input", "Folder on the machine that runs the app").set_value("/people").run()
    of(train, "radio", "Additional clips").set_value("The bundled clips").run()
    assert of(train, "selectbox", "Strategy").value == "roads beside"
    assert of(train, "number_input", "Epochs, at most").disabled
    of(train, "button", "Start training").click().run()
    assert not train.exception
    (run,) = runs.all_runs().values()
    assert (run.order.strategy, run.order.epochs, run.order.also) == ("roads beside", 0, "demo")
    assert not [told for told in run.order.arguments(Path("x.safetensors")) if "epochs" in told or "learning" in told]
    (run.folder / "end.json").write_text('{"code": 0}')
    (run.folder / f"{run.id}.safetensors").touch()
    finished = runs.read(run.folder)
    assert finished
    assert watch._how(finished) == "linear classifiers were fitted beside the heads of the shipped model"
    of(train, "selectbox", "Strategy").select("standard").run()
    assert not of(train, "number_input", "Epochs, at most").disabled
