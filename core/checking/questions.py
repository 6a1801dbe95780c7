"""Inputs for checks: synthetic clips on a model's usual scale, and the difference of two outputs."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.features.sets import FEATURE_SETS, FeatureSet
from affectscope.core.models.base import AVModel, ModelOutput, ModelSpec
from affectscope.core.streams import Batch

# Maximum number of values per modality, which limits the frames of pictures.
_MOST_VALUES = 4_000_000
_LONGEST, _SHORTEST = 1500, 60

Frames = Mapping[str, int]


@dataclass(frozen=True)
class Subject:
    """A model under test, in evaluation mode where it supports that."""

    checkpoint: Checkpoint

    @property
    def model(self) -> AVModel:
        return self.checkpoint.model

    @property
    def spec(self) -> ModelSpec:
        return self.checkpoint.spec

    def alike(self, frames: int) -> dict[str, int]:
        """The same number of frames in every modality."""
        return dict.fromkeys(self.spec.inputs, frames)

    def longest(self) -> int:
        """Number of frames of the longest test clip."""
        return max(_SHORTEST, min(_LONGEST, *(_MOST_VALUES // dim for dim in self.spec.inputs.values())))

    def draw(self, clips: Sequence[Frames], seed: int = 1) -> Batch:
        """Synthetic clips, given the frames per modality of each, 0 for none. Content depends on the seed and the position only.

        Features have mean 0 and standard deviation 1, as after normalisation; pixels are between black and white, and waveforms
        have the level of speech.
        """
        values, present = {}, {}
        for name, dim in self.spec.inputs.items():
            longest = max(1, *(clip.get(name, 0) for clip in clips))
            rows = [self._frames(name, longest, dim, f"{name} {place} {seed}") for place in range(len(clips))]
            values[name] = torch.stack(rows)
            present[name] = torch.stack([torch.arange(longest) < clip.get(name, 0) for clip in clips])
        return Batch.of(present=present, **values)

    def _frames(self, modality: str, frames: int, dim: int, seed: str) -> Tensor:
        make = torch.Generator().manual_seed(zlib.crc32(seed.encode()))
        features = self.features(modality)
        if features is not None and features.pixels:
            return features.low + (1 - features.low) * torch.rand(frames, dim, generator=make)
        drawn = torch.randn(frames, dim, generator=make)
        return 0.1 * drawn if features is not None and features.name.startswith("waveform") else drawn

    def features(self, modality: str) -> FeatureSet | None:
        """The model's feature set for a modality, if its spec names a known one."""
        name = self.spec.features.get(modality, "")
        return FEATURE_SETS.get(name) if name else None

    @torch.inference_mode()
    def ask(self, batch: Batch, attention: bool = False) -> ModelOutput:
        return self.model(batch, attention)


def rows(batch: Batch, index: Sequence[int]) -> Batch:
    """Some of a batch's clips, in this order."""
    chosen = list(index)
    return Batch({k: v[chosen] for k, v in batch.values.items()}, {k: v[chosen] for k, v in batch.present.items()})


def cut(batch: Batch, frames: Frames) -> Batch:
    """The first frames of every clip."""
    values = {k: v[:, : frames[k]] for k, v in batch.values.items()}
    return Batch(values, {k: v[:, : frames[k]] for k, v in batch.present.items()})


def lengthened(batch: Batch, frames: int) -> Batch:
    """The batch with absent frames appended to every modality."""
    values = {k: torch.cat([v, v.new_zeros(len(v), frames, v.shape[2])], 1) for k, v in batch.values.items()}
    return Batch(values, {k: torch.cat([v, v.new_zeros(len(v), frames)], 1) for k, v in batch.present.items()})


def moved(before: ModelOutput, after: ModelOutput, row: int | None = None) -> float:
    """The largest difference of a head's logits (or values) or of an embedding between two outputs.

    Relative to the largest value if that is above 1.

    Args:
        row: the clip of ``before`` that ``after`` is about; default: all.
    """
    pairs = [(before.predictions[name], after.predictions[name]) for name in before.predictions]
    pairs += [(value, after.embeddings[name]) for name, value in before.embeddings.items() if name in after.embeddings]
    return max((_apart(a if row is None else a[row : row + 1], b) for a, b in pairs), default=0.0)


def _apart(a: Tensor, b: Tensor) -> float:
    a, b = a.detach().cpu().double(), b.detach().cpu().double()
    # Per-frame outputs may differ in the amount of padding.
    if a.ndim == 3 and b.ndim == 3:
        shorter = min(a.shape[1], b.shape[1])
        a, b = a[:, :shorter], b[:, :shorter]
    if a.shape != b.shape:
        return float("inf")
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        return float("inf")
    return float((a - b).abs().max() / a.abs().max().clamp(min=1)) if a.numel() else 0.0
