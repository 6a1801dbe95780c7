"""Shared settings of charts."""

from __future__ import annotations

from typing import Any


def config(picture: str, name: str) -> dict[str, Any]:
    """Plotly's config: only the camera button, which saves a picture of the given type and name."""
    return {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": picture, "filename": name, "scale": 2},
    }
