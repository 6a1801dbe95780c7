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
from affectscope.core.imports import read, shelf
from affectscope.core.imports.intake import Options, take_in
from affectscope.core.imports.model import NO_HEATMAPS, Imported
from affectscope.core.inference.table import PredictionTable
from tests.app import fake
from tests.media_files import clip as film

run = CliRunner()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def survey(name: str) -> PredictionTable:
    found = PredictionTable.load(shelf.entries()[name].survey)
    assert found is not None
    return found


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
    assert list(survey("mine").table.index) == ["c1", "c6", "c8"]
    assert list(survey("other").table.index) == ["c1", "c3", "c4", "c8"]


def test_what_the_survey_says_by_hand(tmp_path: Path) -> None:
    take_in(write(tmp_path / "bad.csv", BAD), Options(), ())
    mine, other = survey("mine"), survey("other")
    np.testing.assert_allclose(mine.answers["decision"], [[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]], atol=1e-6)
    # A logit of 2 against 0: e^2 / (e^2 + 1).
    np.testing.assert_allclose(other.answers["decision"][0], [0.880797, 0.119203], atol=1e-6)
    row = mine.table.loc["c1"]
    assert (row["predicted"], bool(row["correct"]), row["confidence"], row["margin"]) == ("anger", True, 0.9, 0.8)
    # Weights 1/4, 1/2, 1/4: their entropy is 1.5 ln 2, that of three even frames ln 3.
    assert row["attention_entropy"] == pytest.approx(1.5 * np.log(2) / np.log(3), abs=1e-6)
    assert mine.table["label"].isna().tolist() == [False, False, True]
    assert (mine.heads, other.heads, mine.outputs) == (("av",), (), ("anger", "joy"))
    entry = shelf.entries()["mine"]
    assert (entry.labelled, entry.accuracy, entry.scale) == (2, 1.0, {"av": "probabilities"})
    assert shelf.entries()["other"].scale == {"decision": "logits"}


def test_heads_in_another_order_of_classes_are_put_in_order(tmp_path: Path) -> None:
    text = "clip,m.av.a,m.av.b,m.audio.b,m.audio.a,m.odd.x,m.odd.y\nc1,1,0,0.75,0.25,1,0\nc2,0.5,0.5,1,0,1,0\n"
    made = take_in(write(tmp_path / "t.csv", text), Options(), ())
    np.testing.assert_allclose(survey("m").answers["audio"], [[0.25, 0.75], [0, 1]])
    assert made.notes[0] == "Head odd of m names other classes than its first and was left out."
    np.testing.assert_allclose(survey("m").answers["decision"], [[1, 0], [0.5, 0.5]])
    take_in(tmp_path / "t.csv", Options(decision="audio", replace=True), ())
    np.testing.assert_allclose(survey("m").answers["decision"], [[0.25, 0.75], [0, 1]])


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
    found = survey("m")
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
    np.testing.assert_allclose(survey("m").answers["decision"], [[0.5, 0.5]])
    np.testing.assert_allclose(survey("n").answers["decision"], [[1, 0]])
    assert survey("n").outputs == ("b", "a")
    assert survey("m").table.loc["c1", "speaker"] == "s1"
    assert made.problems == (
        "Row 3, m: av: 1 of 2 classes are missing or NaN.", "Row 3, n: av: 2 of 2 classes are missing or NaN.",
        "Row 4, m: its value is missing or no number.", "Row 6, n: b comes twice for clip c1.", "Row 8: no clip is named.",
    )  # fmt: skip


def test_what_lies_between_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "clip,m.a,m.b\nc1,0.9,0.9\nc2,0.1,0.4\n")
    with pytest.raises(UserError, match=r"m\.decision lie between 0 and 1 but do not sum to one.*--scale logits"):
        take_in(path, Options(), ())
    take_in(path, Options(scale="logits"), ())
    np.testing.assert_allclose(survey("m").answers["decision"][0], [0.5, 0.5])
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
        write(tmp_path / "noclip.csv", "name,m.a,m.b\nx,1,0\n"): "has no column clip",
        write(tmp_path / "nothing.csv", "clip,speaker\nx,1\n"): "has no predictions",
        write(tmp_path / "twice.csv", "clip,m.a,m.a\nx,1,0\n"): "two columns called m.a",
    }


