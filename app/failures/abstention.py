"""Selective prediction: accuracy against the share of clips that the model answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from affectscope.app.common.save import save
from affectscope.app.failures import breakdown
from affectscope.app.failures.figures import CONFIG, QUIET, RIGHT
from affectscope.app.failures.lists import Looked
from affectscope.core.evaluation.slices import wilson
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.metrics.abstention import aurc, risk_coverage, surest
from affectscope.core.metrics.metrics import METRICS
from affectscope.core.text import percent

ABOUT = {
    "steadiness": (
        "The surest are those whose answer stays most probable when the model is given only the first half of the clip, or only "
        "the second (steadiness)."
    ),
    "confidence": "The surest are those of the highest confidence.",
}


def show(looked: Looked, modalities: dict[str, tuple[str, ...]]) -> None:
    """The curve of one head, a sentence about it, and a table to save; or a message if there is none."""
    if looked.predictions.task == "regression":
        st.info("This model predicts values, not classes with a probability: it is not more or less sure of one.")
        return
    table = breakdown.cases(breakdown.key(looked.model), looked.head, modalities, looked.predictions)
    known = table[table["truth"].isin(looked.predictions.outputs) & table["evidence"].astype(bool)]
    if known.empty:
        st.info("No clip has a label that the model knows: there is no answer to count as right or wrong.")
        return
    sign = "steadiness" if known["steadiness"].notna().all() else "confidence"
    sure, right = known[sign].to_numpy(float), known["correct"].to_numpy(bool)
    curve = _with_interval(risk_coverage(sure, right)).rename(columns={"confidence": sign})
    st.text(words(sure, right))
    st.caption(ABOUT[sign])
    key = f"abstention-{looked.head}"
    st.plotly_chart(
        figure(curve), key=key, config=CONFIG, width=760,
        alt=f"Accuracy by share of clips answered, the surest first; AURC {aurc(sure, right):.3f}",
    )  # fmt: skip
    save("Curve (CSV)", lambda: csv_of(curve, index=False).encode(), "affectscope-abstention.csv", key="failures-abstention")


def words(sure: np.ndarray, right: np.ndarray) -> str:
    """The curve in a few sentences; ``sure`` [N] is the ranking score."""
    whole, (half, count) = float(right.mean()), surest(sure, right)
    gained = round(100 * half) - round(100 * whole)
    change = f"{abs(gained)} points {'more' if gained > 0 else 'less'}" if gained else "no more and no less"
    return (
        f"Of all {len(right)} answers {percent(whole)} are right. Of the {count} that the model is surest of, {percent(half)} "
        f"are right: {change}. Area under the risk-coverage curve (AURC) {aurc(sure, right):.3f}: 0 is never wrong, and an "
        f"order that says nothing would have {1 - whole:.3f}."
    )


def _with_interval(curve: pd.DataFrame) -> pd.DataFrame:
    counts = np.arange(1, len(curve) + 1)
    spread = [wilson(round(share * count), int(count)) for share, count in zip(curve["accuracy"], counts, strict=True)]
    low, high = zip(*spread, strict=True)
    return curve.assign(accuracy_low=low, accuracy_high=high)


def figure(curve: pd.DataFrame) -> go.Figure:
    """Accuracy against coverage, with Wilson's interval as a band, and the overall accuracy as a line.

    Args:
        curve: from ``risk_coverage``, its last column named after the ranking score.
    """
    sign = "steadiness" if "steadiness" in curve else "confidence"
    hints: list[Any] = [
        f"{percent(r.coverage)} answered, those of {sign} {percent(getattr(r, sign))} and more: {percent(r.accuracy)} right "
        f"(95 %: {percent(r.accuracy_low)} to {percent(r.accuracy_high)})"
        for r in curve.itertuples()
    ]
    drawn = go.Figure()
    drawn.add_scatter(
        x=pd.concat([curve["coverage"], curve["coverage"][::-1]]),
        y=pd.concat([curve["accuracy_high"], curve["accuracy_low"][::-1]]),
        fill="toself", mode="lines", line={"width": 0}, fillcolor="rgba(140, 140, 140, 0.22)", hoverinfo="skip",
        name="95 % interval",
    )  # fmt: skip
    drawn.add_scatter(
        x=curve["coverage"], y=curve["accuracy"], mode="lines", hovertext=hints, hoverinfo="text",
        line={"color": RIGHT, "width": 2}, name="accuracy of the surest",
    )  # fmt: skip
    drawn.add_scatter(
        x=[0, 1], y=[float(curve["accuracy"].iloc[-1])] * 2, mode="lines", hoverinfo="skip",
        line={"color": QUIET, "dash": "dot"}, name="accuracy of all",
    )  # fmt: skip
    drawn.update_xaxes(title="Share of clips answered, the surest first", range=[0, 1.01], tickformat=".0%")
    drawn.update_yaxes(title=METRICS["accuracy"].title, range=[0, 1.02])
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return drawn.update_layout(height=420, margin={"l": 8, "r": 8, "t": 40, "b": 8}, legend=legend, dragmode=False)
