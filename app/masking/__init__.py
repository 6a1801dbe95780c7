"""The masking board: sliders, strips, the answer that follows the hand, and the response surface; drawn in the browser."""

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
    """Places for the board, for the clip, beside it where there is room, and for what comes and goes, under the board."""
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
    """Mount the board and return what a person did on it last, or None.

    Args:
        grid_url: where the browser finds the answers at every share; empty while nobody has reckoned them.
        state: what to show: keep, pattern, imputation, seed, burst, spans, head, class, and ``stamp``, the board's own mark where
            it is what the board itself reported.
        exact: what each head says to exactly this state.
        key: Streamlit's element key.
        subject: of which clip and model this is; with another one the board forgets what it could undo.
        title: the clip's name, for the files that are saved.
        heads: (name, title), the system's decision first.
        patterns: those that the model can be asked about.
        meanings: imputation -> one sentence on what the model is given.
        truth: the true class, where it is known.

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
