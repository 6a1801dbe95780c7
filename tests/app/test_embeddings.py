"""The Embeddings page's script, without a browser."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from affectscope.app import services
from affectscope.app.embeddings import choices, maps
from affectscope.app.embeddings.choices import Pick
from affectscope.core.analysis import atlas
from affectscope.core.analysis.atlas import Drawing
from affectscope.core.inference.table import PredictionTable
from tests.app import fake

LASSO = Pick("lasso", "m", "shared 1", Drawing("UMAP", 3), ((1, -2), (3, 4), (5, 6)))
CLIPS = ("first", "second", "third", "fourth")
VECTORS = np.array([[-3.0, 0], [3, 0], [0, 1], [0, -1]], np.float32)


def prediction_table(embeddings: dict[str, np.ndarray] | None = None) -> PredictionTable:
    table = pd.DataFrame(
        {
            "label": ["happiness", "*fear*", "*fear*", "happiness"],
            "predicted": ["happiness", "happiness", "*fear*", "happiness"],
            "correct": [True, False, True, True],
            "confidence": [0.9, 0.8, 0.7, 0.6],
        },
        index=pd.Index(CLIPS, name="clip"),
    )
    there = {"audio": np.array([True, True, False, True]), "visual": np.ones(4, bool)}
    vectors = {"fused": VECTORS, "audio": VECTORS[::-1].copy()} if embeddings is None else embeddings
    return PredictionTable("made-up", "classification", ("happiness", "*fear*"), ("av",), (), table, {}, vectors, there)


@pytest.fixture
def page(app, monkeypatch: pytest.MonkeyPatch):
    made = prediction_table()
    monkeypatch.setattr(services, "prediction_table", lambda model: made)
    return app.switch_page("../pages/embeddings.py")


def component(app, field: str, turn: int = 0) -> dict:
    found = [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.json]
    return [data for data in found if field in data][turn]


def chosen(app, turn: int = 0) -> list[bool] | None:
    bits = component(app, "points", turn)["chosen"]
    return None if bits is None else np.unpackbits(np.frombuffer(base64.b64decode(bits), np.uint8))[:4].astype(bool).tolist()


def figures(app, title: str) -> dict[str, str]:
    found = [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.json]
    (row,) = [data for data in found if data.get("title") == title and "figures" in data]
    return {figure["name"]: figure["value"] for figure in row["figures"]}


def test_pca_is_there_at_once(page) -> None:
    page.run()
    assert not page.exception
    assert not page.error
    shown = component(page, "points")
    assert (shown["map"], shown["colour"], shown["current"], shown["chosen"]) == ("demo/fused/PCA", "label", 0, None)
    assert figures(page, "All clips") == {"Clips": "4", "Accuracy": "75\N{NO-BREAK SPACE}%", "Macro-F1": "73\N{NO-BREAK SPACE}%"}
    assert page.dataframe[0].value["clip"].tolist() == ["second", "fourth", "third", "first"]


def test_a_link_holds_the_lasso(page) -> None:
    # The map is (-3, 0), (3, 0), (0, 1), (0, -1) up to mirroring: a ring round its middle holds the last two.
    ring = Pick("lasso", "demo", "fused", Drawing(), ((-500, -500), (500, -500), (500, 500), (-500, 500)))
    page.query_params["o.embeddings.pick"] = ring.to_text()
    page.run()
    assert chosen(page) == [False, False, True, True]
    assert component(page, "points")["outline"] == [list(corner) for corner in ring.corners]
    assert figures(page, "The chosen clips")["Accuracy"] == "100\N{NO-BREAK SPACE}%"
    assert page.dataframe[0].value["clip"].tolist() == ["fourth", "third"]


def test_another_map_keeps_the_clips_of_the_lasso(page) -> None:
    ring = Pick("lasso", "demo", "fused", Drawing(), ((-500, -500), (500, -500), (500, 500), (-500, 500)))
    page.query_params["o.embeddings.pick"] = ring.to_text()
    page.query_params["o.embeddings.beside"] = "demo"
    page.query_params["o.embeddings.beside_of"] = "audio"
    page.run()
    assert chosen(page, 0) == chosen(page, 1) == [False, False, True, True]
    assert component(page, "points", 1)["map"] == "demo/audio/PCA"
    assert component(page, "points", 1)["outline"] is None


def test_a_legend_entry_chooses_its_clips(page) -> None:
    page.query_params["o.embeddings.pick"] = Pick("values", column="modality", values=("visual only",)).to_text()
    page.run()
    assert chosen(page) == [False, False, True, False]


def test_choices_reach_the_url_and_come_from_it(page) -> None:
    page.query_params["o.embeddings.colour"] = "confidence"
    page.run()
    assert component(page, "points")["colour"] == "confidence"
    page.selectbox(key="embeddings_of").set_value("audio").run()
    assert page.query_params["o.embeddings.of"] == "audio"
    assert component(page, "points")["map"] == "demo/audio/PCA"
    page.selectbox(key="embeddings_shape").set_value("correct").run()
    assert component(page, "points")["shape"] == "correct"


@pytest.mark.parametrize(
    ("name", "value"),
    [("pick", "[1"), ("pick", '["lasso","x"]'), ("pick", '["values","gone",["x"]]'), ("colour", "gone"), ("map", "magic"),
     ("of", "<b>"), ("seed", "NaN"), ("beside", "../x")],
)  # fmt: skip
def test_nonsense_in_a_link_is_left_out(page, name: str, value: str) -> None:
    page.query_params[f"o.embeddings.{name}"] = value
    page.run()
    assert not page.exception
    assert chosen(page) is None


def test_neighbours_of_the_selected_clip(page) -> None:
    page.query_params["clip"] = "third"
    page.run()
    strip = component(page, "clips")
    assert [clip["id"] for clip in strip["clips"]] == ["third", "fourth", "first", "second"]
    assert strip["clips"][1]["lines"] == ["happiness", "distance 2.00"]


def test_a_model_without_vectors_is_one_sentence(app, monkeypatch: pytest.MonkeyPatch) -> None:
    made = prediction_table({})
    monkeypatch.setattr(services, "prediction_table", lambda model: made)
    app.switch_page("../pages/embeddings.py").run()
    assert not app.exception
    assert "no vectors" in app.info[0].value


def test_vectors_that_are_no_numbers_are_one_sentence(app, monkeypatch: pytest.MonkeyPatch) -> None:
    made = prediction_table({"fused": np.full((4, 2), np.nan, np.float32)})
    monkeypatch.setattr(services, "prediction_table", lambda model: made)
    app.switch_page("../pages/embeddings.py").run()
    assert not app.exception
    assert "not numbers" in app.error[0].value


def test_a_better_map_takes_over_from_pca(page, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(vectors, drawing, path: Path, progress, workers=1) -> None:
        atlas.keep(VECTORS[:, ::-1], path)

    monkeypatch.setattr(maps, "_ASIDE", SimpleNamespace(draw=draw))
    page.query_params["o.embeddings.map"] = "t-SNE"
    page.run()
    assert not page.exception
    assert component(page, "points")["map"] == "demo/fused/t-SNE"


def test_own_clip_is_placed_and_not_refitted(page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from affectscope.app.own import store

    file = fake.clip(tmp_path / "mine.mp4", seconds=1.0)
    with file.open("rb") as opened:
        clip = store.save("my *own*.mp4", opened)
    own = prediction_table({"fused": np.array([[3.0, 0.2]], np.float32)})
    monkeypatch.setattr(maps, "own_table", lambda model, clip: own)
    page.query_params["corpus"] = "uploads"
    page.query_params["clip"] = clip
    monkeypatch.setattr(maps, "_ASIDE", SimpleNamespace(place=lambda v, d, p, others, progress: others + np.array([0, 0.5])))
    page.run()
    assert not page.exception
    (shown,) = component(page, "points")["own"]
    assert (shown["title"], shown["current"]) == ("my *own*.mp4", True)
    assert (shown["x"], shown["y"]) == (pytest.approx(1.0), pytest.approx(0.7 / 3))
    assert [neighbour["id"] for neighbour in component(page, "clips")["clips"]][:2] == [clip, "second"]


@pytest.mark.parametrize(
    "pick",
    [Pick(), Pick("values", column="label", values=("*fear*", "é")), LASSO],
)
def test_a_pick_is_written_and_read(pick: Pick) -> None:
    assert Pick.from_text(pick.to_text()) == pick
    assert choices.Pick.from_text("nonsense") == Pick()
