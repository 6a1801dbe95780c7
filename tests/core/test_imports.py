"""Tables of predictions: what is read, what is reported by its row's number, and what the dashboard is given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.imports import clips as clips_of_tables
from affectscope.core.imports import read, stored
from affectscope.core.imports.intake import Options, take_in
from affectscope.core.imports.model import NO_HEATMAPS, Imported
from tests.app import fake
from tests.media_files import clip as film
from tests.tables import prediction_table, write

run = CliRunner()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


BAD = """clip,label,mine.av.anger,mine.av.joy,mine.attention.audio,mine.attention.audio.rate,other.anger,other.joy
c1,anger,0.9,0.1,"[1, 2, 1]",25,2,0
,anger,0.9,0.1,"[1, 2, 1]",25,2,0
c3,joy,nan,0.1,"[1, 2, 1]",25,0,2
c4,joy,0.5,0.7,"[1, 2, 1]",25,0,2
c1,joy,0.5,0.5,"[1, 2, 1]",25,0,2
c6,joy,0.25,0.75,"[1, -2, 1]",25,inf,2
c7,joy,0.5
c8,,0.5,0.5,,,0,0
"""


def test_bad_rows_are_reported_by_number_and_the_rest_is_kept(tmp_path: Path) -> None:
    made = take_in(write(tmp_path / "bad.csv", BAD), Options(), ())
    assert made.problems == (
        "Row 2: no clip is named.",
        "Row 3, mine: av: 1 of 2 classes are missing or NaN.",
        "Row 4, mine: av: its probabilities sum to 1.2, not to 1.",
        "Row 5: clip c1 comes again, after row 1.",
        "Row 6, mine: attention audio: a weight below 0 or infinite.",
        "Row 6, other: a logit that is infinite.",
        "Row 7: 3 cells under 8 columns.",
    )
    assert (made.rows, made.clips) == (8, 5)
    assert list(prediction_table("mine").table.index) == ["c1", "c6", "c8"]
    assert list(prediction_table("other").table.index) == ["c1", "c3", "c4", "c8"]


def test_what_the_table_says_by_hand(tmp_path: Path) -> None:
    take_in(write(tmp_path / "bad.csv", BAD), Options(), ())
    mine, other = prediction_table("mine"), prediction_table("other")
    np.testing.assert_allclose(mine.answers["decision"], [[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]], atol=1e-6)
    # A logit of 2 against 0: e^2 / (e^2 + 1).
    np.testing.assert_allclose(other.answers["decision"][0], [0.880797, 0.119203], atol=1e-6)
    row = mine.table.loc["c1"]
    assert (row["predicted"], bool(row["correct"]), row["confidence"], row["margin"]) == ("anger", True, 0.9, 0.8)
    # Weights 1/4, 1/2, 1/4: their entropy is 1.5 ln 2, that of three even frames ln 3.
    assert row["attention_entropy"] == pytest.approx(1.5 * np.log(2) / np.log(3), abs=1e-6)
    assert mine.table["label"].isna().tolist() == [False, False, True]
    assert (mine.heads, other.heads, mine.outputs) == (("av",), (), ("anger", "joy"))
    entry = stored.entries()["mine"]
    assert (entry.labelled, entry.accuracy, entry.scale) == (2, 1.0, {"av": "probabilities"})
    assert stored.entries()["other"].scale == {"decision": "logits"}


def test_heads_in_another_order_of_classes_are_put_in_order(tmp_path: Path) -> None:
    text = "clip,m.av.a,m.av.b,m.audio.b,m.audio.a,m.odd.x,m.odd.y\nc1,1,0,0.75,0.25,1,0\nc2,0.5,0.5,1,0,1,0\n"
    made = take_in(write(tmp_path / "t.csv", text), Options(), ())
    np.testing.assert_allclose(prediction_table("m").answers["audio"], [[0.25, 0.75], [0, 1]])
    assert made.notes[0] == "Head odd of m names other classes than its first and was left out."
    np.testing.assert_allclose(prediction_table("m").answers["decision"], [[1, 0], [0.5, 0.5]])
    take_in(tmp_path / "t.csv", Options(decision="audio", replace=True), ())
    np.testing.assert_allclose(prediction_table("m").answers["decision"], [[0.25, 0.75], [0, 1]])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_lists_in_cells_and_a_wrong_class_count(tmp_path: Path, ending: str) -> None:
    cells = [[0.2, 0.3, 0.5], [0.2, 0.8], [0.0, 1.0, 0.0], None]
    table = pd.DataFrame({"clip": [1, 2, 3, 4], "m.av": cells, "m.embedding.fused": [[1.0, 2], [3, 4], [5, 6], [7, 8]]})
    path = tmp_path / f"t.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    with pytest.raises(UserError, match="--classes"):
        take_in(path, Options(), ())
    made = take_in(path, Options(classes=("a", "b", "c")), ())
    assert made.problems == (
        "Row 2, m: av: 2 values for 3 classes.", "Row 4, m: av: 3 of 3 classes are missing or NaN.",
    )  # fmt: skip
    found = prediction_table("m")
    assert list(found.table.index) == ["1", "3"]
    np.testing.assert_allclose(found.answers["av"], [[0.2, 0.3, 0.5], [0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(found.embeddings["fused"], [[1, 2], [5, 6]])
    assert set(found.embeddings) == {"posteriors", "fused"}


def test_a_row_an_answer(tmp_path: Path) -> None:
    text = """clip,model,head,class,logit,label,speaker
