"""Training regimes: each says what one step sees and what it minimises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from core.models.base import AVModel
from core.registry import Registry
from core.streams import Batch
from core.training.losses import shared_loss


class Regime(Protocol):
    """What one step does."""

    def loss(self, model: AVModel, batch: Batch, target: Tensor) -> Tensor: ...


REGIMES: Registry[type] = Registry("regime")


def head_weights(model: AVModel) -> dict[str, float]:
    """The lambdas of the losses: those of the model's config, else every head counts the same."""
    heads = model.spec.heads
    return dict(model.spec.loss_weights) or {head: 1 / len(heads) for head in heads}


@REGIMES.register("standard")
@dataclass(frozen=True)
class Standard:
    """Every clip whole (000 and 002, "standard training")."""

    def loss(self, model: AVModel, batch: Batch, target: Tensor) -> Tensor:
        return shared_loss(model(batch), target, head_weights(model))


@REGIMES.register("optimised")
@dataclass(frozen=True)
class Optimised:
    """Each batch in three random groups: 20 % without sound, 20 % without picture, 60 % whole (000, section 3.6)."""

    audio_share: float = 0.2
    visual_share: float = 0.2

    def loss(self, model: AVModel, batch: Batch, target: Tensor) -> Tensor:
        return shared_loss(model(self.ablate(batch)), target, head_weights(model))

    def ablate(self, batch: Batch) -> Batch:
        """Drop a modality from random rows; a row never loses the only modality that it has."""
        size = len(batch)
        order = torch.randperm(size)
        first, second = round(self.audio_share * size), round(self.visual_share * size)
        keep = {m: torch.ones(size, dtype=torch.bool) for m in ("audio", "visual")}
        keep["audio"][order[:first]] = False
        keep["visual"][order[first : first + second]] = False
        for m, other in (("audio", "visual"), ("visual", "audio")):
            keep[m] |= ~batch.present[other].any(1).cpu()
        return batch.masked(**{m: mask[:, None] for m, mask in keep.items()})
