"""The Failures page's charts: pure functions from tables to Plotly figures. Names are escaped, because Plotly renders tags."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from affectscope.core.metrics.metrics import METRICS, Metric
from affectscope.core.text import percent

RIGHT, WRONG, QUIET = "#0072b2", "#d55e00", "#8c8c8c"
# The camera saves SVG, the second button PNG.
CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "svg", "filename": "affectscope"},
}


def plain(text: object) -> str:
    """A corpus's text, escaped for Plotly."""
    return html.escape(str(text), quote=False)


def slices_figure(table: pd.DataFrame, measure: Metric, chosen: tuple[str, str] | None = None) -> go.Figure:
    """A dot with its interval for every subgroup, below its column's name; a line for the total.

    ``customdata``: column, value.
    """
    whole, rows = table.iloc[0], table.iloc[1:]
    words = [
        f"{plain(r.column)} {plain(r.value)}: {measure.title} {r.score:.2f}, {r.count_} clips; 95 %: {r.low:.2f} to {r.high:.2f}"
        for r in rows.rename(columns={"count": "count_"}).itertuples()
    ]
    places = list(zip(rows["column"], rows["value"], strict=True))
    ticks, heights = [], []
    for (column, value), count, before in zip(places, rows["count"], [None, *rows["column"]], strict=False):
        if column != before:
            ticks.append(f"<b>{plain(column)}</b>")
        heights.append(-len(ticks))
        ticks.append(f"{plain(value)} ({count})")
    spread = {"array": rows["high"] - rows["score"], "arrayminus": rows["score"] - rows["low"]}
    figure = go.Figure(
        go.Scatter(
            x=rows["score"], y=heights, mode="markers", hovertext=words, hoverinfo="text", customdata=places, showlegend=False,
            marker={
                "size": 7 + 9 * (rows["count"] / max(1, rows["count"].max())) ** 0.5, "opacity": 1,
                "color": [WRONG if place == chosen else RIGHT for place in places],
            },
            error_x={"type": "data", "symmetric": False, "color": QUIET, "thickness": 1.4, "width": 3, **spread},
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        )
    )  # fmt: skip
    figure.add_vline(x=whole["score"], line={"color": QUIET, "dash": "dot", "width": 1.5})
    figure.add_vrect(x0=whole["low"], x1=whole["high"], fillcolor=QUIET, opacity=0.12, line_width=0)
    figure.update_yaxes(
        tickvals=[-i for i in range(len(ticks))], ticktext=ticks, range=[0.6 - len(ticks), 0.6], automargin=True, showgrid=False,
        zeroline=False, tickfont={"size": 12},
    )  # fmt: skip
    figure.update_xaxes(
        title=f"{measure.title}, 95 % interval", range=[-0.02, 1.02] if measure.percent else None, automargin=True
    )
    return figure.update_layout(height=80 + 22 * len(ticks), margin={"l": 8, "r": 8, "t": 30, "b": 8}, dragmode=False)


def reliability_figure(bins: pd.DataFrame) -> go.Figure:
    """Accuracy against confidence, with Wilson's intervals, and the count in each bin."""
    most = max(1, int(bins["count"].max()))
    middle, width = (bins["low"] + bins["high"]) / 2, bins["high"] - bins["low"]
    words = [
        f"confidence {percent(b.low)} to {percent(b.high)}: {percent(b.accuracy)} of {b.count_} right (95 %: "
        f"{percent(b.accuracy_low)} to {percent(b.accuracy_high)}); mean confidence {percent(b.confidence)}"
        for b in bins.rename(columns={"count": "count_"}).itertuples()
    ]
    figure = go.Figure()
    figure.add_bar(
        x=middle, y=0.22 * bins["count"] / most, width=width * 0.9, marker={"color": QUIET, "opacity": 0.35}, hoverinfo="skip",
        text=[f"{n}" for n in bins["count"]], textposition="outside", name="number of answers", cliponaxis=False,
    )  # fmt: skip
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": QUIET, "dash": "dot"},
        hoverinfo="skip",
        name="if confidence were accuracy",
    )
    figure.add_scatter(
        x=bins["confidence"], y=bins["accuracy"], mode="lines+markers", name="accuracy", hovertext=words,
        hoverinfo="text", marker={"size": 9, "color": RIGHT}, line={"color": RIGHT, "width": 2},
        error_y={
            "type": "data", "symmetric": False, "array": bins["accuracy_high"] - bins["accuracy"],
            "arrayminus": bins["accuracy"] - bins["accuracy_low"], "color": RIGHT, "thickness": 1.4, "width": 4,
        },
    )  # fmt: skip
    figure.update_xaxes(title="Confidence", range=[0, 1], constrain="domain")
    figure.update_yaxes(title=METRICS["accuracy"].title, range=[0, 1.02])
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return figure.update_layout(height=420, margin={"l": 8, "r": 8, "t": 40, "b": 8}, legend=legend, dragmode=False, bargap=0)


def errors_figure(table: pd.DataFrame, attribute: str) -> go.Figure:
    """True against predicted values, coloured by error; ``customdata`` holds the clip."""
    words = [
        f"{plain(clip)}: true {r.truth:+.2f}, predicted {r.predicted:+.2f}"
        for clip, r in zip(table.index, table.itertuples(), strict=True)
    ]
    low = float(min(table["truth"].min(), table["predicted"].min())) - 0.1
    high = float(max(table["truth"].max(), table["predicted"].max())) + 0.1
    bar = {"title": "error", "thickness": 12}
    kind = go.Scattergl if len(table) > 3000 else go.Scatter
    figure = go.Figure(
        kind(
            x=table["truth"], y=table["predicted"], mode="markers", customdata=[[clip] for clip in table.index], hovertext=words,
            hoverinfo="text", marker={"color": table["error"], "colorscale": "Viridis", "size": 9, "colorbar": bar},
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0.6}}, showlegend=False,
        )
    )  # fmt: skip
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", line={"color": QUIET, "dash": "dot"}, hoverinfo="skip", showlegend=False
    )
    figure.update_xaxes(title=f"True {plain(attribute)}", range=[low, high])
    figure.update_yaxes(title=f"Predicted {plain(attribute)}", range=[low, high])
    return figure.update_layout(height=440, margin={"l": 8, "r": 8, "t": 30, "b": 8}, dragmode=False)
