"""A small model that keeps every promise, and the same with one fault each: what people get wrong."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.models.base import AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec
from affectscope.core.streams import Batch

DIMS = {"audio": 6, "visual": 8}
WIDTH = 5


@dataclass(frozen=True)
class Config:
    pass


def spec() -> ModelSpec:
    return ModelSpec(
        system="small",
        inputs=DIMS,
        labels=("anger", "joy", "neutral"),
        heads=("av",),
        modalities={"av": ("audio", "visual")},
        decision=("av",),
        attention=tuple(AttentionSpec(f"own.{m}", m, m, 1, 1) for m in DIMS),
        embeddings=("fused",),
    )


class Small(AVModel):
    """Each modality attends to itself; the means over present frames answer together."""

    config_type = Config

    def __init__(self) -> None:
        super().__init__(Config(), spec())
        torch.manual_seed(0)
        self.encoders = nn.ModuleDict({m: nn.Linear(dim, WIDTH) for m, dim in DIMS.items()})
        self.out = nn.Linear(2 * WIDTH, 3)
        self.eval()

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = self.completed(batch)
        maps, pooled = [], []
        for m in DIMS:
            there = self.there(batch.present[m])
            h = self.encode(m, batch.values[m], there)
            weights = self.weights(h, there)
            maps.append(AttentionMap(f"own.{m}", m, m, 0, self.shown(weights, h)[:, None]))
            pooled.append(self.pool(weights @ h, there))
        fused = torch.cat(pooled, 1)
        predictions, evidence = self.answers({"av": self.out(fused)}, batch)
        return ModelOutput(predictions, evidence, {"fused": fused}, tuple(maps) if attention else ())

    def completed(self, batch: Batch) -> Batch:
        return batch.completed(DIMS)

    def there(self, present: Tensor) -> Tensor:
        return present

    def encode(self, modality: str, values: Tensor, there: Tensor) -> Tensor:
        return self.encoders[modality](values).tanh() * there[..., None]

    def weights(self, h: Tensor, there: Tensor) -> Tensor:
        """[B, T, T]; a row of a clip without any frame is 0."""
        scores = (h @ h.transpose(1, 2)).masked_fill(~there[:, None], -torch.inf)
        return scores.softmax(-1).nan_to_num(0)

    def shown(self, weights: Tensor, h: Tensor) -> Tensor:
        return weights

    def pool(self, h: Tensor, there: Tensor) -> Tensor:
        return (h * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)


class SoftmaxOverPadding(Small):
    """The mask is forgotten in the softmax: padding takes its share, of zeros."""

    def weights(self, h, there):
        return (h @ h.transpose(1, 2)).softmax(-1)


class BatchNormInTraining(Small):
    """Frames are normalised by the batch's own statistics."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(WIDTH, track_running_stats=False).train()

    def encode(self, modality, values, there):
        h = super().encode(modality, values, there)
        return self.norm(h.transpose(1, 2)).transpose(1, 2) * there[..., None]


class LeakyAttention(Small):
    """The map that is returned is made before the mask."""

    def shown(self, weights, h):
        return (h @ h.transpose(1, 2)).softmax(-1)


class DropoutLeftOn(Small):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5).train()

    def pool(self, h, there):
        return self.drop(super().pool(h, there))


class KeepsState(Small):
    """What was answered last is a part of what is answered next."""

    last = 0.0

    def pool(self, h, there):
        pooled = super().pool(h, there) + self.last
        self.last = float(pooled.mean())
        return pooled


class AbsenceIsZeros(Small):
    """Frames before the last that is there all count, whatever is missing among them."""

    def there(self, present):
        return present.flip(1).cummax(1).values.flip(1)


class LooksAtItsRow(Small):
    """A table of positions is added along the batch instead of along time."""

    def pool(self, h, there):
        return super().pool(h, there) + 0.01 * torch.arange(len(h))[:, None]


class LogOfEnergy(Small):
    """Minus infinity for a frame of zeros."""

    def encode(self, modality, values, there):
        level = values.square().sum(-1, keepdim=True).log()
        return super().encode(modality, torch.where(there[..., None], values + level, 0.0), there)


