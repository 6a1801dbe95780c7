"""CSV that is safe to open in a spreadsheet: untrusted names stay text."""

from __future__ import annotations

from typing import Any

import pandas as pd

from affectscope.core.text import spreadsheet_cell


def csv_of(table: pd.DataFrame, **how: Any) -> str:
    """``table.to_csv(**how)``, with ``spreadsheet_cell`` applied to every text in cells, index and titles."""
    return without_formulas(table).to_csv(**how)


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """A copy of a table in which spreadsheets find no formulas, in cells, index or titles."""
    safe = table.copy(deep=False)
    for i, dtype in enumerate(safe.dtypes):
        if not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype)):
            safe.isetitem(i, safe.iloc[:, i].astype(object).map(_cell))
    safe.columns = _labels(safe.columns)
    safe.index = _labels(safe.index)
    return safe


def _labels(index: pd.Index) -> pd.Index:
    named = index.set_names([_cell(name) for name in index.names])
    if isinstance(named, pd.MultiIndex):
        return named.map(lambda parts: tuple(map(_cell, parts)))
    return named if pd.api.types.is_numeric_dtype(named.dtype) else named.astype(object).map(_cell)


def _cell(value: Any) -> Any:
    return spreadsheet_cell(value) if isinstance(value, str) else value
