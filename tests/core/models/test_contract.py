"""What every system promises: one test a promise, over all systems at demo size and over what their options change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import pytest
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS, AVModel, ModelOutput
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class Case:
    system: str
    preset: str = "demo"
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.system, self.preset, *(f"{k}={v}" for k, v in self.changes.items())])

    def model(self) -> AVModel:
        torch.manual_seed(0)
        return MODELS[self.system].preset(self.preset, **self.changes).eval()


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "affect-rnn": [{"fc": 0}],
    "affect-transformer": [{"residual": False}],
    "auxformer": [
        {"positions": False},
        *({"refine": refine} for refine in ("none", "lstm", "gru")),
        *({"token": token} for token in ("prepended", "mean")),
        {"auxiliary": False, "project_audio": True},
    ],
    "double-attention": [
        *({"attentions": row} for row in ("AT", "VS", "VS+VC", "VS+VC+VT")),
        # As the paper has them, and as checkpoints of before do.
        {"residual": False, "temporal_residual": False},
        {"temporal_residual": False, "width": 64},
        {"depth": 50, "visual_width": 4, "channels": 3, "side": 32, "audio_channels": 3},
    ],
    "sfav": [{"fusion": "lt"}, {"fusion": "it"}, {"fusion": "ia", "heads": 4}],
    "tlstm": [{"labels": ("sentiment",), "task": "regression"}],
    "uavm": [
        {"steps": 7, "idle_parts": True, "audio_dim": 64},
        {"labels": ("arousal", "valence"), "task": "regression"},
    ],
    "vavl": [
        {"shared_residual": False},
        {"reconstruct": False},
        {"audiovisual": "mean"},
        {"labels": ("arousal", "valence"), "task": "regression"},
    ],
}
DEMOS = [Case(name, preset) for name in MODELS for preset in MODELS[name].presets() if preset.startswith("demo")]
CASES = DEMOS + [Case(name, "demo", changes) for name, all_changes in OPTIONS.items() for changes in all_changes]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def batch_of(model: AVModel, lengths: Sequence[Sequence[int]], seed: int = 1) -> Batch:
    """Random features; row i has ``lengths[i][j]`` frames of the j-th modality, 0 for none."""
    make = torch.Generator().manual_seed(seed)
    values, present = {}, {}
    for j, (name, dim) in enumerate(model.spec.inputs.items()):
        frames = torch.tensor([row[j % len(row)] for row in lengths])
        longest = max(1, int(frames.max()))
        values[name] = torch.randn(len(lengths), longest, dim, generator=make)
        present[name] = torch.arange(longest) < frames[:, None]
    return Batch.of(present=present, **values)


def rows(batch: Batch, index: Sequence[int] | torch.Tensor) -> Batch:
    return Batch({k: v[index] for k, v in batch.values.items()}, {k: v[index] for k, v in batch.present.items()})


def trimmed(batch: Batch) -> Batch:
    """Without the padding at the end."""
    stop = {k: max(1, int(v.any(0).nonzero().max()) + 1 if v.any() else 1) for k, v in batch.present.items()}
    return Batch({k: v[:, : stop[k]] for k, v in batch.values.items()}, {k: v[:, : stop[k]] for k, v in batch.present.items()})


@torch.inference_mode()
def ask(model: AVModel, batch: Batch, attention: bool = False) -> ModelOutput:
    return model(batch, attention)


def assert_same(a: ModelOutput, b: ModelOutput, tolerance: float) -> None:
    for part in ("predictions", "embeddings", "reconstruction"):
        for name, value in getattr(a, part).items():
            torch.testing.assert_close(
                value, getattr(b, part)[name], atol=tolerance, rtol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
            )


def assert_same_frames(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> None:
    """Predictions by frame may differ in how much padding follows."""
    shorter = min(a.shape[1], b.shape[1]) if a.ndim == 3 else None
    torch.testing.assert_close(a[:, :shorter], b[:, :shorter], atol=tolerance, rtol=tolerance)


@every_case
def test_any_subset_of_the_modalities_is_answered(case):
    model = case.model()
    whole = batch_of(model, [(9, 7), (4, 12)])
    for size in range(1, len(model.spec.inputs) + 1):
        for names in combinations(model.spec.inputs, size):
            given = Batch({n: whole.values[n] for n in names}, {n: whole.present[n] for n in names})
            output = ask(model, given)
            outputs = len(model.spec.labels)
            for head in model.spec.heads:
                prediction = output.predictions[head]
                assert torch.isfinite(prediction).all()
                assert (prediction.shape[0], prediction.shape[-1]) == (2, outputs)
                assert prediction.ndim == (3 if model.spec.reference else 2)
                expected = bool(set(model.spec.modalities[head]) & set(names))
                assert output.evidence[head].tolist() == [expected] * 2
            assert torch.isfinite(model.decide(output)).all()
            absent = whole
            for name in set(model.spec.inputs) - set(names):
                absent = absent.without(name)
            for head, prediction in ask(model, absent).predictions.items():
                assert_same_frames(prediction, output.predictions[head], 1e-5)


@every_case
def test_lengths_from_one_to_two_thousand_share_a_batch(case):
    model = case.model()
    # What a paper varies is held to shorter clips: two thousand frames of each would take minutes.
    longest = 200 if case.changes else 2000
    lengths = [(longest, 1), (1, longest), (40, 23), (0, 5)]
    together = batch_of(model, lengths)
    output = ask(model, together)
    for i in range(len(lengths)):
        alone = ask(model, trimmed(rows(together, [i])))
        for head, prediction in alone.predictions.items():
            assert torch.isfinite(prediction).all()
            assert_same_frames(output.predictions[head][[i]], prediction, 2e-5)


@every_case
def test_absent_frames_cannot_influence_the_answer(case):
    """Their values are replaced behind the batch's back, which zeroes them, and frames of noise are added at the end."""
    model = case.model()
    whole = batch_of(model, [(30, 21), (12, 21), (30, 8)])
    keep = {
        name: mask & (torch.rand(mask.shape, generator=torch.Generator().manual_seed(3)) > 0.4)
        for name, mask in whole.present.items()
    }
    masked = whole.masked(**keep)
    dirty = {n: torch.where(masked.present[n][..., None], v, 7.0 * torch.ones_like(v)) for n, v in masked.values.items()}
    expected = ask(model, masked)
    assert_same(expected, ask(model, Batch.of(present=masked.present, **dirty)), 0)
    longer = Batch(
        {n: torch.cat([v, torch.zeros_like(v[:, :9])], 1) for n, v in masked.values.items()},
        {n: torch.cat([v, torch.zeros_like(v[:, :9])], 1) for n, v in masked.present.items()},
    )
    for head, prediction in ask(model, longer).predictions.items():
        assert_same_frames(prediction, expected.predictions[head], 2e-6)