class WantsBoth(Small):
    def completed(self, batch):
        return Batch({m: batch.values[m] for m in DIMS}, {m: batch.present[m] for m in DIMS})


class SigmoidAttention(Small):
    def weights(self, h, there):
        return (h @ h.transpose(1, 2)).sigmoid() * there[:, None]


class Detached(Small):
    def encode(self, modality, values, there):
        h = super().encode(modality, values, there)
        return h.detach() if modality == "visual" else h


class HalfDetached(Small):
    """Gradients reach the pixels, and are half of what they should be."""

    def encode(self, modality, values, there):
        h = super().encode(modality, values, there)
        return (h + h.detach()) / 2


class HardlyLooks(Small):
    """Its answer hangs on what it sees by less than 32 bits tell apart: no fault."""

    def encode(self, modality, values, there):
        h = super().encode(modality, values, there)
        return 1e-7 * h if modality == "visual" else h


class ThousandPositions(Small):
    def __init__(self):
        super().__init__()
        self.positions = nn.Embedding(1000, WIDTH)

    def encode(self, modality, values, there):
        return super().encode(modality, values, there) + self.positions(torch.arange(values.shape[1])) * there[..., None]


class AlwaysSure(Small):
    """It says that it has evidence whatever it is given."""

    def forward(self, batch, attention=False):
        output = super().forward(batch, attention)
        sure = {head: torch.ones_like(value) for head, value in output.evidence.items()}
        return ModelOutput(output.predictions, sure, output.embeddings, output.attention)


class OtherAnswerWithAttention(Small):
    def forward(self, batch, attention=False):
        output = super().forward(batch, attention)
        predictions = {head: value * (1 + 0.01 * attention) for head, value in output.predictions.items()}
        return ModelOutput(predictions, output.evidence, output.embeddings, output.attention)


class OtherThere(Small):
    """Elsewhere it answers otherwise."""

    away = False

    def to(self, device):
        self.away = device != "cpu"
        return super().to(device)

    def pool(self, h, there):
        return super().pool(h, there) * (1.5 if self.away else 1)


class NoEmbedding(Small):
    def forward(self, batch, attention=False):
        output = super().forward(batch, attention)
        return ModelOutput(output.predictions, output.evidence, {}, output.attention)


class SameForAll(Small):
    """What it was asked about first is what it answers to whatever has as many frames."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def encode(self, modality, values, there):
        first = self.kept.setdefault((modality, values.shape[1]), super().encode(modality, values, there)[:1])
        return first * there[..., None]


class Sigmoids(Small):
    """One for each label, where logits are meant."""

    def answers(self, logits, batch):
        predictions, evidence = super().answers(logits, batch)
        return {head: value.sigmoid() for head, value in predictions.items()}, evidence


class WritesOver(Small):
    """Done twice it changes nothing more, so that asking again tells nothing."""

    def encode(self, modality, values, there):
        return super().encode(modality, values.clamp_(-0.5, 0.5), there)


class SwitchesGradientsOff(Small):
    def pool(self, h, there):
        torch.set_grad_enabled(False)
        return super().pool(h, there)


class SeedsItsNoise(Small):
    """An augmentation that was left on, and is hidden by a seed."""

    def encode(self, modality, values, there):
        torch.manual_seed(0)
        return super().encode(modality, values, there) + 0.2 * torch.randn(WIDTH) * there[..., None]


class SeldomDrops(Small):
    """Every tenth time, by chance, what it sees is left out."""

    def encode(self, modality, values, there):
        h = super().encode(modality, values, there)
        return h * 0 if modality == "visual" and float(torch.rand(())) < 0.1 else h


class OthersCount(Small):
    """What clips of a batch have in common is taken from each."""

    def pool(self, h, there):
        pooled = super().pool(h, there)
        return pooled - 0.3 * pooled.mean(0, keepdim=True)


class MeanOverPadding(Small):
    def pool(self, h, there):
        return (h * there[..., None]).sum(1) / h.shape[1]


class Speechless(Small):
    def forward(self, batch, attention=False):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (20x6 and 7x5)\nmore of it")


def checkpoint(kind: type[AVModel]) -> Checkpoint:
    return Checkpoint(kind(), Normaliser(), {})
