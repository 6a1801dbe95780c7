"""An untrained model as a baseline: its explanations can only be chance, or independent of the model."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.models.base import AVModel
from affectscope.core.trust.randomised import untrained


def random_like(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """The checkpoint with random weights, and without calibration."""
    model = cast(AVModel, untrained(checkpoint.model, seed))
    return replace(checkpoint, model=model.eval(), known=None, digest=f"{checkpoint.digest} random {seed}")
