"""Rows below a table that sum it up, in tables of corpora and of predictions alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectscope.core.corpora.footers import footer
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError
from affectscope.core.imports.intake import Options, take_in
from tests.tables import write

LAST = ("mean", "Average", "TOTAL", "Σ", "n = 48", "N=3", "macro avg", "Mean (n = 3)", "mean ± std", "Mittelwert", "accuracy", "")


@pytest.mark.parametrize("last", LAST)
def test_a_last_row_that_sums_up_is_none_of_the_clips(last: str) -> None:
    assert footer(["a", "b", last]) == 1
    assert footer([last, "a", "b"]) == 0


def test_several_last_rows() -> None:
    assert footer(["a", "mean", "std", "min", "max"]) == 4
    assert footer(["a", "", "mean"]) == 2
    assert footer(["count", "mean", "std", "min", "25%", "50%", "75%", "max"]) == 8


def test_names_that_may_be_a_persons_and_rows_with_a_label_of_others_are_clips() -> None:
    assert footer(["anna", "max"]) == 0
    assert footer(["anna", "max", "mean"]) == 1
    assert footer(["anna", "otto", "total"], ["joy", "rage", "joy"]) == 0
    assert footer(["anna", "otto", "total"], ["joy", "rage", ""]) == 1
    assert footer(["anna", ""], ["joy", "rage"]) == 0


def test_a_corpus_leaves_it_out_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "mine.csv", "clip,label,speaker,valence\na,joy,s,.5\nb,rage,s,-.3\nmean,,,.1\n")
    corpus = read(tmp_path)
    assert list(corpus.table.index) == ["a", "b"]
    assert any(line.startswith("The last row (mean) sums up the others") for line in corpus.missing)


def test_predictions_leave_it_out_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    table = "clip,m.a,m.b,label\nx,.7,.3,a\ny,.2,.8,b\nmean,.45,.55,\nstd,.35,.35,\n"
    made = take_in(write(tmp_path / "own.csv", table), Options(), ())
    assert (made.clips, made.rows, made.models[0].accuracy) == (2, 2, 1.0)
    assert any(note.startswith("The last 2 rows (mean, std) sum up the others") for note in made.notes)
    with pytest.raises(UserError, match="no rows of clips but of count, mean"):
        take_in(write(tmp_path / "sum.csv", "clip,m.a,m.b\ncount,2,2\nmean,.45,.55\nstd,.3,.3\n"), Options(), ())