@every_case
def test_the_order_of_clips_cannot_influence_the_answer(case):
    model = case.model()
    batch = batch_of(model, [(20, 15), (3, 15), (20, 4), (0, 9), (11, 0)])
    order = torch.tensor([3, 0, 4, 2, 1])
    straight, shuffled = ask(model, batch), ask(model, rows(batch, order))
    for head, prediction in shuffled.predictions.items():
        torch.testing.assert_close(prediction, straight.predictions[head][order], atol=2e-6, rtol=2e-6)


@every_case
def test_attention_rows_sum_to_one_over_present_frames(case):
    model = case.model()
    batch = batch_of(model, [(20, 15), (3, 15), (20, 1), (0, 9), (11, 0)])
    batch = batch.masked(**{name: torch.arange(mask.shape[1]) != 2 for name, mask in batch.present.items()})
    output = ask(model, batch, attention=True)
    declared = {(a.name, a.query, a.key, layer, a.heads) for a in model.spec.attention for layer in range(a.layers)}
    assert {(m.name, m.query, m.key, m.layer, m.weights.shape[1]) for m in output.attention} == declared
    for attention in output.attention:
        # Frames that a system adds to align the modalities are not there.
        query, key = batch.present[attention.query], batch.present[attention.key]
        weights = attention.weights[:, :, : query.shape[1], : key.shape[1]]
        assert (weights >= 0).all()
        asked = query & key.any(1, keepdim=True)
        sums = weights.sum(-1).transpose(1, 2)[asked]
        torch.testing.assert_close(sums, torch.ones_like(sums))
        assert weights.masked_fill(key[:, None, None], 0).abs().max() == 0
        assert attention.weights[..., key.shape[1] :].numel() == 0 or attention.weights[..., key.shape[1] :].abs().max() == 0
    # Deep trunks that are not trained yet give large logits, whose weights round.
    assert_same(ask(model, batch), output, 1e-5)
    assert ask(model, batch).attention == ()


@every_case
def test_gradients_reach_every_parameter_that_is_used(case):
    """Parts that a docstring calls idle are named so."""
    model = case.model().train()
    for seed in range(4):
        output = model(batch_of(model, [(20, 20), (9, 14), (20, 20), (13, 20), (0, 9), (11, 0), (20, 20), (16, 16)], seed))
        (
            sum(p.square().sum() for p in output.predictions.values())
            + sum(r.square().sum() for r in output.reconstruction.values())
        ).backward()
    unreached = [
        n for n, p in model.named_parameters() if not n.startswith("idle") and (p.grad is None or not p.grad.abs().max() > 0)
    ]
    assert unreached == []


@every_case
def test_saved_and_loaded_it_gives_the_same_numbers(case, tmp_path):
    model = case.model()
    batch = batch_of(model, [(20, 15), (3, 15)])
    checkpoints.save(tmp_path / "one.safetensors", model, checkpoints.Normaliser(), {})
    loaded = checkpoints.load(tmp_path / "one.safetensors")
    assert loaded.spec == model.spec
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[name]), name
    # Loaded weights lie elsewhere in memory, and some kernels sum in another order there.
    assert_same(ask(model, batch), ask(loaded.model, batch), 1e-6)


@every_case
def test_nothing_at_all_gives_the_prior_and_a_flag(case):
    model = case.model()
    model.prior.copy_(torch.randn(len(model.spec.labels)))
    output = ask(model, batch_of(model, [(0, 0), (0, 0)]))
    assert not any(flags.any() for flags in output.evidence.values())
    for prediction in (*output.predictions.values(), model.decide(output)):
        torch.testing.assert_close(prediction, model.prior.expand_as(prediction))
