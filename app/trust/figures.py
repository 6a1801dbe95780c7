"""Deletion and insertion curves over a corpus, as a Plotly figure of print quality."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from affectscope.core.trust.corpus import CURVES
from affectscope.core.trust.curves import interval

_LINES: dict[str, tuple[str, str, str]] = {
    "": ("the map", "#0072b2", "solid"),
    "random_": ("other places", "#8c8c8c", "dash"),
    "untrained_": ("random weights", "#d55e00", "dot"),
}
_HEIGHT = 340


def curves_figure(table: pd.DataFrame, task: str = "classification") -> go.Figure:
    """Means over the clips of one explanation with 95 % intervals (bootstrap over clips), deletion beside insertion.

    Args:
        table: rows of ``core.trust.corpus.over_corpus``.
    """
    figure = make_subplots(cols=2, subplot_titles=("Deletion", "Insertion"), shared_yaxes=True, horizontal_spacing=0.06)
    for column, kind in enumerate(("deletion", "insertion"), 1):
        names = [name for name in CURVES if name.startswith(kind)]
        shares = [100 * float(name.removeprefix(f"{kind}_")) for name in names]
        for before, (title, colour, dash) in _LINES.items():
            points = [table[f"{before}{name}"].to_numpy(float) for name in names]
            means = [float(np.nanmean(values)) if np.isfinite(values).any() else np.nan for values in points]
            low, high = zip(*(interval(values) for values in points), strict=True)
            line: dict[str, Any] = {"color": colour, "dash": dash, "width": 2}
            spread = {
                "type": "data", "symmetric": False, "array": np.subtract(high, means), "arrayminus": np.subtract(means, low),
                "color": colour, "thickness": 1, "width": 3,
            }  # fmt: skip
            figure.add_scatter(
                x=shares, y=means, mode="lines+markers", name=title, line=line, error_y=spread, legendgroup=title,
                showlegend=column == 1, row=1, col=column,
            )  # fmt: skip
        figure.update_xaxes(title=f"places {'taken away' if kind == 'deletion' else 'put back'} (%)", row=1, col=column)
    figure.update_yaxes(title="probability of the class" if task == "classification" else "value", row=1, col=1)
    figure.update_layout(
        height=_HEIGHT, margin={"l": 8, "r": 8, "t": 32, "b": 8}, legend={"orientation": "h", "y": -0.28}, hovermode="x unified"
    )
    return figure
