"""The masking board: sliders, strips, predictions that follow them, and the response surface; drawn in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from affectscope.app.common.component import mounts
from affectscope.core import masking
from affectscope.core.perturbation import IMPUTATION_MEANINGS, IMPUTATION_TITLES, PATTERN_TITLES

_HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_BOARD = mounts("masking", masking.html(), masking.css(), _HERE / "component.js")


def bench() -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Places for the board, for the clip (beside it if there is space), and for temporary content below the board."""
    st.html(f"<style>{_read('bench.css')}</style>")
    with st.container(key="masking_bench"):
        left, right = st.container(key="masking_left"), st.container(key="masking_right")
    with left:
        return st.container(), right, st.container(key="masking_foot")


def board(
    grid_url: str,
    state: Mapping[str, Any],
    exact: Mapping[str, list[float]] | None,
    *,
    key: str,
    subject: str,
    title: str,
    heads: Sequence[tuple[str, str]],
    patterns: Sequence[str],
    meanings: Mapping[str, str] = IMPUTATION_MEANINGS,
    truth: str | None = None,
) -> dict[str, Any] | None:
    """Mount the board. Returns the user's last action on it, or None.

    Args:
        grid_url: URL of the answers at every share; empty until they are computed.
        state: keep, pattern, imputation, seed, burst, spans, head, class, and ``stamp``, the board's own mark if the state is
            what it reported.
        exact: each head's answer for exactly this state.
        key: Streamlit's element key.
        subject: the clip and model; if it changes, the board clears its undo history.
        title: the clip's name, for saved files.
        heads: (name, title), the system's decision first.
        patterns: those that the model supports.
        meanings: imputation -> one sentence about the model's input.
        truth: the true class, if known.

    Returns:
        The same fields as ``state``, with ``stamp`` and ``serial``.
    """
    options = {
        "subject": subject, "title": title, "heads": [{"id": name, "title": shown} for name, shown in heads],
        "patterns": [{"id": name, "title": PATTERN_TITLES[name]} for name in patterns], "truth": truth,
        "imputations": [
            {"id": name, "title": title, "meaning": meanings[name]} for name, title in IMPUTATION_TITLES.items()
        ],
    }  # fmt: skip
    data = {"grid_url": grid_url, "state": dict(state), "exact": exact, "options": options}
    return _BOARD(key=key, data=data, on_state_change=lambda: None).state
