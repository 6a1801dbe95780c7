"""A model that has learnt nothing: what an explanation says of it can only be chance, or not about the model."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.models.base import AVModel
from affectscope.core.trust.randomised import untrained


def random_like(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """The checkpoint with fresh weights; nothing is known of its confidence."""
    model = cast(AVModel, untrained(checkpoint.model, seed))
    return replace(checkpoint, model=model.eval(), known=None, digest=f"{checkpoint.digest} random {seed}")
