"""What all charts share."""

from __future__ import annotations

from typing import Any


def config(picture: str, name: str) -> dict[str, Any]:
    """Plotly's own: the camera alone, which saves a picture of the kind chosen under this name."""
    return {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": picture, "filename": name, "scale": 2},
    }