def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for path, words in refusals(tmp_path).items():
        with pytest.raises(UserError, match=words) as error:
            take_in(path, Options(), ())
        assert str(error.value).endswith(".")
        assert "\n" not in str(error.value)
    assert shelf.entries() == {}


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
    assert [one.name for one in take_in(path, Options(), ("m", "demo")).models] == ["m (2)"]
    assert list(shelf.entries()) == ["m (2)"]
    take_in(path, Options(), ("m",))
    assert list(shelf.entries()) == ["m (2)"]
    write(path, "clip,m.a,m.b\nc1,0,1\n")
    assert take_in(path, Options(), ()).corpus == "t (2)"
    take_in(path, Options(replace=True), ())
    assert [(one.name, one.corpus) for one in shelf.entries().values()] == [("m", "t")]


def test_what_was_removed_comes_back(tmp_path: Path) -> None:
    take_in(write(tmp_path / "t.csv", "clip,m.a,m.b,n.a,n.b\nc1,1,0,0,1\n"), Options(), ())
    entry = shelf.entries()["m"]
    shelf.remove(entry)
    assert list(shelf.entries()) == ["n"]
    shelf.restore(entry)
    assert set(shelf.entries()) == {"m", "n"}
    for one in shelf.entries().values():
        shelf.remove(one)
    shelf.sweep(seconds=-1)
    assert list(shelf.root().iterdir()) == []
    with pytest.raises(UserError, match="no longer kept"):
        shelf.restore(entry)


def test_media_by_folder_by_path_and_only_media(tmp_path: Path) -> None:
    folder = tmp_path / "films" / "deep"
    folder.mkdir(parents=True)
    film(folder / "c1.mp4")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "liar.mp4").write_text("secret")
    text = "clip,path,m.a,m.b\nc1,films/deep/c1.mp4,1,0\nc2,secret.txt,1,0\nc3,liar.mp4,1,0\nc4,../../etc/passwd,0,1\n"
    made = take_in(write(tmp_path / "t.csv", text), Options(), ())
    corpus = shelf.corpus_of(made.models[0])
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
    assert survey("m").table[["label", "sex", "correct"]].to_dict("list") == {
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
    assert (joined.media, survey("m").table["label"].tolist()) == (1, ["x", "y"])
    # One clip more, or files of its own, and the table stands for itself.
    stranger = take_in(write(tmp_path / "u.csv", text + "c,1,0\n"), Options(beside="own"), ())
    assert (stranger.clips, stranger.media, stranger.problems) == (3, 0, ())
    named = take_in(write(tmp_path / "v.csv", "clip,path,m.x,m.y\na,else.mp4,1,0\n"), Options(beside="own"), ())
    assert (named.clips, named.media) == (1, 0)


def test_facts_keep_their_kind_and_the_dashboards_own_columns_are_left_out(tmp_path: Path) -> None:
    text = "clip,label,age,speaker,predicted,m.a,m.b\nc1,a,30,1001,z,1,0\nc2,a,,x,z,1,0\nc3,zz,31,y,z,1,0\n"
    made = take_in(write(tmp_path / "t.csv", text), Options(), ())
    found = survey("m").table
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
    assert [(one["name"], one["clips"], one["count"]) for one in told["models"]] == [("mine", 3, 6), ("other", 4, 4)]
    assert len(told["problems"]) == 7
    shown = run.invoke(cli.app, ["import-predictions", str(path)])
    assert shown.exit_code == 0
    assert "Row 5: clip c1 comes again" in shown.output
    assert isinstance(run.invoke(cli.app, ["import-predictions", str(path), "--scale", "x"]).exception, UserError)


def test_odd_paths_are_no_media(tmp_path: Path) -> None:
    assert clips_of_tables._whole(tmp_path, "a\0b.mp4") == ""
    assert clips_of_tables._whole(tmp_path, "/proc/self/mem") == ""


def test_labels_that_a_model_has_no_class_for_are_named(tmp_path: Path) -> None:
    table = "clip,label,m.anger,m.joy\na,angry,3,1\nb,joy,0,4\nc,sad,0,2\n"
    made = take_in(write(tmp_path / "names.csv", table), Options(), ())
    assert any(note.startswith("m has no class angry, sad: on such clips it cannot be right") for note in made.notes)


def test_two_decimals_that_miss_one_by_a_hundredth_are_probabilities(tmp_path: Path) -> None:
    table = "clip,label,m.a,m.b,m.c\nx,a,.7,.2,.1\ny,b,.3,.3,.39\nz,c,.3,.3,.3\n"
    made = take_in(write(tmp_path / "sums.csv", table), Options(), ())
    assert made.problems == ("Row 3, m: its probabilities sum to 0.9, not to 1.",)


def answers_of(tmp_path: Path, text: str | bytes, **options: object) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """What the model ``m`` of a CSV says, by head, and the notes."""
    path = tmp_path / "own.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    made = take_in(path, Options(name="own", replace=True, **options), ())  # type: ignore[arg-type]
    return dict(survey(made.models[0].name).answers), made.notes


@pytest.mark.parametrize(
    ("rows", "right", "kind"),
    [
        (((60, 30, 10), (45, 50, 5), (20, 20, 60)), ((0.6, 0.3, 0.1), (0.45, 0.5, 0.05), (0.2, 0.2, 0.6)), "per cents"),
        # Whole per cents need not sum to 100: 33 three times are a third each.
        (((33, 33, 33), (67, 17, 17)), ((1 / 3, 1 / 3, 1 / 3), (67 / 101, 17 / 101, 17 / 101)), "per cents"),
        (((0.33, 0.33, 0.33), (0.67, 0.17, 0.17)), ((1 / 3, 1 / 3, 1 / 3), (67 / 101, 17 / 101, 17 / 101)), ""),
        (((-0.693147, -1.386294, -1.386294), (0, "-inf", "-inf")), ((0.5, 0.25, 0.25), (1, 0, 0)), "log-probabilities"),
        (((-0.30103, -0.60206, -0.60206), (-1, -1, -0.09691)), ((0.5, 0.25, 0.25), (0.1, 0.1, 0.8)), "to the base 10"),
        (((-1, -2, -2), (-2, -1, -2)), ((0.5, 0.25, 0.25), (0.25, 0.5, 0.25)), "log-probabilities to the base 2"),
        (((1, 1, 1), (0, -1, -1)), ((1 / 3, 1 / 3, 1 / 3), (0.576117, 0.211942, 0.211942)), "logits"),
    ],
)
def test_the_sums_of_rows_tell_the_scale(tmp_path: Path, rows: tuple, right: tuple, kind: str) -> None:
    lines = [f"c{i}," + ",".join(map(str, row)) for i, row in enumerate(rows)]
    said, notes = answers_of(tmp_path, "\n".join(["clip,m.a,m.b,m.c", *lines]))
    np.testing.assert_allclose(said["decision"], right, atol=1e-5)
    assert [note for note in notes if "are read as" in note and kind in note] or not kind
    assert bool(kind) == any("are read as" in note for note in notes)


def test_per_cents_that_sum_to_less_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"between 0 and 60 and sum neither to 1 nor to 100"):
        answers_of(tmp_path, "clip,m.a,m.b\nx,60,10\ny,20,50\n")


