"""The Library page: what arrives, what is refused, what is compared, and that one session's bad file is its own trouble."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
import torch
from starlette.requests import Request

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.app.library import drops, inventory, view
from affectscope.app.masking import curves
from affectscope.app.services import prediction_tables
from affectscope.core import corpora, devices
from affectscope.core.cache.store import write_atomically
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.untrusted import Report, examine
from affectscope.core.corpora.known import known
from affectscope.core.library import dropped as library
from affectscope.core.metrics.metrics import METRICS, Metric
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from tests.app.test_failures import made

PAGE = "../pages/library.py"
LOAD = checkpoints.load
SMALL = {"width": 8, "heads": 2, "layers": 1, "aux_hidden": (12, 10)}
CARD = {
    "corpus": "<b>corpus</b>", "strategy": "plain", "epochs_run": 3, "config": {"seed": 7, "epochs": 5}, "commit": "abc",
    "metrics": {"decision": {"accuracy": 0.5, "macro_f1": "high", "clips": 4}}, "synthetic_training": True,
}  # fmt: skip


def write(path: Path, card: dict | None = None, **changes) -> Path:
    config = AuxFormerConfig(**{"audio_dim": 130, "visual_dim": 135, **SMALL, **changes})
    checkpoints.save(path, AuxFormer(config), checkpoints.Normaliser(), card or {})
    return path


@pytest.fixture
def page(app, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page over one small shipped model; files are read in this process."""
    own = write(tmp_path / "own.safetensors", CARD)
    monkeypatch.setattr(checkpoints, "load", LOAD)
    monkeypatch.setattr(checkpoints, "shipped", lambda: {"own": own})
    monkeypatch.setattr(
        library, "load_untrusted", lambda source, out, layout, check, choices: examine(source, out, layout, choices)
    )
    app.run()
    return app.switch_page(PAGE).run()


def sheets(app) -> dict[str, dict]:
    """Title -> sheet of all that the page shows."""
    found = [json.loads(e.proto.json) for e in app.get("bidi_component") if '"sheets"' in e.proto.json]
    return {sheet["title"]: sheet for data in found for sheet in data["sheets"]}


def rows(sheet: dict, section: str) -> dict[str, str]:
    return dict(next(s for s in sheet["sections"] if s["name"] == section)["rows"])


def read(app, path: Path):
    """Name a path, and see the page after the file was read."""
    next(t for t in app.text_input if t.label.startswith("Or a path")).set_value(str(path))
    next(b for b in app.button if b.label == "Read").click().run()
    for arriving in app.session_state["library.arriving"]:
        inventory.begin(arriving).wait(60)
    return app.run()


def test_the_card_of_the_first_model_is_there_as_text(page) -> None:
    assert not page.exception
    sheet = sheets(page)["own"]
    assert "never seen a person" in sheet["caution"]
    assert rows(sheet, "Training") == {
        "Corpus": "<b>corpus</b>", "Strategy": "plain", "Epochs": "3 of 5", "Seed": "7", "Commit": "abc"
    }  # fmt: skip
    assert rows(sheet, "Inputs") == {"audio": "130 a frame, llds", "visual": "135 a frame, face-views"}
    (table,) = [s["table"] for s in sheet["sections"] if s["table"]]
    assert table == [["Decision", "0.500"]]
    table = page.dataframe[0].value
    assert list(table["Model"]) == ["own"]
    assert table["Accuracy held out"][0] == 0.5


