"""A small model over any modalities, whose answers can be worked out by hand, and clips for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.models.base import AVModel, ModelOutput, ModelSpec
from affectscope.core.streams import Batch, Stream
from affectscope.core.why.asking import Question

LABELS = ("anger", "joy", "neutral")
STEP = 0.25


@dataclass(frozen=True)
class Config:
    dims: Mapping[str, int] = field(default_factory=lambda: {"audio": 4, "visual": 3})
    task: str = "classification"
    by_frame: bool = False


class Small(AVModel):
    """Each modality's logits are a bent sum over its present frames; the main head adds them, and a product of the modalities."""

    config_type = Config

    def __init__(self, config: Config | None = None, seed: int = 0) -> None:
        config = config or Config()
        names = tuple(config.dims)
        heads = ("av", *names)
        labels = LABELS if config.task == "classification" else ("arousal", "valence")
        spec = ModelSpec(
            system="small", inputs=dict(config.dims), labels=labels, heads=heads, task=config.task,  # type: ignore[arg-type]
            modalities={h: names if h == "av" else (h,) for h in heads}, decision=heads,
            reference=names[0] if config.by_frame else None,
        )  # fmt: skip
        super().__init__(config, spec)
        chance = torch.Generator().manual_seed(seed)
        self.weights = {m: torch.randn(d, len(labels), generator=chance) for m, d in config.dims.items()}
        self.eval()

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        if self.config.by_frame:
            batch = batch.synchronous()
        logits: dict[str, Tensor] = {}
        for m, weight in self.weights.items():
            frames = batch.values[m].tanh() @ weight * batch.present[m][..., None]
            logits[m] = frames if self.config.by_frame else frames.sum(1) / 3
        parts = torch.stack(list(logits.values()))
        logits["av"] = parts.sum(0) + 0.5 * parts.prod(0)
        predictions, evidence = self.answers({h: logits[h] for h in self.spec.heads}, batch)
        return ModelOutput(predictions, evidence)


def clip(dims: Mapping[str, int], frames: Mapping[str, int], seconds: float = 1.0, seed: int = 1) -> dict[str, Stream]:
    """Random streams, so many frames each, evenly over the clip."""
    chance = np.random.default_rng(seed)
    return {
        m: Stream(
            chance.standard_normal((frames[m], dim), np.float32),
            (np.arange(frames[m]) + 0.5) * seconds / max(1, frames[m]),
            np.ones(frames[m], bool),
        )
        for m, dim in dims.items()
    }


def question(
    config: Config | None = None, seed: int = 1, frames: Mapping[str, int] | None = None, stats: bool = True, **asked: object
) -> Question:
    """A second of every modality: 8 frames of the first, 4 of the others."""
    model = Small(config)
    dims = model.spec.inputs
    frames = frames or {m: 8 if i == 0 else 4 for i, m in enumerate(dims)}
    mean = {m: torch.zeros(d) for m, d in dims.items()} if stats else {}
    normaliser = Normaliser(mean, {m: torch.ones(len(v)) for m, v in mean.items()})
    checkpoint = Checkpoint(model, normaliser, {"features": {"audio": "llds", "visual": "face-maps"}})
    return Question(checkpoint, clip(dims, frames, seed=seed), 1.0, **asked)  # type: ignore[arg-type]
