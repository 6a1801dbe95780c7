"""The form for what a public repository's file does not say about its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from affectscope.app.common import press
from affectscope.app.library import Sheet, inventory, sheets
from affectscope.core.checkpoints.choices import KINDS, Question, answered
from affectscope.core.checkpoints.untrusted import Report
from affectscope.core.errors import UserError
from affectscope.core.text import markdown

_NUMBER = 160
_WORDS = 480


def form(arriving: inventory.Arriving, report: Report, begin: Callable[[inventory.Arriving, inventory.Arriving], None]) -> None:
    """Show the form; ``begin`` is called with the arriving file, and the same with answers."""
    line = f"Read as the public layout {report.layout}. The file does not say the following; the repository's own is filled in."
    sheets([Sheet(arriving.called, [line])], key=f"asked-{arriving.id}")
    with st.form(f"answers-{arriving.id}", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            told = {question.field: _field(question, arriving.id) for question in report.questions}
        if press.form_submit_button("Read", key=f"read-{arriving.id}", type="primary"):
            try:
                begin(arriving, replace(arriving, layout=report.layout, choices=answered(told)))
            except UserError as error:
                sheets([Sheet("Not read", [str(error)], tone="wrong")], key=f"unanswered-{arriving.id}")
                return
            st.rerun()


def _field(question: Question, key: str) -> str:
    name = f"answer-{question.field}-{key}"
    if not question.options:
        return st.text_input(markdown(question.title), question.default, key=name, width=_WORDS, help="Separated by commas.")
    at = question.options.index(question.default) if question.default in question.options else None
    width = _NUMBER if question.field in ("heads", "causal") else _WORDS // 2
    chosen = st.selectbox(
        markdown(question.title), question.options, at, key=name, width=width,
        format_func=lambda option: KINDS.get(option, option or "the file itself"),
    )  # fmt: skip
    return chosen or ""
