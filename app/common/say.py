"""Sentences on the page. Streamlit reads Markdown; what is said here is text, whatever names, labels or addresses are in it.

All pages speak through this module where a value is part of what they say (tests/app/test_say.py sees to it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from affectscope.core.text import markdown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["caption", "error", "info", "markdown", "progress", "success", "table", "toast", "warning"]


def error(sentence: object, **how: Any) -> None:
    st.error(markdown(str(sentence)), **how)


def warning(sentence: object, **how: Any) -> None:
    st.warning(markdown(str(sentence)), **how)


def info(sentence: object, **how: Any) -> None:
    st.info(markdown(str(sentence)), **how)


def success(sentence: object, **how: Any) -> None:
    st.success(markdown(str(sentence)), **how)


def toast(sentence: object, **how: Any) -> None:
    st.toast(markdown(str(sentence)), **how)


def caption(sentence: object, **how: Any) -> None:
    st.caption(markdown(str(sentence)), **how)


def progress(share: float, sentence: object, **how: Any) -> None:
    st.progress(share, text=markdown(str(sentence)), **how)


def table(rows: pd.DataFrame, **how: Any) -> Any:
    """A table to look at. Streamlit's own button on it writes the cells into a CSV as they are."""
    # pandas with it, which the first page does without.
    from affectscope.core.export.spreadsheet import without_formulas

    return st.dataframe(without_formulas(rows), **how)
