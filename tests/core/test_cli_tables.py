"""What a terminal shows of a table: all of it, however narrow it is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from affectscope.core.cli import common

ROWS = [
    {"name": "goncalves2022robust-figure-5-audio", "item": "Figure 5", "score": 0.25, "note": "supercalifragilistic"},
    {"name": "short", "item": "Table 1", "score": None, "note": "[bold]plain"},
]


@pytest.mark.parametrize("width", [48, 60, 72, 80, 200])
def test_nothing_is_cut(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = io.StringIO()
    monkeypatch.setattr(common, "output", Console(file=text, width=width))
    common.show(ROWS, False, "Experiments")
    shown = text.getvalue()
    assert "…" not in shown
    assert ROWS[0]["name"] in shown
    squeezed = "".join(shown.replace("│", " ").split())
    assert "0.250" in squeezed
    assert "[bold]plain" in squeezed
    # In a row of a table that is folded the letters of its columns alternate.
    assert "supercalifragilistic" in squeezed or "supercal" in squeezed
    assert max(map(len, shown.splitlines())) <= width


def test_a_wide_terminal_has_a_table_and_a_narrow_one_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for width, table in ((200, True), (50, False)):
        text = io.StringIO()
        monkeypatch.setattr(common, "output", Console(file=text, width=width))
        common.show(ROWS, False, "Experiments")
        assert ("┃" in text.getvalue()) == table


def test_no_rows_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr(common, "output", Console(file=text, width=80))
    common.show([], False, "Nothing found")
    assert "Nothing found" in text.getvalue()
