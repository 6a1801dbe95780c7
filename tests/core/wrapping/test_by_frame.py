"""Classes at every frame, in the player: what is read is probabilities, and the clip's answer is their mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import affectscope as afs
from affectscope.core.corpora import bundled
from affectscope.core.wrapping import declared as declarations


class Torn(nn.Module):
    """Joy is little likelier in most frames; in the last ones anger is far beyond all."""

    def forward(self, a, v):
        steps = torch.arange(v.shape[1])
        anger = torch.where(steps >= v.shape[1] - 3, 40.0, -1.0)
        return torch.stack([anger, torch.zeros_like(anger)], 1)[None] + 0 * v[..., :1] + a[..., :1] * 1e-9


class NoSlope(Torn):
    """A root of nothing: 0 is added, and its gradient is no number."""

    def forward(self, a, v):
        return super().forward(a, v) + (a - a.detach()).square().sum(-1, keepdim=True).sqrt()


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(declarations.WRAPPED, "_entries", dict(declarations.WRAPPED._entries))
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))


def analysed(build: type[nn.Module]):
    afs.model("torn", labels=["anger", "joy"], inputs={"audio": "llds", "visual": "face-maps"}, reference="visual")(
        lambda: build()
    )
    return afs.load("torn").analyze(bundled().media(bundled().table.index[0]))


def test_lanes_hold_probabilities_and_their_mean_is_the_answer() -> None:
    result = analysed(Torn)
    lane = next(lane for lane in result.timeline.lanes if lane.id == "prediction.av")
    assert lane.title == "Answer by frame, audio-visual head"
    assert lane.note == "Probability of each class at this frame."
    assert np.allclose(lane.values.sum(0), 1)
    assert lane.values[0, 0] == pytest.approx(1 / (1 + np.e), abs=1e-5)
    # Logits would say anger, 40 in three frames.
    assert result.decision == "joy"
    assert result.predictions.loc["decision", "joy"] == pytest.approx(lane.values[1].mean(), abs=1e-5)
    # And joy is what is explained.
    assert next(map for map in result.timeline.heatmaps if map.id == "av").title.endswith("why joy")


def test_a_map_that_is_no_number_is_not_shown_as_silence() -> None:
    result = analysed(NoSlope)
    assert not any(lane.id.startswith("sound.") for lane in result.timeline.lanes)
    assert any("is no number" in notice for notice in result.notices)
