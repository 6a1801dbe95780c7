"""A run's curves: pure functions from its history to Plotly figures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from affectscope.core.timeline.lanes import head_title

# Okabe and Ito's palette, as everywhere in the app.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_GREY = "#8c8c8c"
_LOSSES = {"train_loss": "Training", "dev_loss": "Development"}
_SCORE = "dev_"


def table(history: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """A row per epoch, counted from 1, with all columns of the training loop."""
    rows = pd.DataFrame(list(history))
    return rows.assign(epoch=rows["epoch"].astype(int) + 1).set_index("epoch") if len(rows) else rows


def losses(history: Sequence[Mapping[str, float]], best: int) -> go.Figure:
    """Training and development loss by epoch; the selected epoch is marked."""
    return _lines(table(history), _LOSSES, "loss", best)


def scores(history: Sequence[Mapping[str, float]], best: int) -> go.Figure | None:
    """Development metrics by epoch and head; None if only the loss was recorded."""
    rows = table(history)
    names = {name: _score(name) for name in rows.columns if name.startswith(_SCORE) and name not in _LOSSES}
    kinds = dict.fromkeys(name.removeprefix(_SCORE).split("_")[0] for name in names)
    return _lines(rows, names, ", ".join(kinds), best) if names else None


def words(history: Sequence[Mapping[str, float]], best: int) -> str:
    """The curves in a sentence, for screen readers."""
    if not history:
        return "No epoch is done yet."
    rows = table(history)
    summary = f"{len(rows)} epochs; training loss from {rows['train_loss'].iloc[0]:.3f} to {rows['train_loss'].iloc[-1]:.3f}"
    kept = rows.iloc[best]
    more = f" and accuracy {kept['dev_accuracy']:.2f}" if "dev_accuracy" in rows else ""
    return f"{summary}; the best is epoch {rows.index[best]} with a development loss of {kept['dev_loss']:.3f}{more}."


def _score(name: str) -> str:
    """ "dev_accuracy_av" -> "Audio-visual"; without a head it is the decision's."""
    _, _, head = name.removeprefix(_SCORE).partition("_")
    return head_title(head or "decision")


def _lines(rows: pd.DataFrame, names: Mapping[str, str], axis: str, best: int) -> go.Figure:
    figure = go.Figure()
    for i, (column, name) in enumerate(names.items()):
        if column not in rows:
            continue
        style = {"color": _COLOURS[i % len(_COLOURS)], "dash": _DASHES[i % len(_DASHES)], "width": 2.5 if i == 0 else 1.75}
        figure.add_scatter(
            x=rows.index, y=rows[column], name=html.escape(name), mode="lines+markers", line=style, marker={"size": 5},
            hovertemplate="epoch %{x}: %{y:.3f}",
        )  # fmt: skip
    if 0 <= best < len(rows):
        figure.add_vline(
            int(rows.index[best]), line={"color": _GREY, "dash": "dot", "width": 1}, annotation_text="kept",
            annotation_position="top", annotation_font_size=11,
        )  # fmt: skip
    figure.update_layout(
        height=300, margin={"l": 10, "r": 10, "t": 28, "b": 10}, hovermode="x unified",
        legend={"orientation": "h", "y": -0.22}, xaxis={"title": "epoch", "dtick": max(1, len(rows) // 10)},
        yaxis={"title": axis},
    )  # fmt: skip
    return figure
