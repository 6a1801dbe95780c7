"""The promises about where a model looks: its attention, and the gradients that heatmaps are made of."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from affectscope.core.checking.findings import Found, NotApplicable, broken, within, written
from affectscope.core.checking.promises import TOLERANCE
from affectscope.core.checking.questions import Subject, moved
from affectscope.core.models.base import AttentionMap
from affectscope.core.streams import Batch

# A slope is told from two answers that lie this far apart on the way of the gradient, in parts of what the frames vary.
_STEPS = (1e-1, 3e-2, 1e-2, 3e-3)
# What answers differ by in rounding, a hundred times the resolution of 32 bits.
_ROUNDING = 100 * torch.finfo(torch.float32).eps
# Of a slope: networks with kinks are not straight between the two.
_SLOPE = 0.1


def sums(subject: Subject) -> Found:
    """Each frame's attention, over all frames that it can look at, is 1 in all."""
    worst, count = 0.0, 0
    for attention, query, key in _maps(subject):
        asked = query & key.any(1, keepdim=True)
        weights = attention.weights[:, :, : query.shape[1]]
        if not torch.isfinite(weights).all() or weights.min() < -TOLERANCE:
            return broken(f"The attention {attention.name} has weights below 0, or that are no numbers.")
        totals = weights.sum(-1).transpose(1, 2)[asked]
        worst, count = max(worst, float((totals - 1).abs().max())), count + totals.numel()
    return within(worst, TOLERANCE, f"{count:,} rows sum to 1, but for {{}}")


def attended(subject: Subject) -> Found:
    """Frames that are absent, or lie after a clip's end, are not looked at."""
    worst = 0.0
    for attention, query, key in _maps(subject):
        weights = attention.weights[:, :, : query.shape[1]].clone()
        # Frames that a model adds to bring the modalities to one length are not there either.
        weights[..., : key.shape[1]] = weights[..., : key.shape[1]].masked_fill(key[:, None, None], 0)
        asked = (query & key.any(1, keepdim=True))[:, None, :, None]
        worst = max(worst, float((weights * asked).abs().max()))
    return within(worst, TOLERANCE, "An absent frame gets {} at most")


def asked(subject: Subject) -> Found:
    """The answer with attention is the answer without."""
    if not subject.spec.attention:
        raise NotApplicable("It returns no attention.")
    batch = _holey(subject)
    without, with_it = subject.ask(batch), subject.ask(batch, attention=True)
    if without.attention:
        return broken("It returns its attention without being asked, which costs every page time and memory.")
    return within(moved(without, with_it), TOLERANCE, "Asking for it moves the answer by {}")


def gradients(subject: Subject) -> Found:
    """What the heatmaps are made of: the slope of the answer along what is seen, confirmed by two answers."""
    if "visual" not in subject.spec.inputs:
        raise NotApplicable("It sees nothing.")
    batch = subject.draw([subject.alike(24)])
    seen = batch.values["visual"].clone().requires_grad_(True)
    with torch.enable_grad():
        score, target = _score(subject, batch, seen)
        if not score.requires_grad:
            return broken("The answer has no gradient at all: something in the model detaches it, or runs without gradients.")
        slope = torch.autograd.grad(score, seen, allow_unused=True)[0]
    if slope is None or not bool((slope != 0).any()):
        return broken("No gradient reaches what the model sees: heatmaps would be empty.")
    if not torch.isfinite(slope).all():
        return broken("The gradient is not a number.")
    steepest, reached = float(slope.norm()), f"They reach {int((slope != 0).any(-1).sum())} of {seen.shape[1]} frames"
    if 2 * _STEPS[0] * steepest < _ROUNDING * max(1.0, float(score.detach().abs())):
        return Found(f"{reached}, with a slope of {written(steepest)}: too little for two answers to confirm it.")
    away = min(abs(_told(subject, batch, slope, target, step) / steepest - 1) for step in _STEPS)
    what = f"{reached}; two answers along them differ from their slope of {written(steepest)} by {{}} of it"
    return within(away, _SLOPE, what)


def _score(subject: Subject, batch: Batch, seen: Tensor, target: int | None = None) -> tuple[Tensor, int]:
    """The system's answer for its strongest class as a function of what is seen."""
    output = subject.model(Batch({**batch.values, "visual": seen}, batch.present))
    answer = subject.model.decide(output)
    answer = (answer.mean(1) if answer.ndim == 3 else answer)[0]
    chosen = int(answer.abs().argmax()) if target is None else target
    return answer[chosen], chosen


def _told(subject: Subject, batch: Batch, slope: Tensor, target: int, step: float) -> float:
    """The slope along the gradient, from an answer on either side."""
    way = slope / slope.norm() * step
    here = batch.values["visual"]
    with torch.no_grad():
        above, below = (float(_score(subject, batch, here + sign * way, target)[0].double()) for sign in (1, -1))
    return (above - below) / (2 * step)


def _holey(subject: Subject) -> Batch:
    """Clips of several lengths, without their third frame."""
    batch = subject.draw([subject.alike(20), subject.alike(5), subject.alike(11)])
    return batch.masked(**{name: torch.arange(mask.shape[1]) != 2 for name, mask in batch.present.items()})


def _maps(subject: Subject) -> Iterator[tuple[AttentionMap, Tensor, Tensor]]:
    """Each attention map with the presence of its queries and keys."""
    if not subject.spec.attention:
        raise NotApplicable("It returns no attention.")
    batch = _holey(subject)
    for attention in subject.ask(batch, attention=True).attention:
        yield attention, batch.present[attention.query], batch.present[attention.key]
