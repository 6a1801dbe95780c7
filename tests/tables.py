"""Tables of predictions for tests: written, and what became of them."""

from __future__ import annotations

from pathlib import Path

from affectscope.core.imports import stored
from affectscope.core.inference.table import PredictionTable


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def prediction_table(name: str) -> PredictionTable:
    found = PredictionTable.load(stored.entries()[name].prediction_table)
    assert found is not None
    return found