def test_one_bad_row_of_per_cents_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "clip,m.a,m.b\nx,60,40\ny,20,80\nz,60,10\n")
    assert take_in(path, Options(), ()).problems == ("Row 3, m: its per cents sum to 70, not to 100.",)


def test_signs_of_per_cent_and_a_column_called_probability(tmp_path: Path) -> None:
    said, _ = answers_of(tmp_path, "clip,m.a,m.b\nx,60 %,40 %\ny,1%,99%\n")
    np.testing.assert_allclose(said["decision"], [[0.6, 0.4], [0.01, 0.99]], atol=1e-6)
    long = "clip,model,class,probability\nx,m,a,60\nx,m,b,40\n"
    np.testing.assert_allclose(answers_of(tmp_path, long)[0]["decision"], [[0.6, 0.4]], atol=1e-6)


GERMAN = "clip;label;m.av.anger;m.av.joy\na;anger;0,8;0,2\nb;joy;0,3;0,7\n"


@pytest.mark.parametrize(
    ("text", "said_so"),
    [
        (GERMAN.encode(), "decimal signs"),
        (GERMAN.encode("utf-16"), "UTF-16"),
        (GERMAN.encode("utf-16-le"), "UTF-16"),
        (GERMAN.replace(";", "\t").encode("utf-16-be"), "UTF-16"),
        (GERMAN.replace("label", "größe").encode("cp1252"), "Windows-1252"),
        (("sep=;\r\n" + GERMAN.replace("\n", "\r\n")).encode("utf-8-sig"), "decimal signs"),
        (GERMAN.replace("\n", "\r").encode(), "decimal signs"),
        (GERMAN.replace(";", "|").encode(), "decimal signs"),
        (b'clip,label,m.av.anger,m.av.joy\na,anger,"0,8","0,2"\nb,joy,"0,3","0,7"\n', "decimal signs"),
    ],
)
def test_tables_of_other_countries(tmp_path: Path, text: bytes, said_so: str) -> None:
    said, notes = answers_of(tmp_path, text)
    np.testing.assert_allclose(said["av"], [[0.8, 0.2], [0.3, 0.7]], atol=1e-6)
    assert any(said_so in note for note in notes)


