"""A confusion matrix whose cells are buttons. Labels are escaped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from affectscope.app.common.component import component

_MATRIX = component(Path(__file__).parent, "matrix", '<div class="matrix"></div>')


def matrix(counts: pd.DataFrame, chosen: tuple[str, str] | None, *, key: str, choose: Callable[[str, str], None]) -> None:
    """Draw true classes (rows) by predictions (columns); ``choose(truth, predicted)`` is called on a click."""
    labels = [str(name) for name in counts.index]

    def pressed() -> None:
        cell = st.session_state[key].get("cell") or {}
        # By name, because indices may be those of a previous matrix with other classes.
        if cell.get("row") in labels and cell.get("column") in labels:
            choose(cell["row"], cell["column"])

    place = [labels.index(name) for name in chosen] if chosen and set(chosen) <= set(labels) else None
    data = {"labels": labels, "counts": counts.to_numpy().tolist(), "chosen": place}
    _MATRIX(key=key, data=data, on_cell_change=pressed)