def test_all_are_measured_in_turn_and_the_button_goes(page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask_all(model: str, of: object) -> jobs.Job:
        asked.append(model)
        return jobs.ensure(f"ask-test-{model}", lambda progress: write_atomically(
            prediction_tables.path_on_disk(model, of), made().save
        ))  # fmt: skip

    monkeypatch.setattr(prediction_tables, "ask_all", ask_all)
    read(page, write(tmp_path / "*new*.safetensors", {}, layers=2))
    read(page, write(tmp_path / "wide.safetensors", {}, audio_dim=1024))
    next(b for b in page.button if b.label == "Measure all (2)").click().run()
    job = jobs.find(services.queue_id("library", services.opened("demo")))
    assert job is not None
    assert job.wait(30)
    page.run()
    assert not page.exception
    # Shipped models first; one whose features are not read here is not asked.
    assert asked == ["own", "*new*"]
    assert not [b for b in page.button if b.label.startswith("Measure all")]
    jobs.forget(job.id)


def test_who_could_not_be_measured_is_said_and_measuring_can_be_stopped(page, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(model: str, of: object) -> jobs.Job:
        raise corpora.base.UserError("No clip of demo can be read.")

    monkeypatch.setattr(prediction_tables, "ask_all", refuse)
    next(b for b in page.button if b.label == "Measure all (1)").click().run()
    job = jobs.find(services.queue_id("library", services.opened("demo")))
    assert job.wait(30)
    page.run()
    assert sheets(page)["Not all were measured"]["lines"] == [
        "1 of 1 models could not be asked. own: No clip of demo can be read."
    ]
    jobs.cancel(job)
    page.run()
    assert "kept" in sheets(page)["Measuring was stopped"]["lines"][0]
    next(b for b in page.button if b.key == "dismiss-unmeasured").click().run()
    assert "Measuring was stopped" not in sheets(page)


def test_classes_are_counted_and_the_error_names_its_bins(page) -> None:
    assert list(page.dataframe[0].value["Predictions"]) == ["6 classes"]
    section = view.metrics_section("x", {"decision": {"ece": 0.1}})
    assert (section.columns, section.note) == (["", "ECE"], "ECE, 15 equal-width bins of the answer's confidence")


def test_a_metric_that_is_added_to_their_table_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Metric("Wrong", "classification", lambda a: 1 - a.right, "Share of errors", ".1f", better="lower", compared=True)
    monkeypatch.setitem(METRICS, "wrong", wrong)
    section = view.metrics_section("", {"decision": {"wrong": 1 / 3}})
    assert (section.columns, section.table[0][1:]) == (["", "Wrong"], ["0.3"])
    assert (view.formats()["Wrong"], view.formats()["Wrong held out"]) == ("%.1f", "%.1f")
    assert curves.measures(["classification"])["wrong"] == "Share of errors"
    assert "wrong" not in curves.measures(["regression"])


def test_corpora_are_counted(page) -> None:
    sheet = sheets(page)["demo"]
    assert rows(sheet, "Size")["Clips"] == "2"
    (table,) = [s["table"] for s in sheet["sections"] if s["table"]]
    assert table == [["happiness", "1", "1"], ["*fear*", "1", "1"]]


def test_a_checkpoint_joins_is_removed_and_comes_back(page, tmp_path: Path) -> None:
    read(page, write(tmp_path / "*new* <i>.safetensors", {}, layers=2))
    assert not page.exception
    assert "*new* <i> is in the library" in sheets(page)
    assert "*new* <i>" in sheets(page)
    assert list(services.models()) == ["own", "*new* <i>"]
    assert list(page.dataframe[0].value["Model"]) == ["own", "*new* <i>"]
    services.analyzer("*new* <i>")
    assert services.loaded("*new* <i>")
    next(b for b in page.button if b.label == "Remove").click().run()
    assert not page.exception
    assert not services.loaded("*new* <i>")
    assert "MB before" in sheets(page)["*new* <i> was removed"]["lines"][0]
    assert list(services.models()) == ["own"]
    next(b for b in page.button if b.label == "Undo").click().run()
    assert list(services.models()) == ["own", "*new* <i>"]


def test_a_shipped_model_is_not_kept_twice_and_not_removed(page, tmp_path: Path) -> None:
    read(page, tmp_path / "own.safetensors")
    assert list(services.models()) == ["own"]
    assert "Remove" not in [b.label for b in page.button]


def test_features_that_are_not_extracted_here_are_said_in_one_sentence(page, tmp_path: Path) -> None:
    read(page, write(tmp_path / "wide.safetensors", {}, audio_dim=1024))
    line = sheets(page)["wide"]["lines"][0]
    assert "wav2vec2" in line
    assert "affectscope features weights" in line
    assert next(b for b in page.button if b.label == "Ask it").disabled


def test_a_misfit_lists_its_keys(page, tmp_path: Path) -> None:
    tensors, metadata = checkpoints.read_tensors(write(tmp_path / "odd.safetensors"))
    tensors["model.<b>odd"] = torch.zeros(1)
    del tensors["model.main.out.bias"]
    checkpoints.safetensors.torch.save_file(tensors, tmp_path / "odd.safetensors", metadata)
    read(page, tmp_path / "odd.safetensors")
    sheet = sheets(page)["odd.safetensors"]
    assert sheet["tone"] == "wrong"
    assert {s["name"]: s["keys"] for s in sheet["sections"]} == {
        "tensors are missing": ["main.out.bias"], "tensors are not known": ["<b>odd"]
    }  # fmt: skip
    next(b for b in page.button if b.label == "Dismiss").click().run()
    assert "odd.safetensors" not in sheets(page)
    assert (tmp_path / "odd.safetensors").exists()


def test_an_unknown_layout_may_be_chosen(page, tmp_path: Path) -> None:
    torch.save({"foo": torch.zeros(2)}, tmp_path / "odd.pt")
    read(page, tmp_path / "odd.pt")
    chosen = next(s for s in page.selectbox if s.label == "Read it as the public layout")
    chosen.set_value("uavm").run()
    next(b for b in page.button if b.label == "Read" and b.key and b.key.startswith("again-")).click().run()
    for arriving in page.session_state["library.arriving"]:
        inventory.begin(arriving).wait(60)
    page.run()
    assert "does not hold the tensors of uavm" in sheets(page)["odd.pt"]["lines"][0]


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def test_a_second_session_does_not_notice_a_hostile_file(page, app, tmp_path: Path) -> None:
    from streamlit.testing.v1 import AppTest

    trace, bomb = tmp_path / "executed", tmp_path / "bomb.pt"
    bomb.write_bytes(pickle.dumps(Bomb(trace)))
    read(page, bomb)
    assert "never run" in sheets(page)["bomb.pt"]["lines"][0]
    assert not trace.exists()
    other = AppTest.from_file(app._script_path, default_timeout=30).run()
    assert not other.exception
    assert not other.error
    other.switch_page(PAGE).run()
    assert not other.exception
    assert set(sheets(other)) == {"own", "demo"}


@pytest.mark.parametrize("text", ["no/such", "/etc/passwd", "/no/such.pt"])
def test_a_wrong_path_gets_one_sentence(page, text: str) -> None:
    next(t for t in page.text_input if t.label.startswith("Or a path")).set_value(text)
    next(b for b in page.button if b.label == "Read").click().run()
    assert not page.exception
    assert sheets(page)["Not read"]["lines"][0].endswith(".")


@pytest.mark.parametrize("text", ["/no/such", "relative", "/etc", "\0", "x" * 5000])
def test_a_wrong_corpus_gets_one_sentence(page, text: str) -> None:
    next(t for t in page.text_input if t.label.startswith("Another corpus")).set_value(text).run()
    assert not page.exception
    assert next(s for s in sheets(page).values() if s["tone"] == "wrong")["lines"][0].endswith(".")


def test_a_table_with_headings_of_its_own_has_its_columns_chosen(page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTSCOPE_DATA", str(tmp_path / "data"))
    folder = tmp_path / "interviews"
    folder.mkdir()
    (folder / "clips.csv").write_text("clip,mood,who\nc1,anger,ann\nc2,joy,bob\n", encoding="utf-8")
    next(t for t in page.text_input if t.label.startswith("Another corpus")).set_value(str(folder)).run()
    assert "label" in sheets(page)[str(folder)]["lines"][0]
    assert not [b for b in page.button if b.label.startswith("Add ")]
    for field, column in (("Label", "mood"), ("Speaker", "who")):
        next(s for s in page.selectbox if s.label == field).set_value(column).run()
    assert not page.exception
    assert rows(sheets(page)["interviews"], "Size")["Speakers"] == "2"
    next(b for b in page.button if b.label == "Add interviews").click().run()
    assert not page.exception
    assert known()["interviews"].options == {"label": "mood", "speaker": "who"}
    assert sorted(services.opened("interviews").table["label"]) == ["anger", "joy"]


@pytest.mark.parametrize("wanted", ["[", "7", '["gone"]', '{"a": 1}', "[[1]]"])
def test_a_link_to_models_that_are_not_here_shows_the_first(page, wanted: str) -> None:
    page.query_params["o.library.shown"] = wanted
    page.run()
    assert not page.exception
    assert "own" in sheets(page)


def test_no_model_and_no_corpus(page, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse():
        raise corpora.base.UserError("The bundled clips are missing: clone the repository again.")

    monkeypatch.setattr(checkpoints, "shipped", dict)
    monkeypatch.setattr(corpora, "bundled", refuse)
    st.cache_resource.clear()
    page.run()
    assert not page.exception
    assert "clone the repository" in sheets(page)["demo"]["lines"][0]


def test_a_refusal_names_what_is_listed_and_counted() -> None:
    report = Report("x does not fit.", missing=("a", "b"), counts=(5, 0, 0), guess="It has 1 layer.")
    sheet = view.refusal("x", report)
    assert list(sheet.lines) == ["x does not fit.", "It has 1 layer."]
    assert [(s.name, list(s.keys), s.count) for s in sheet.sections] == [("tensors are missing", ["a", "b"], 5)]


def test_a_model_elsewhere_is_asked_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU here: another name for the CPU shows that questions go there and answers come back."""
    from affectscope.core.streams import Batch

    model = AuxFormer(AuxFormerConfig(audio_dim=6, visual_dim=9, **SMALL)).eval()
    batch = Batch.of(audio=torch.randn(2, 4, 6), visual=torch.randn(2, 3, 9))
    expected = model(batch, attention=True)
    went: list[str] = []
    monkeypatch.setattr(Batch, "to", lambda self, device: went.append(str(device)) or self)
    devices.lend(model, "cuda:0")
    output = model(batch, attention=True)
    assert went == ["cuda:0"]
    assert torch.equal(model.decide(output), model.decide(expected))
    assert len(output.attention) == len(expected.attention)


def test_a_device_that_is_not_here_is_one_sentence() -> None:
    with pytest.raises(corpora.base.UserError, match="no device cuda:99"):
        devices.place(SimpleNamespace(), "cuda:99")  # type: ignore[arg-type]


def send(ticket: str, name: str, *chunks: bytes, claim: str | None = None) -> tuple[int, dict]:
    """What the server says to a PUT of these chunks."""
    waiting = list(chunks)

    async def receive():
        return {"type": "http.request", "body": waiting.pop(0) if waiting else b"", "more_body": bool(waiting)}

    scope = {
        "type": "http", "method": "PUT", "path": "/", "path_params": {"ticket": ticket},
        "query_string": f"name={name}".encode(), "headers": [(b"content-length", claim.encode())] if claim else [],
    }  # fmt: skip
    reply = asyncio.run(drops.receive(Request(scope, receive)))
    return reply.status_code, json.loads(bytes(reply.body))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    return tmp_path / "models"


def test_files_arrive_on_disk_and_are_taken_once(cache: Path) -> None:
    ticket = drops.ticket()
    status, told = send(ticket, "../../my%20model.pt", b"ab", b"c")
    assert status == 200
    assert drops.take([drops.ticket()], [told]) == []
    (arrival,) = drops.take([ticket], [told, {"id": "guessed"}, "odd", {"id": 7}])
    assert arrival.name == "my model.pt"
    assert arrival.path.read_bytes() == b"abc"
    assert arrival.path.is_relative_to(cache)
    assert drops.take([ticket], [told]) == []
    assert drops.take([ticket], None) == drops.take([ticket], 7) == drops.take([ticket], "text") == []


@pytest.mark.parametrize("claim", [None, "99999999"])
def test_too_large_is_noticed_while_it_arrives(cache: Path, monkeypatch: pytest.MonkeyPatch, claim: str | None) -> None:
    monkeypatch.setattr(drops, "LIMIT_MB", 1)
    status, told = send(drops.ticket(), "big.pt", *[bytes(1 << 19)] * 5, claim=claim)
    assert status == 413
    assert told["error"].startswith("big.pt is larger than 1 MB")
    assert list(cache.iterdir()) == []


def test_a_full_disk_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drops.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert "no room" in send(drops.ticket(), "x.pt", b"abc")[1]["error"]


def test_who_has_no_ticket_sends_nothing(cache: Path) -> None:
    assert send("guessed", "x.pt", b"abc")[0] == 403
    assert not cache.exists()
    assert send(drops.ticket(), "x.exe", b"abc")[0] == 415
    assert list(cache.iterdir()) == []


def test_a_page_cannot_fill_the_disk_with_files_that_nobody_takes(cache: Path) -> None:
    ticket = drops.ticket(files=2)
    assert [send(ticket, "x.pt", b"a")[0] for _ in range(3)] == [200, 200, 429]


def test_the_parts_of_one_model_go_together(cache: Path) -> None:
    ticket = drops.ticket()
    told = [send(ticket, name, b"x")[1] for name in ("MLP_a_head.pt", "final_shared_head.pt")]
    (parts,) = inventory.sorted_out(drops.take([ticket], told), "cpu", "demo")
    assert sorted(file.name for file in parts.source.iterdir()) == ["MLP_a_head.pt", "final_shared_head.pt"]
    told = [send(ticket, name, b"x")[1] for name in ("MLP_a_head.pt", "other.pt")]
    assert [file.called for file in inventory.sorted_out(drops.take([ticket], told), "cpu", "demo")] == [
        "MLP_a_head.pt",
        "other.pt",
    ]