def test_points_and_thousands_beside_each_other(tmp_path: Path) -> None:
    table = read.read(write(tmp_path / "t.csv", "clip;a;b;c\nx;1.234,5;1,234.5;0.5\ny;0,5;2.5;1,5\n"))
    assert [table.numbers(name).tolist() for name in "ab"] == [[1234.5, 0.5], [1234.5, 2.5]]
    # Both signs in one column: what is not plain is no number rather than a guess.
    assert table.numbers("c")[0] == 0.5
    assert np.isnan(table.numbers("c")[1])


def test_attributes_are_values_and_no_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "clip,m.valence,m.arousal,true_valence,label.Arousal\nx,3.2,4.1,3,4\ny,2.4,3.9,2,4\n")
    made = take_in(path, Options(), ())
    own = survey("m")
    assert (own.task, own.outputs, made.models[0].task) == ("regression", ("valence", "arousal"), "regression")
    np.testing.assert_allclose(own.answers["decision"], [[3.2, 4.1], [2.4, 3.9]], atol=1e-6)
    # |3.2-3| and |4.1-4|; |2.4-2| and |3.9-4|: their means.
    np.testing.assert_allclose(own.table["error"], [0.15, 0.25], atol=1e-6)
    assert any("attributes" in note for note in made.notes)
    assert Imported(made.models[0]).spec.task == "regression"


def test_classes_beside_attributes_are_two_models(tmp_path: Path) -> None:
    made = take_in(write(tmp_path / "b.csv", "clip,m.anger,m.joy,m.valence\nx,0.8,0.2,3.2\n"), Options(), ())
    assert [(one.name, one.task) for one in made.models] == [("m", "classification"), ("m attributes", "regression")]
    assert any("valence of m are attributes" in note for note in made.notes)


def test_letter_case_tells_nothing_apart(tmp_path: Path) -> None:
    made = take_in(write(tmp_path / "c.csv", "clip,label,m.av.anger,m.av.joy,m.audio.Joy,m.audio.ANGER\nx, Anger,.8,.2,.3,.7\n"),
                   Options(), ())  # fmt: skip
    assert (made.models[0].accuracy, made.models[0].labelled) == (1.0, 1)
    np.testing.assert_allclose(survey("m").answers["audio"], [[0.7, 0.3]], atol=1e-6)
    assert "True labels are read as the classes that they spell: Anger as anger." in made.notes
    # Where classes differ in nothing else, letter case is all there is.
    two = take_in(write(tmp_path / "d.csv", "clip,label,n.Sad,n.sad,n.joy\nx,SAD,.8,.1,.1\n"), Options(), ())
    assert survey("n").table.loc["x", "label"] == "SAD"
    assert any("No true label is a class of n" in note for note in two.notes)


def test_a_version_is_part_of_a_models_name(tmp_path: Path) -> None:
    text = "clip,w2.0.anger,w2.0.joy,w2.1.anger,w2.1.joy,m.0.anger,m.0.joy,m.1.anger,m.1.joy\nx,.8,.2,.1,.9,.8,.2,.1,.9\n"
    made = take_in(write(tmp_path / "v.csv", text), Options(), ())
    assert [(one.name, tuple(one.heads)) for one in made.models] == [("w2.0", ()), ("w2.1", ()), ("m", ("0", "1"))]
    assert sum("its dot for a version's" in note for note in made.notes) == 2
    deep = take_in(write(tmp_path / "w.csv", "clip,my.own.av.anger,my.own.av.joy\nx,.8,.2\n"), Options(), ())
    assert any("is read as model my, head own, class av.anger: write - for a dot" in note for note in deep.notes)