c1,m,av,a,0,b,s1
c1,m,av,b,0,b,s1
c2,m,av,a,1,a,s2
c2,m,av,b,x,a,s2
c1,n,av,b,3,b,s1
c1,n,av,b,3,b,s1
c1,n,av,a,-inf,b,s1
,n,av,a,1,b,s1
"""
    made = take_in(write(tmp_path / "long.csv", text), Options(), ())
    np.testing.assert_allclose(prediction_table("m").answers["decision"], [[0.5, 0.5]])
    np.testing.assert_allclose(prediction_table("n").answers["decision"], [[1, 0]])
    assert prediction_table("n").outputs == ("b", "a")
    assert prediction_table("m").table.loc["c1", "speaker"] == "s1"
    assert made.problems == (
        "Row 3, m: av: 1 of 2 classes are missing or NaN.", "Row 3, n: av: 2 of 2 classes are missing or NaN.",
        "Row 4, m: its value is missing or no number.", "Row 6, n: b comes twice for clip c1.", "Row 8: no clip is named.",
    )  # fmt: skip


def test_what_lies_between_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "clip,m.a,m.b\nc1,0.9,0.9\nc2,0.1,0.4\n")
    with pytest.raises(UserError, match=r"m\.decision lie between 0 and 1 but do not sum to one.*--scale logits"):
        take_in(path, Options(), ())
    take_in(path, Options(scale="logits"), ())
    np.testing.assert_allclose(prediction_table("m").answers["decision"][0], [0.5, 0.5])
    with pytest.raises(UserError, match=r"No row of t\.csv can be used; the first problem: Row 1, m: its prob"):
        take_in(path, Options(scale="probabilities"), ())


def refusals(tmp_path: Path) -> dict[Path, str]:
    (tmp_path / "binary.csv").write_bytes(b"clip,m.a,m.b\n\0\0\1,1,0\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    return {
        tmp_path / "none.csv": "There is no table",
        write(tmp_path / "t.xlsx", "x"): "no table of predictions",
        tmp_path / "binary.csv": "no text file",
        tmp_path / "broken.parquet": "cannot be read as Parquet",
        write(tmp_path / "empty.csv", ""): "no row that can be read",
        write(tmp_path / "header.csv", "clip,m.a,m.b\n"): "no row that can be read",
        write(tmp_path / "noclip.csv", "row,m.a,m.b\nx,1,0\n"): "has no column clip",
        write(tmp_path / "nothing.csv", "clip,speaker\nx,1\n"): "has no predictions",
        write(tmp_path / "twice.csv", "clip,m.a,m.a\nx,1,0\n"): "two columns called m.a",
    }


def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for path, words in refusals(tmp_path).items():
        with pytest.raises(UserError, match=words) as error:
            take_in(path, Options(), ())
        assert str(error.value).endswith(".")
        assert "\n" not in str(error.value)
    assert stored.entries() == {}


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MOST_VALUES", 100)
    rows = write(tmp_path / "rows.csv", "clip,m.a,m.b\n" + "c,1,0\n" * 40)
    # Ten bytes of a repeated list would unpack to any size: what the file claims is counted first.
    pq.write_table(pa.table({"clip": ["c"], "m.attention.audio": [[0.0] * 200]}), tmp_path / "wide.parquet")
    for path in (rows, tmp_path / "wide.parquet"):
        with pytest.raises(UserError, match="holds more than"):
            read.read(path)
    monkeypatch.setattr(read, "LIMIT_MB", 0)
    with pytest.raises(UserError, match="larger than 0 MB"):
        read.read(rows)


def test_semicolons_windows_line_ends_and_a_mark_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("\ufeffclip;label;m.a;m.b\r\nc1;a;1;0\r\n\r\nc2;b;0;1\r\n".encode())
    made = take_in(tmp_path / "t.csv", Options(), ())
    assert (made.clips, made.problems) == (2, ())
    assert made.models[0].accuracy == 1.0


def test_names_are_unlike_others_and_an_import_takes_another_ones_place(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "clip,m.a,m.b\nc1,1,0\n")
    assert [model.name for model in take_in(path, Options(), ("m", "demo")).models] == ["m (2)"]
    assert list(stored.entries()) == ["m (2)"]
    take_in(path, Options(), ("m",))
    assert list(stored.entries()) == ["m (2)"]
    write(path, "clip,m.a,m.b\nc1,0,1\n")
    assert take_in(path, Options(), ()).corpus == "t (2)"
    take_in(path, Options(replace=True), ())
    assert [(entry.name, entry.corpus) for entry in stored.entries().values()] == [("m", "t")]


def test_what_was_removed_comes_back(tmp_path: Path) -> None:
    take_in(write(tmp_path / "t.csv", "clip,m.a,m.b,n.a,n.b\nc1,1,0,0,1\n"), Options(), ())
    entry = stored.entries()["m"]
    stored.remove(entry)
    assert list(stored.entries()) == ["n"]
    stored.restore(entry)
    assert set(stored.entries()) == {"m", "n"}
    for kept in stored.entries().values():
        stored.remove(kept)
    stored.sweep(seconds=-1)
    assert list(stored.root().iterdir()) == []
    with pytest.raises(UserError, match="no longer stored"):
        stored.restore(entry)


def test_media_by_folder_by_path_and_only_media(tmp_path: Path) -> None:
    folder = tmp_path / "films" / "deep"
    folder.mkdir(parents=True)
    film(folder / "c1.mp4")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "liar.mp4").write_text("secret")
    text = "clip,path,m.a,m.b\nc1,films/deep/c1.mp4,1,0\nc2,secret.txt,1,0\nc3,liar.mp4,1,0\nc4,../../etc/passwd,0,1\n"
    made = take_in(write(tmp_path / "t.csv", text), Options(), ())
    corpus = stored.corpus_of(made.models[0])
    assert (made.clips, made.media) == (4, 2)
    assert corpus.media("c1") == folder / "c1.mp4"
    for clip in ("c2", "c4", "gone"):
        with pytest.raises(UserError, match="no media of this clip"):
            corpus.located(clip)
    with pytest.raises(UserError, match="cannot be read as a video"):
        corpus.media("c3")
    write(tmp_path / "u.csv", "clip,u.a,u.b\nc1,1,0\nc9,1,0\n")
    found = take_in(tmp_path / "u.csv", Options(media=tmp_path / "films"), ())
    assert found.problems == (f"Row 2: clip c9 is not in {tmp_path / 'films'}.",)
    assert (found.clips, found.media) == (1, 1)


def test_a_corpus_gives_labels_facts_and_media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"path": ["a.mp4", "b.mp4"], "label": ["x", "y"], "sex": ["f", "m"]}, index=["a", "b"])
    (tmp_path / "a.mp4").touch()
    monkeypatch.setattr("affectscope.core.corpora.open_corpus", lambda name: Corpus("own", tmp_path, table, ("x", "y")))
    made = take_in(write(tmp_path / "t.csv", "clip,m.x,m.y\na,1,0\nb,1,0\nc,1,0\n"), Options(corpus="own"), ())
    assert made.problems == ("Row 3: The corpus own has no clip c: choose one from its table.",)
    assert prediction_table("m").table[["label", "sex", "correct"]].to_dict("list") == {
        "label": ["x", "y"], "sex": ["f", "m"], "correct": [True, False]
    }  # fmt: skip
    assert (made.corpus, made.media) == ("own", 1)


def test_the_corpus_beside_is_joined_where_it_lists_every_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"path": ["a.mp4", "b.mp4"], "label": ["x", "y"]}, index=pd.Index(["a", "b"], name="clip"))
    known = Corpus("own", tmp_path, table, ("x", "y"))
    monkeypatch.setattr("affectscope.core.corpora.open_corpus", lambda name: known)
    film(tmp_path / "a.mp4")
    text = "clip,m.x,m.y\na,1,0\nb,1,0\n"
    joined = take_in(write(tmp_path / "t.csv", text), Options(beside="own"), ())
    assert joined.notes[0] == "Its clips are those of the corpus own."
    assert (joined.media, prediction_table("m").table["label"].tolist()) == (1, ["x", "y"])
    # One clip more, or files of its own, and the table stands for itself.
    stranger = take_in(write(tmp_path / "u.csv", text + "c,1,0\n"), Options(beside="own"), ())
    assert (stranger.clips, stranger.media, stranger.problems) == (3, 0, ())
    named = take_in(write(tmp_path / "v.csv", "clip,path,m.x,m.y\na,else.mp4,1,0\n"), Options(beside="own"), ())
    assert (named.clips, named.media) == (1, 0)


def test_facts_keep_their_kind_and_the_dashboards_own_columns_are_left_out(tmp_path: Path) -> None:
    text = "clip,label,age,speaker,predicted,m.a,m.b\nc1,a,30,1001,z,1,0\nc2,a,,x,z,1,0\nc3,zz,31,y,z,1,0\n"
    made = take_in(write(tmp_path / "t.csv", text), Options(), ())
    found = prediction_table("m").table
    assert found["age"].tolist()[::2] == [30.0, 31.0]
    assert np.isnan(found["age"].iloc[1])
    assert found["speaker"].tolist() == ["1001", "x", "y"]
    assert found["predicted"].tolist() == ["a"] * 3
    assert any("predicted" in note for note in made.notes)


def test_attention_lies_on_the_clips_clock(tmp_path: Path) -> None:
    fake.clip(tmp_path / "c1.mp4", seconds=1.0)
    table = pd.DataFrame({"clip": ["c1"], "path": ["c1.mp4"], "m.a": [2.0], "m.b": [1.0]})
    table["m.attention.audio"], table["m.attention.audio.rate"] = [[1.0, None, 3.0]], 4
    table["m.attention.video.cross"] = [[1.0, 1.0]]
    table.to_parquet(tmp_path / "t.parquet")
    (entry,) = take_in(tmp_path / "t.parquet", Options(), ()).models
    analysis = Imported(entry).analyze("c1", tmp_path / "c1.mp4")
    wave, audio, visual = analysis.timeline.lanes
    assert (wave.id, audio.group, visual.group) == ("wave", "audio", "visual")
    np.testing.assert_allclose(audio.times, [0.125, 0.375, 0.625])
    np.testing.assert_allclose(audio.values, [[0.25, np.nan, 0.75]])
    # No rate: two frames share a clip of 1 s (the container rounds its sound up a little).
    np.testing.assert_allclose(visual.times, np.array([0.25, 0.75]) * analysis.timeline.duration)
    assert len(analysis.timeline.frame_times) == 25
    assert (analysis.timeline.heatmaps, analysis.notices) == ((), (NO_HEATMAPS,))
    with pytest.raises(UserError, match="says nothing of this clip"):
        Imported(entry).analyze("c2", tmp_path / "c1.mp4")


def test_the_command_counts_and_reports(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.csv", BAD)
    told = json.loads(run.invoke(cli.app, ["import-predictions", str(path), "--json"]).stdout)
    assert [(model["name"], model["clips"], model["count"]) for model in told["models"]] == [("mine", 3, 6), ("other", 4, 4)]
    assert len(told["problems"]) == 7
    shown = run.invoke(cli.app, ["import-predictions", str(path)])
    assert shown.exit_code == 0
    assert "Row 5: clip c1 comes again" in shown.output
    assert isinstance(run.invoke(cli.app, ["import-predictions", str(path), "--scale", "x"]).exception, UserError)


def test_odd_paths_are_no_media(tmp_path: Path) -> None:
    assert clips_of_tables._whole(tmp_path, "a\0b.mp4") == ""
    assert clips_of_tables._whole(tmp_path, "/proc/self/mem") == ""
