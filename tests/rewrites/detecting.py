"""parthasarathy2020detecting: the transformer and the recurrent models, an answer a frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.rewrites.plain import Clip, Weights, gru, linear, relu
from tests.rewrites.robust import cross_modal


def affect_transformer(w: Weights, config: Any, clip: Clip, prior: Tensor, residual: bool = False) -> Tensor:
    """[T, attributes]; modalities of a clip are as long as each other here. ``residual``: as goncalves2022robust reads it."""
    parts = cross_modal(w, config, clip, residual)
    answers = linear(w, "out", sum(parts.values()))
    return _held([clip[m][1] for m in parts], answers, prior)


def affect_rnn(w: Weights, config: Any, clip: Clip, prior: Tensor) -> Tensor:
    """Each modality's GRU skips what is absent and holds its state; the fusion skips frames that hold nothing at all."""
    streams = {}
    for m in config.modalities:
        values, present = clip[m]
        x = relu(linear(w, "fc", values)) if m == "visual" and config.fc else values
        if config.layers:
            states = gru(w, f"recurrent.{m}", x[present], config.layers) if present.any() else x
            held, last = [], torch.zeros(config.width, dtype=torch.float64)
            for t in range(len(present)):
                if present[t]:
                    last = states[int(present[:t].sum())]
                held.append(last)
            x = torch.stack(held)
        streams[m] = x
    h = torch.cat(list(streams.values()), 1)
    there = torch.stack([clip[m][1] for m in streams]).any(0)
    answers = torch.zeros(len(h), len(config.labels), dtype=torch.float64)
    if there.any():
        found = linear(w, "out", gru(w, "fusion", h[there], config.layers) if len(streams) > 1 else h[there])
        answers = torch.stack([found[int(there[:t].sum())] if there[t] else answers[t] for t in range(len(h))])
    return _held([clip[m][1] for m in streams], answers, prior)


def _held(present: list[Tensor], answers: Tensor, prior: Tensor) -> Tensor:
    """A frame that holds nothing keeps the last answer; before any, the prior."""
    last, rows = prior, []
    for t, answer in enumerate(answers):
        if any(bool(mask[t]) for mask in present):
            last = answer
        rows.append(last)
    return torch.stack(rows)


def concordance_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Eq. 2 over the frames of one sequence, [T, attributes]: the mean of 1 - CCC over attributes."""
    losses = []
    for x, y in zip(prediction.T, target.T, strict=True):
        covariance = ((x - x.mean()) * (y - y.mean())).mean()
        spread = (x - x.mean()).square().mean() + (y - y.mean()).square().mean()
        losses.append(1 - 2 * covariance / (spread + (x.mean() - y.mean()).square()))
    return torch.stack(losses).mean()
