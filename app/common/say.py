"""Text on the page. Streamlit renders Markdown; the functions here escape it, so names, labels and URLs are shown literally.

All pages use this module for text that contains values (checked by tests/app/test_say.py).
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
    """A table to view. Its own download button writes cells unescaped into a CSV, so formulas are escaped here."""
    # Imports pandas, which the first page does not need.
    from affectscope.core.export.spreadsheet import without_formulas

    return st.dataframe(without_formulas(rows), **how)
