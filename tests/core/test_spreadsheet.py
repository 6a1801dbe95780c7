"""Names out of files are text in a spreadsheet, and numbers stay numbers."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.text import spreadsheet_cell


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1+1", "-1+1", "@SUM(A1)", " =1+1", "\t=1+1", "\n=1", "\r=1",
     "\u00a0=1", "\ufeff=1", "\uff1d1+1", "\tx", "=HYPERLINK(1)", "-x"],
)  # fmt: skip
def test_a_formula_is_text(text: str) -> None:
    assert spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["anger", "a=b", "a - b", "", "-0.5", "+0.25", "1e-3", "-3", "(-)", "'=1"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert spreadsheet_cell(text) == text


def test_every_text_of_a_table() -> None:
    index = pd.Index(["=clip", "b"], name="@clip")
    table = pd.DataFrame({"=label": [" =1+1", "x"], "score": [-0.5, 1.0], "kind": pd.Categorical(["-a", "b"])}, index=index)
    rows = list(csv.reader(io.StringIO(csv_of(table))))
    assert rows == [["'@clip", "'=label", "score", "kind"], ["'=clip", "' =1+1", "-0.5", "'-a"], ["b", "x", "1.0", "b"]]
    assert list(table.columns) == ["=label", "score", "kind"]


def test_numbers_and_several_levels_stay_as_they_are() -> None:
    table = pd.DataFrame({"a": [1, 2]})
    assert csv_of(table) == table.to_csv()
    assert csv_of(table, index=False) == table.to_csv(index=False)
    deep = pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("=x", 2)], names=["k", "n"]))
    assert csv_of(deep) == "k,n,a\n'=x,2,1\n"
