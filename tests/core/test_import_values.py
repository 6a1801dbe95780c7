"""What the numbers and names in a table of predictions mean: scales, per cents, other countries' points, attributes, classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affectscope.core.errors import UserError
from affectscope.core.imports import read
from affectscope.core.imports.intake import Options, take_in
from affectscope.core.imports.model import Imported
from tests.tables import prediction_table, write


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_labels_that_a_model_has_no_class_for_are_named(tmp_path: Path) -> None:
    table = "clip,label,m.anger,m.joy\na,calm,3,1\nb,joy,0,4\nc,sad,0,2\n"
    made = take_in(write(tmp_path / "names.csv", table), Options(), ())
    assert any(note.startswith("m has no class calm, sad: on such clips it cannot be right") for note in made.notes)


def test_two_decimals_that_miss_one_by_a_hundredth_are_probabilities(tmp_path: Path) -> None:
    table = "clip,label,m.a,m.b,m.c\nx,a,.7,.2,.1\ny,b,.3,.3,.39\nz,c,.3,.3,.3\n"
    made = take_in(write(tmp_path / "sums.csv", table), Options(), ())
    assert made.problems == ("Row 3, m: its probabilities sum to 0.9, not to 1.",)


def answers_of(tmp_path: Path, text: str | bytes, **options: object) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """What the model ``m`` of a CSV says, by head, and the notes."""
    path = tmp_path / "own.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    made = take_in(path, Options(name="own", replace=True, **options), ())  # type: ignore[arg-type]
    return dict(prediction_table(made.models[0].name).answers), made.notes


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
    answers, notes = answers_of(tmp_path, "\n".join(["clip,m.a,m.b,m.c", *lines]))
    np.testing.assert_allclose(answers["decision"], right, atol=1e-5)
    assert [note for note in notes if "are read as" in note and kind in note] or not kind
    assert bool(kind) == any("are read as" in note for note in notes)


def test_per_cents_that_sum_to_less_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"between 0 and 60 and sum neither to 1 nor to 100"):
        answers_of(tmp_path, "clip,m.a,m.b\nx,60,10\ny,20,30\n")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        # -log of .6/.3/.1, .45/.5/.05 and .2/.2/.6: taken for logits, the least likely would be the answer.
        ("x,.511,1.204,2.303\ny,.799,.693,2.996\nz,1.609,1.609,.511\n", "logarithms of probabilities without their minus sign"),
        # Votes of ten people.
        ("x,6,3,1\ny,4,5,1\nz,2,2,6\n", "sum to 10 in each row"),
        ("x,3,1.5,.5\ny,1,2,2\nz,0,0,5\n", "sum to 5 in each row"),
    ],
)
def test_what_is_neither_is_asked_about(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        answers_of(tmp_path, f"clip,m.a,m.b,m.c\n{table}")
    answers, _ = answers_of(tmp_path, f"clip,m.a,m.b,m.c\n{table}", scale="logits")
    assert answers["decision"].shape == (3, 3)


def test_positive_logits_are_logits(tmp_path: Path) -> None:
    answers, notes = answers_of(tmp_path, "clip,m.a,m.b,m.c\nx,1.2,3.3,.4\ny,2.2,.1,.3\n")
    assert answers["decision"].argmax(1).tolist() == [1, 0]
    assert any("read as logits" in note for note in notes)


@pytest.mark.parametrize("cells", [("0,8 0,2", "0,3 0,7"), ("[0,8 0,2]", "[0,3 0,7]")])
def test_lists_with_decimal_commas(tmp_path: Path, cells: tuple[str, str]) -> None:
    table = "clip;m.av\na;{}\nb;{}\n".format(*cells)
    answers, notes = answers_of(tmp_path, table, classes=("anger", "joy"))
    np.testing.assert_allclose(answers["av"], [[0.8, 0.2], [0.3, 0.7]], atol=1e-6)
    assert any("decimal signs" in note for note in notes)


def test_commas_that_part_a_list_are_no_decimal_signs(tmp_path: Path) -> None:
    answers, notes = answers_of(tmp_path, "clip;m.av\na;[0,1]\nb;[1,0]\n", classes=("anger", "joy"))
    assert answers["av"].tolist() == [[0, 1], [1, 0]]
    assert not any("decimal signs" in note for note in notes)


def test_blank_lines_before_the_header(tmp_path: Path) -> None:
    answers, _ = answers_of(tmp_path, "\n\r\n" + GERMAN)
    np.testing.assert_allclose(answers["av"], [[0.8, 0.2], [0.3, 0.7]], atol=1e-6)


def test_one_bad_row_of_per_cents_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "clip,m.a,m.b\nx,60,40\ny,20,80\nz,60,10\n")
    assert take_in(path, Options(), ()).problems == ("Row 3, m: its per cents sum to 70, not to 100.",)


def test_signs_of_per_cent_and_a_column_called_probability(tmp_path: Path) -> None:
    answers, _ = answers_of(tmp_path, "clip,m.a,m.b\nx,60 %,40 %\ny,1%,99%\n")
    np.testing.assert_allclose(answers["decision"], [[0.6, 0.4], [0.01, 0.99]], atol=1e-6)
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
    answers, notes = answers_of(tmp_path, text)
    np.testing.assert_allclose(answers["av"], [[0.8, 0.2], [0.3, 0.7]], atol=1e-6)
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
    own = prediction_table("m")
    assert (own.task, own.outputs, made.models[0].task) == ("regression", ("valence", "arousal"), "regression")
    np.testing.assert_allclose(own.answers["decision"], [[3.2, 4.1], [2.4, 3.9]], atol=1e-6)
    # |3.2-3| and |4.1-4|; |2.4-2| and |3.9-4|: their means.
    np.testing.assert_allclose(own.table["error"], [0.15, 0.25], atol=1e-6)
    assert any("attributes" in note for note in made.notes)
    assert Imported(made.models[0]).spec.task == "regression"


def test_classes_beside_attributes_are_two_models(tmp_path: Path) -> None:
    made = take_in(write(tmp_path / "b.csv", "clip,m.anger,m.joy,m.valence\nx,0.8,0.2,3.2\n"), Options(), ())
    assert [(model.name, model.task) for model in made.models] == [("m", "classification"), ("m attributes", "regression")]
    assert any("valence of m are attributes" in note for note in made.notes)


def test_letter_case_tells_nothing_apart(tmp_path: Path) -> None:
    made = take_in(write(tmp_path / "c.csv", "clip,label,m.av.anger,m.av.joy,m.audio.Joy,m.audio.ANGER\nx, Anger,.8,.2,.3,.7\n"),
                   Options(), ())  # fmt: skip
    assert (made.models[0].accuracy, made.models[0].labelled) == (1.0, 1)
    np.testing.assert_allclose(prediction_table("m").answers["audio"], [[0.7, 0.3]], atol=1e-6)
    assert "True labels are read as the classes that they spell: Anger as anger." in made.notes
    # Where classes differ in nothing else, letter case is all there is.
    two = take_in(write(tmp_path / "d.csv", "clip,label,n.Sad,n.sad,n.joy\nx,SAD,.8,.1,.1\n"), Options(), ())
    assert prediction_table("n").table.loc["x", "label"] == "SAD"
    assert any("No true label is a class of n" in note for note in two.notes)


def test_a_version_is_part_of_a_models_name(tmp_path: Path) -> None:
    text = "clip,w2.0.anger,w2.0.joy,w2.1.anger,w2.1.joy,m.0.anger,m.0.joy,m.1.anger,m.1.joy\nx,.8,.2,.1,.9,.8,.2,.1,.9\n"
    made = take_in(write(tmp_path / "v.csv", text), Options(), ())
    assert [(model.name, tuple(model.heads)) for model in made.models] == [("w2.0", ()), ("w2.1", ()), ("m", ("0", "1"))]
    assert sum("its dot for a version's" in note for note in made.notes) == 2
    deep = take_in(write(tmp_path / "w.csv", "clip,my.own.av.anger,my.own.av.joy\nx,.8,.2\n"), Options(), ())
    assert any("is read as model my, head own, class av.anger: write - for a dot" in note for note in deep.notes)
