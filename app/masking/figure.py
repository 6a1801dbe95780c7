"""Robustness curves as Plotly figures: pure functions. Names are escaped, because Plotly renders tags."""

from __future__ import annotations

import html
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

# Okabe and Ito's palette, as everywhere in the app; models also differ in dash.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8fbc5a")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")
LEVELS = {
    "whole": ("solid", "everything there"),
    "without": ("dash", "only the other modality"),
    "alone": ("dot", "the other modality's own head"),
    "baseline": ("dash", "never takes it"),
}


def curves(
    shown: Mapping[str, pd.DataFrame],
    held: Mapping[str, Mapping[str, float]],
    modality: str,
    metric: str,
    colours: Mapping[str, int],
) -> go.Figure:
    """One modality is removed, the others are whole (goncalves2022robust, Fig. 5).

    Args:
        shown: model -> ``core.training.robustness.curve``.
        held: model -> ``core.training.robustness.levels``.
        colours: model -> index in the palette, the same in every figure.
    """
    figure = go.Figure()
    for model, table in shown.items():
        name, place = html.escape(model, quote=False), colours[model] % len(COLOURS)
        colour = COLOURS[place]
        if len(table):
            ends = pd.concat([table["high"], table["low"][::-1]])
            figure.add_scatter(
                x=pd.concat([table["present"], table["present"][::-1]]), y=ends, fill="toself", fillcolor=colour, opacity=0.18,
                line={"width": 0}, hoverinfo="skip", showlegend=False, legendgroup=name,
            )  # fmt: skip
            figure.add_scatter(
                x=table["present"], y=table["mean"], mode="lines+markers", name=name, legendgroup=name,
                customdata=table["high"] - table["mean"],
                line={"color": colour, "width": 2.5}, marker={"symbol": SYMBOLS[place], "size": 8, "color": colour},
                hovertemplate=f"{name}: %{{y:.3f}} ± %{{customdata:.3f}} with %{{x}} %<extra></extra>",
            )  # fmt: skip
        for level, value in held[model].items():
            dash, what = LEVELS[level]
            figure.add_scatter(
                x=[0, 100], y=[value, value], mode="lines", name=f"{name}: {what}", legendgroup=name,
                line={"color": colour, "width": 1.3, "dash": dash}, hovertemplate=f"{name}, {what}: {value:.3f}<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(title=f"{modality} frames kept, %", range=[-3, 103], dtick=20)
    figure.update_yaxes(title=metric, automargin=True)
    return figure.update_layout(
        height=420,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        dragmode=False,
        legend={"orientation": "h", "y": -0.2, "yanchor": "top"},
    )


def words(shown: Mapping[str, pd.DataFrame], modality: str, metric: str) -> str:
    """The figure in a sentence, for screen readers."""
    falls = [
        f"{model} falls from {table['mean'].iloc[-1]:.2f} to {table['mean'].iloc[0]:.2f}"
        for model, table in shown.items()
        if len(table)
    ]
    return f"{metric} as {modality} frames go missing: {'; '.join(falls) or 'no curve'}."
