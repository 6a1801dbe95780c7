"""A confusion matrix whose cells are buttons. Labels are a corpus's text, never markup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from affectscope.app.common.component import component

_MATRIX = component(Path(__file__).parent, "matrix", '<div class="matrix"></div>')


def matrix(counts: pd.DataFrame, chosen: tuple[str, str] | None, *, key: str, choose: Callable[[str, str], None]) -> None:
    """Draw how often each true class (rows) got each answer (columns); ``choose(truth, predicted)`` when a cell is pressed."""
    labels = [str(name) for name in counts.index]

    def pressed() -> None:
        cell = st.session_state[key].get("cell") or {}
        # By name: places may be those of a matrix with other classes that was here before.
        if cell.get("row") in labels and cell.get("column") in labels:
            choose(cell["row"], cell["column"])

    place = [labels.index(name) for name in chosen] if chosen and set(chosen) <= set(labels) else None
    data = {"labels": labels, "counts": counts.to_numpy().tolist(), "chosen": place}
    _MATRIX(key=key, data=data, on_cell_change=pressed)
