"""The selection and the URL say the same."""

from __future__ import annotations

import pytest

from affectscope.app.common.session import STRONGEST, Selection, from_query, to_query

FULL = Selection(
    "demo", "clip 7&x", "auxformer", "fear", {"map.method": "t-SNE", "masking.audio": "0.3"},
    {
        "time": 1.24, "map": "visual", "heat": False, "scale": "frame", "opacity": 0.4, "threshold": 0.35, "speed": 0.5,
        "loop": True, "muted": True, "layer": 1, "head": 3, "matrix": "cross.audio",
        "sources": {"audio": "attention.audio.fused"},
    },
)  # fmt: skip


def test_round_trip() -> None:
    assert from_query(to_query(FULL)) == FULL


def test_defaults_are_not_written() -> None:
    assert to_query(Selection(view={"time": STRONGEST, "opacity": 0.6, "scale": "clip", "head": -1})) == {}
    # The beginning is a choice: a clip opens where its heatmap is strongest.
    assert to_query(Selection(view={"time": 0.0})) == {"t": "0.0"}


@pytest.mark.parametrize(
    "query",
    [
        {"opacity": "much"},
        {"t": "NaN"},
        {"t": "[1]"},
        {"loop": "3"},
        {"head": "true"},
        {"speed": '"fast"'},
        {"t": "1e999"},
        {"scale": "moon"},
    ],
)
def test_nonsense_is_left_at_its_default(query: dict[str, str]) -> None:
    assert to_query(from_query(query)) == {}


def test_values_are_held_to_their_range() -> None:
    view = from_query({"opacity": "7", "t": "-3", "speed": "100", "layer": "2.0"}).view
    assert view == {"opacity": 1.0, "time": STRONGEST, "speed": 2.0, "layer": 2}
