"""Sound, picture and text: the third modality is arrays of somebody's own, and the analysis knows it as it knows the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import affectscope as afs
from affectscope.core.evaluation.grid import response_grid
from affectscope.core.features.extract import extract
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored import arrays as stored
from affectscope.core.perturbation import Perturbation
from affectscope.core.wrapping.declared import WRAPPED

CLIP, WORDS = "held_s2026_00000", 7


class Three(nn.Module):
    """Words look at faces."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.audio, self.visual, self.text = nn.Linear(130, 8), nn.Linear(135, 8), nn.Linear(50, 8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, audio, visual, text):
        words, faces = self.text(text), self.visual(visual)
        read, _ = self.attn(words, faces, faces)
        heard = torch.tanh(self.audio(audio).mean(1))
        return {"all": self.out(read.mean(1) + heard), "text": self.out(words.mean(1))}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> afs.Model:
    monkeypatch.setattr(WRAPPED, "_entries", {})
    monkeypatch.setattr(stored, "BOUND", {})
    monkeypatch.setattr(FEATURE_SETS, "_entries", dict(FEATURE_SETS._entries))
    np.save(tmp_path / f"{CLIP}.npy", np.random.default_rng(0).standard_normal((WORDS, 50)).astype(np.float32))
    afs.arrays("my-words", tmp_path, modality="text")
    inputs = {"audio": "llds", "visual": "face-maps", "text": "my-words"}
    three = afs.model("three", labels=["a", "b", "c"], inputs=inputs)(lambda: Three())
    three.attention("reads", query="text", key="visual", module="attn")
    return afs.load("three")


def test_it_is_analysed_with_all_three(model: afs.Model) -> None:
    assert model.checkpoint.spec.modalities == {"all": ("audio", "visual", "text"), "text": ("text",)}
    result = model.analyze(afs.corpus("demo").media(CLIP))
    assert result.evidence == {"all": True, "text": True}
    (matrix,) = result.timeline.matrices
    assert (matrix.query, matrix.key, len(matrix.query_times)) == ("text", "visual", WORDS)
    assert list(result.heatmaps) == ["all"]
    np.testing.assert_allclose(result.predictions.sum(1), 1, atol=1e-6)


def test_any_share_of_each_is_asked_for(model: afs.Model) -> None:
    analyzer, media = model.analyzer, afs.corpus("demo").media(CLIP)
    extraction = extract(media, analyzer.store, sets=analyzer.sets)
    grid = response_grid(model.checkpoint, analyzer.streams(extraction), extraction.duration, Perturbation(), shares=(0, 100))
    assert grid.modalities == ("audio", "visual", "text")
    answers, evidence = grid.answers["text"].reshape(2, 2, 2, 3), grid.evidence["text"].reshape(2, 2, 2)
    # The head of words hears and sees nothing.
    np.testing.assert_allclose(answers[0, 0, 1], answers[1, 1, 1], atol=1e-6)
    assert (evidence == [[[False, True]] * 2] * 2).all()
