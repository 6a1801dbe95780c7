"""Integrated gradients (Sundararajan et al. 2017), with Captum's definition; tests compare the two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from affectscope.core.explain.paths import NotApplicable


def integrated(
    score: Callable[[Tensor], Tensor], values: Tensor, baseline: Tensor, steps: int = 32, at_once: int = 8
) -> tuple[Tensor, float]:
    """Attribution of a score to each value, on the straight path from a baseline: difference times mean gradient.

    Args:
        score: values [G, ...] -> scores [G], one per row.
        values, baseline: [...].
        steps: points of Gauss-Legendre quadrature, as Captum's "gausslegendre".

    Returns:
        [...] float32, and how far their sum is from score(values) - score(baseline).

    Raises:
        NotApplicable: when ``score``, which may be user code, is not differentiable.
    """
    shares, weights = (part.to(values) for part in quadrature(steps))
    change = values - baseline
    total = torch.zeros_like(values)
    with torch.enable_grad():
        for share, weight in zip(shares.split(at_once), weights.split(at_once), strict=True):
            grown = (1, *values.shape)
            rows = (baseline + share.view(-1, *[1] * values.ndim) * change.expand(grown)).requires_grad_(True)
            (slope,) = _slopes(score, rows)
            if slope is not None:
                total += torch.einsum("g,g...->...", weight, slope)
    found = (change * total).detach()
    with torch.no_grad():
        ends = score(torch.stack([values, baseline]))
    return found, float(found.double().sum() - (ends[0] - ends[1]))


def quadrature(steps: int) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes in 0..1 and their weights, [steps] each, float64."""
    nodes, sizes = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy((1 + nodes) / 2), torch.from_numpy(sizes / 2)


def _slopes(score: Callable[[Tensor], Tensor], rows: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient of each row's score on that row; None where the score does not depend on it."""
    scores = score(rows)
    if not scores.requires_grad:
        raise NotApplicable("no gradient of the answer reaches the sound")
    try:
        return torch.autograd.grad(scores.sum(), rows, allow_unused=True)
    except RuntimeError as error:
        raise NotApplicable(f"torch cannot take a gradient through the network ({str(error).splitlines()[0][:120]})") from error
