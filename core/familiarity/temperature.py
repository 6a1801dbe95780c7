"""Temperature scaling (Guo et al. 2017, section 4.2): calibrated confidence by one divisor of the logits."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# There is no optimum for a model that is always right, nor for one at chance.
COOLEST, HOTTEST = 0.2, 20.0
_STEPS = 100


def fit(logits: Tensor, target: Tensor) -> float:
    """The temperature with minimum cross-entropy, between 0.2 and 20; 1 without answers. Predicted classes do not change.

    Args:
        logits: [N, C]; target: [N] class indices.
    """
    if not len(logits):
        return 1.0
    # The caller may be in inference mode, which has no gradients.
    with torch.inference_mode(False), torch.enable_grad():
        answers, true = logits.detach().clone().double(), target.clone()
        # Optimise the logarithm, so that the temperature stays positive.
        log = torch.zeros((), dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS([log], max_iter=_STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            value = F.cross_entropy(answers / log.clamp(math.log(COOLEST), math.log(HOTTEST)).exp(), true)
            value.backward()
            return value

        optimiser.step(loss)  # type: ignore[no-untyped-call]
        return min(HOTTEST, max(COOLEST, float(log.detach().exp())))


def energy(logits: Tensor) -> Tensor:
    """[...] of [..., C]: the free energy, low where some logit is high (Liu et al. 2020, Eq. 4, temperature 1)."""
    return -logits.logsumexp(-1)
