"""Imported models on the pages' scripts, without a browser: next to the others, and not asked what they cannot answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affectscope.app import services
from affectscope.app.library import drops, inventory, view
from affectscope.core.imports import sandboxed, stored
from affectscope.core.imports.intake import Options, take_in
from affectscope.core.imports.model import NO_HEATMAPS, UNASKED
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note
from tests.app import fake
from tests.app.test_failures import shown
from tests.app.test_library import send, sheets

ODD = "<b>*other*<b>"
COLUMNS = (
    "clip", "label", "speaker", "path", "mine.av.happiness", "mine.av.*fear*", "mine.audio.happiness", "mine.audio.*fear*",
    f"{ODD}.happiness", f"{ODD}.*fear*", "mine.attention.audio",
)  # fmt: skip
TABLE = """
a/1,happiness,s1,{clips}/first.mp4,2,1,0,1,1,0,"[1, 3]"
b,*fear*,s1,{clips}/second.mp4,3,1,0,1,0,1,"[1, 3]"
c,happiness,s2,,1,5,0,1,0,1,
d,happiness,s2,,x,3,0,1,0,1,
"""


@pytest.fixture
def page(app, clips: Path, tmp_path: Path):
    """The app, running, when a table is imported; called with a page's file and the URL's options."""
    app.run()
    path = tmp_path / "table.csv"
    path.write_text(",".join(COLUMNS) + TABLE.format(clips=clips), encoding="utf-8")
    take_in(path, Options(), services.models())

    def open_page(file: str, model: str = "mine", **options: str):
        app.switch_page(f"../pages/{file}.py")
        app.query_params["model"] = model
        for name, value in options.items():
            app.query_params[name.replace("__", ".")] = value
        return app.run()

    return open_page


def test_it_is_there_next_to_the_others(page) -> None:
    app = page("library")
    table = app.dataframe[0].value.set_index("Model")
    assert list(table.index) == ["demo", "mine", ODD]
    assert table.loc["mine", "Accuracy"] == pytest.approx(1 / 3)
    sheet = sheets(app)["mine"]
    assert sheet["lines"] == [UNASKED]
    (problems,) = [s for s in sheet["sections"] if s["keys"]]
    assert problems["keys"] == ["Row 4, mine: av: 1 of 2 classes are missing or NaN."]
    assert services.unasked("mine") == UNASKED
    assert services.unasked("demo") == ""
    assert services.askable() == ["demo"]


def test_its_failures_are_its_own_clips(page) -> None:
    app = page("failures")
    assert not app.exception
    assert [card["id"] for card in shown(app, "cards")["cards"]] == ["c", "b"]
    first, second = shown(app, "cards")["cards"]
    assert [action["label"] for action in first["actions"]] == ["Note"]
    assert [action["label"] for action in second["actions"]] == ["Play", "Note"]
    assert second["picture"] == "/thumbs/table.b"
    assert shown(app, "counts")["counts"] == [[1, 1], [1, 0]]


@pytest.mark.parametrize("view", ["slices", "reliability", "notes"])
def test_every_view_of_failures_opens(page, view: str) -> None:
    notes.save(Note("table", "c", "mine", "c", "noted"))
    app = page("failures", ODD, o__failures__view=view, o__failures__slice=json.dumps(["speaker", "s1"]))
    assert not app.exception
    assert not app.error


def test_the_player_shows_its_attention(page) -> None:
    app = page("clip", clip="a/1", corpus="table")
    assert not app.exception
    assert shown(app, "clip_url")["clip_url"] == "/clips/table.a%2F1"
    item = services.clip("table", "a/1")
    result = services.result(item, "mine", None)
    assert result is not None
    timeline = services.timeline(result)
    assert [lane.id for lane in timeline.lanes] == ["wave", "attention.audio.imported"]
    assert timeline.notices == (NO_HEATMAPS,)
    assert [verdict.label for verdict in services.verdicts(result, "mine")] == ["happiness", "happiness", "*fear*"]
    # Another model may be asked about the same clip.
    assert services.covers("demo", item)


def test_a_clip_that_it_was_not_asked_about_gives_way_to_its_first(page) -> None:
    app = page("clip", corpus="demo", clip="second")
    assert not app.exception
    assert shown(app, "clip_url")["options"]["title"] == "a/1"


def test_a_clip_without_media_has_its_answers_and_a_sentence(page) -> None:
    app = page("clip", corpus="table", clip="c")
    assert not app.exception
    assert not app.error
    assert "no media of this clip" in app.info[0].value
    found = [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.json]
    (verdicts,) = [data["verdicts"] for data in found if data.get("verdicts")]
    assert [verdict["label"] for verdict in verdicts] == ["*fear*", "*fear*", "*fear*"]
    # Logits of 1 and 5: 1 / (1 + e^-4).
    assert verdicts[1]["probability"] == pytest.approx(0.98201, abs=1e-5)


def test_a_persons_own_clip_is_shown_to_a_model_that_can_look(page, send, tmp_path: Path) -> None:
    app = page("clip")
    film = fake.clip(tmp_path / "own.mp4", seconds=1.0)
    send(app, "own.mp4", film)
    assert not app.exception
    assert app.query_params["model"] == "demo"
    assert app.query_params["corpus"] == "uploads"


@pytest.mark.parametrize("file", ["masking", "shared_space"])
def test_what_takes_weights_says_so(page, file: str) -> None:
    app = page(file)
    assert not app.exception
    assert not app.error
    assert (file == "shared_space") or app.info[0].value == UNASKED


def test_maps_of_posteriors(page) -> None:
    app = page("embeddings", o__embeddings__of="posteriors")
    assert not app.exception
    assert not app.error
    assert shown(app, "outline")["map"] == "mine/posteriors/PCA"


def test_posteriors_that_are_all_the_same_are_one_sentence(page) -> None:
    app = page("embeddings", o__embeddings__of="posteriors, audio")
    assert [error.value for error in app.error] == [
        "All these vectors are the same, so that all clips lie in one place: choose another embedding."
    ]


def test_two_models_of_a_table_are_compared(page) -> None:
    app = page("compare", o__compare__with=ODD)
    assert not app.exception
    assert not app.error
    assert "A.attention.audio.imported" in [
        lane.id for lane in services.timeline(services.Result({}, {}, "", {}, _merged())).lanes
    ]


def _merged() -> Path:
    from affectscope.core.cache.store import cache_root

    (path,) = (cache_root() / "compared").glob("*.aft")
    return path


def test_removed_it_is_gone_and_comes_back(page) -> None:
    app = page("library")
    next(b for b in app.button if b.label == "Remove").click().run()
    assert not app.exception
    assert "mine" not in services.models()
    next(b for b in app.button if b.label == "Undo").click().run()
    assert "mine" in services.models()


def test_a_dropped_table_takes_the_same_road(page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page("library")
    ticket = drops.ticket()
    status, told = send(ticket, "my%20run.csv", b"clip,m.a,m.b\nc1,1,0\nc2,nan,1\n")
    assert status == 200
    (arriving,) = inventory.sorted_out(drops.take([ticket], [told]), "cpu", "demo")

    def at_once(path: Path, called: str, check: object, beside: str) -> sandboxed.Outcome:
        made = take_in(path, Options(beside=beside), (), called)
        return sandboxed.Outcome(tuple(model.name for model in made.models), len(made.problems))

    monkeypatch.setattr(inventory, "take_in_sandboxed", at_once)
    assert inventory.begin(arriving).wait(60)
    name, report = inventory.outcome(arriving) or ("", None)
    assert (name, report.error) == ("m", "")
    assert stored.entries()["m"].corpus == "my run"
    told = "1 clips are on the Failures and Embeddings pages. 1 problems of its table are listed in its card."
    assert inventory.news("m") == told


def test_how_its_table_was_read_stands_on_the_card(page, tmp_path: Path) -> None:
    table = tmp_path / "percent.csv"
    table.write_text("clip,label,m.a,m.b\nc1,a,60,40\nc2,b,45,55\n", encoding="utf-8")
    made = take_in(table, Options(), (), "percent.csv")
    (name,) = (model.name for model in made.models)
    assert made.notes
    sheet = view.model_sheet(name)
    (told,) = [section.sentences for section in sheet.sections if section.name == "How its table was read"]
    assert list(told) == list(made.notes)
    assert any("per cent" in line for line in told)


def test_a_table_is_read_in_a_process_with_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "dropped.csv"
    path.write_text("clip,m.a,m.b\n" + "c,1,0\n" * 300_000, encoding="utf-8")
    monkeypatch.setattr(sandboxed, "_MEMORY", 1 << 20)
    monkeypatch.setattr(sandboxed, "_COPIES", 1)
    assert "more memory or time" in sandboxed.take_in_sandboxed(path, "mine.csv").error
    assert stored.entries() == {}
