"""Simulates missing data: removes a modality, or some of its frames.

- goncalves2022robust, section 5.2.1: one whole modality is removed ("modality clipping").
- goncalves2022robust, section 5.2.2, and goncalves2025versatile, section V-B: 0 to 90 % of one modality's frames, chosen at
  random, in steps of 10 %.
- parthasarathy2020detecting, section 5.1: any share of either modality up to all of it, chosen at random, in ten trials.
- Bursts (a face turned away, a connection lost) and the tail (a stream that ends early) are this project's own.

The papers replace missing frames by zeros (``fill="zeros"``) in the model's input, that is by the training mean where features
are normalised. The default here is to mark them absent, so that the model only knows that they are missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.streams import Batch

RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

Pattern = Literal["random", "burst", "tail"]
Fill = Literal["absent", "zeros"]


@dataclass(frozen=True)
class Missing:
    """Which part of one modality is missing.

    Attributes:
        rate: share of a clip's present frames, 0 to 1: exactly ``round(rate * n)`` of n frames are removed.
        pattern: single frames, runs ("burst"), or the last ones ("tail").
        length: maximum frames per burst. The bursts of a clip have nearly equal lengths; two may touch.
        fill: removed frames become absent, or zeros that count as frames.
    """

    modality: str
    rate: float = 1.0
    pattern: Pattern = "random"
    length: int = 10
    fill: Fill = "absent"

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise UserError(f"A share of frames is between 0 and 1, not {self.rate:g}.")
        if self.pattern not in ("random", "burst", "tail"):
            raise UserError(f"Frames go missing at random, in a burst or from the tail, not as {self.pattern!r}.")
        if self.fill not in ("absent", "zeros"):
            raise UserError(f"What is missing is absent or zeros, not {self.fill!r}.")
        if self.length < 1:
            raise UserError(f"A burst has one frame or more, not {self.length}.")


def mask(batch: Batch, *missing: Missing, draws: int = 1, seed: int = 0, clips: Sequence[int] | None = None) -> Batch:
    """Remove frames, once for each draw.

    What a clip loses depends only on the seed, the draw, the modality and the clip's number: not on padding, the rest of the
    batch, the number of draws or other missing modalities. Frames removed at random at one rate are also removed at every higher
    rate of the same draw, so that curves over rates are smooth.

    Args:
        missing: one for each modality that loses frames.
        clips: [B], a number that identifies each clip within the corpus; default: the position in the batch.

    Returns:
        ``draws`` copies of the batch, concatenated: row d * B + b is draw d of clip b. The matching targets are
            ``repeated(target, draws)``. With one clip, copies share the memory of unchanged modalities.

    Raises:
        UserError: where a modality is not in the batch, or is named twice.
    """
    names = [loss.modality for loss in missing]
    unknown = [name for name in names if name not in batch.values]
    if unknown:
        raise UserError(f"There is no modality {unknown[0]!r} to mask; choose {' and '.join(batch)}.")
    if len(set(names)) < len(names):
        raise UserError("Name each modality at most once.")
    if draws < 1:
        raise UserError(f"Frames are drawn once or more, not {draws} times.")
    numbers = list(range(len(batch)) if clips is None else clips)
    if len(numbers) != len(batch):
        raise ValueError(f"{len(numbers)} numbers for {len(batch)} clips")
    values = {name: repeated(value, draws) for name, value in batch.values.items()}
    present = {name: repeated(there, draws) for name, there in batch.present.items()}
    for loss in missing:
        name = loss.modality
        left = present[name] & ~_lost(loss, present[name], numbers, draws, seed)
        values[name] = torch.where(left[..., None], values[name], 0)
        if loss.fill == "absent":
            present[name] = left
    return Batch(values, present)


def repeated(rows: Tensor, draws: int) -> Tensor:
    """Repeat [B, ...] ``draws`` times: [draws * B, ...]. A single row is expanded without a copy."""
    if len(rows) == 1:
        return rows.expand(draws, *rows.shape[1:])
    return rows.repeat(draws, *[1] * (rows.ndim - 1))


def _lost(missing: Missing, present: Tensor, clips: Sequence[int], draws: int, seed: int) -> Tensor:
    """[draws * B, T] bool, the frames to remove; rates count the present frames of a clip."""
    frames = present.sum(1)
    # In float64, as Python rounds.
    count = (missing.rate * frames.double()).round().long()
    if missing.pattern == "tail":
        lost = torch.arange(present.shape[1], device=present.device) >= (frames - count)[:, None]
    else:
        scores = _scores(missing.modality, clips, draws, present.shape[1], seed).to(present.device)
        lost = _runs(frames, count, missing.length if missing.pattern == "burst" else 1, scores)
    rank = (present.cumsum(1) - 1).clamp(min=0)
    return present & lost.gather(1, rank)


def _scores(modality: str, clips: Sequence[int], draws: int, length: int, seed: int) -> Tensor:
    """[draws * B, T] random numbers, one generator per draw and clip: a longer sequence starts with the shorter one."""
    name = zlib.crc32(modality.encode())
    streams = [np.random.default_rng([seed, name, draw, clip]) for draw in range(draws) for clip in clips]
    return torch.from_numpy(np.stack([random.random(length) for random in streams]))


def _runs(frames: Tensor, count: Tensor, length: int, scores: Tensor) -> Tensor:
    """[R, T] bool: ``count`` [R] of the first ``frames`` [R] places, in runs of at most ``length``.

    Runs and kept frames are shuffled: the lowest scores become runs.
    """
    place = torch.arange(scores.shape[1], device=scores.device)
    runs = (count + length - 1) // length
    pieces = frames - count + runs
    order = scores.masked_fill(place >= pieces[:, None], torch.inf).argsort(1).argsort(1)
    is_run = order < runs[:, None]
    which, many = is_run.cumsum(1) - 1, runs.clamp(min=1)[:, None]
    size = torch.where(is_run, count[:, None] // many + (which < count[:, None] % many), 1)
    end = size.cumsum(1)
    edges = torch.zeros(len(frames), scores.shape[1] + 1, dtype=torch.long, device=scores.device)
    for bound, step in ((end - size, 1), (end, -1)):
        edges.scatter_add_(1, bound.clamp(max=scores.shape[1]), step * is_run.long())
    return edges.cumsum(1)[:, :-1] > 0
