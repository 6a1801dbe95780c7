"""Every system of the papers against a second writing of it (``tests.rewrites``): what it answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from affectscope.core.models.base import AVModel, ModelOutput
from tests.rewrites import detecting, robust, versatile
from tests.rewrites.made import batch_of, made_clips, small, weights_of

SMALL = {"width": 12, "heads": 3, "layers": 2}
CONFORMER = {"projected": 4, "width": 8, "heads": 2, "layers": 2, "kernel": 5}
LOST = ({}, {0: "visual", 2: "audio"})


def asked(model: AVModel, clips) -> ModelOutput:
    with torch.inference_mode():
        return model(batch_of(clips))


def near(ours: Tensor, theirs: Tensor) -> None:
    assert theirs.abs().max() > 1e-3
    torch.testing.assert_close(ours.double(), theirs, atol=2e-5, rtol=1e-5)


def holds(output: ModelOutput, model: AVModel, rows: list[dict[str, Tensor]]) -> None:
    """Heads with evidence say what the rewrite says, the others the prior."""
    for head in model.spec.heads:
        for i, row in enumerate(rows):
            assert bool(output.evidence[head][i]) == (head in row), (head, i)
            if head in row:
                near(output.predictions[head][i], row[head])
            else:
                torch.testing.assert_close(output.predictions[head][i], model.prior)


AUXFORMERS = [
    {},
    {"positions": False},
    {"refine": "none"},
    {"refine": "lstm"},
    {"refine": "gru"},
    {"token": "mean"},
    {"token": "prepended"},
    {"auxiliary": False},
]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("changes", AUXFORMERS, ids=str)
def test_auxformer(changes, lost):
    model, clips = small("auxformer", **SMALL, aux_hidden=(7, 9), **changes), made_clips(lost=lost)
    output, w = asked(model, clips), weights_of(model)
    rows = [robust.auxformer(w, model.config, clip) for clip in clips]
    holds(output, model, [logits for logits, _ in rows])
    for i, (logits, vectors) in enumerate(rows):
        for name, vector in vectors.items():
            near(output.embeddings[name][i], vector)
        near(model.decide(output)[i], torch.stack(list(logits.values())).mean(0))


def test_auxformer_says_the_same_with_its_maps():
    """The source has two roads: over all frames, and over those alone that are read."""
    model, clips = small("auxformer", **SMALL, aux_hidden=(7, 9)), made_clips(lost=LOST[1])
    lean, full = asked(model, clips), model(batch_of(clips), attention=True)
    for head, logits in lean.predictions.items():
        torch.testing.assert_close(full.predictions[head], logits, atol=1e-5, rtol=0)


def test_auxformer_with_nothing_answers_with_the_prior():
    model = small("auxformer", **SMALL, aux_hidden=(7, 9))
    clips = made_clips()
    nothing = batch_of(clips).without("audio").without("visual")
    with torch.inference_mode():
        output = model(nothing)
    assert not any(flags.any() for flags in output.evidence.values())
    torch.testing.assert_close(model.decide(output), model.prior.expand(len(clips), -1))


@pytest.mark.parametrize("modality", ["audio", "visual"])
def test_baseline_4(modality):
    model, clips = small("unimodal-attention", **SMALL, modality=modality, aux_hidden=(7, 9)), made_clips()
    w = weights_of(model)
    holds(asked(model, clips), model, [robust.unimodal_attention(w, model.config, clip) for clip in clips])


@pytest.mark.parametrize("lost", LOST)
def test_mult(lost):
    model, clips = small("mult", **SMALL, memory_layers=2), made_clips(lost=lost)
    w = weights_of(model)
    holds(asked(model, clips), model, [robust.mult(w, model.config, clip) for clip in clips])


@pytest.mark.parametrize("lost", LOST)
def test_crossmodal(lost):
    model, clips = small("crossmodal", **SMALL), made_clips(lost=lost)
    w = weights_of(model)
    holds(asked(model, clips), model, [robust.crossmodal(w, model.config, clip) for clip in clips])


SHAPES = ((6, 6), (4, 4), (5, 5), (6, 6))
GAPS = {"audio": ((2,), (0,), (0, 4), (1,)), "visual": ((), (0,), (2,), (1, 2))}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("preset", ["paper", "paper-residual", "paper-visual"])
def test_affect_transformer(preset, lost):
    lost = {} if preset == "paper-visual" else lost
    model, clips = small("affect-transformer", preset, **SMALL), made_clips(SHAPES, GAPS, lost)
    w, residual = weights_of(model), preset == "paper-residual"
    _by_frame(model, clips, [detecting.affect_transformer(w, model.config, clip, PRIOR, residual) for clip in clips])


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("preset", ["paper", "paper-visual", "paper-audio", "paper-static"])
def test_affect_rnn(preset, lost):
    lost = lost if preset == "paper" else {}
    model, clips = small("affect-rnn", preset, width=7, fc=9), made_clips(SHAPES, GAPS, lost)
    _by_frame(model, clips, [detecting.affect_rnn(weights_of(model), model.config, clip, PRIOR) for clip in clips])


PRIOR = torch.tensor([0.3, -0.2], dtype=torch.float64)


def _by_frame(model: AVModel, clips, rows: list[Tensor]) -> None:
    model.prior.copy_(PRIOR)
    answers_by_clip = asked(model, clips).predictions[model.spec.heads[0]]
    for answers, expected in zip(answers_by_clip, rows, strict=True):
        near(answers[: len(expected)], expected)


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("changes", [{}, {"shared_residual": False}, {"audiovisual": "mean"}, {"reconstruct": False}], ids=str)
def test_vavl(changes, lost):
    model, clips = small("vavl", **CONFORMER, shared_layers=2, hidden=(7, 9), **changes), made_clips(lost=lost)
    output, rows = asked(model, clips), versatile.vavl(weights_of(model), model.config, clips)
    holds(
        output, model, [{head: clip_answers[head] for head in model.spec.heads if head in clip_answers} for clip_answers in rows]
    )
    assert set(output.reconstruction) == (set() if changes == {"reconstruct": False} else {"audio", "visual"})
    for m, rebuilt in output.reconstruction.items():
        for i, clip_answers in enumerate(rows):
            if f"rebuilt {m}" in clip_answers:
                near(rebuilt[i], clip_answers[f"rebuilt {m}"])


@pytest.mark.parametrize("modality", ["audio", "visual"])
def test_unimodal_conformer(modality):
    model, clips = small("unimodal-conformer", **CONFORMER, hidden=9, modality=modality), made_clips()
    holds(asked(model, clips), model, versatile.unimodal_conformer(weights_of(model), model.config, clips))


@pytest.mark.parametrize("lost", LOST)
def test_uavm(lost):
    model = small("uavm", width=12, heads=3, layers=2, shared_layers=2, steps=3)
    clips, w = made_clips(lost=lost), weights_of(model)
    holds(asked(model, clips), model, [versatile.uavm(w, model.config, clip) for clip in clips])


@pytest.mark.parametrize("lost", LOST)
def test_tlstm(lost):
    model, clips = small("tlstm", **SMALL, recurrent=7), made_clips(lost=lost)
    w = weights_of(model)
    holds(asked(model, clips), model, [versatile.tlstm(w, model.config, clip) for clip in clips])


@pytest.mark.parametrize("lost", LOST)
def test_sfav(lost):
    model = small("sfav", audio_channels=(4, 6, 5, 4), visual_channels=(5, 4, 6, 4))
    clips = made_clips(lost=lost)
    holds(asked(model, clips), model, versatile.sfav(weights_of(model), model.config, clips))
