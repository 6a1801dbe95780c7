"""Missing data, made to order: what becomes of an answer when a modality, or some of its frames, are not there.

- goncalves2022robust, section 5.2.1: the whole of one modality is cut away ("modality clipping").
- goncalves2022robust, section 5.2.2, and goncalves2025versatile, section V-B: of one modality 0 to 90 % of the frames, chosen at
  random, in steps of 10 %.
- parthasarathy2020detecting, section 5.1: any share of either modality up to all of it, chosen at random, in ten trials.
- Bursts (a face turned away, a line that drops) and a tail (a stream that ends early) are this project's own.

The papers put zeros in place of what is missing (``fill="zeros"``): zeros of what a model takes, which is the training mean where
features are normalised. Here it is absent unless that is asked for: nothing of it reaches a model but that it is not there.
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
    """What of one modality is missing.

    Attributes:
        rate: the share of a clip's present frames, 0 to 1: of n frames ``round(rate * n)`` go, no more and no fewer.
        pattern: frames here and there, in runs ("burst"), or the last ones ("tail").
        length: frames of a burst, at most. Bursts of a clip are of nearly the same length; two may touch.
        fill: what is missing is absent, or zeros, which a model takes for frames.
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
    """Make frames absent, or zeros, as many times as there are draws.

    What a clip loses depends on the seed, the draw, the modality and the clip's number alone: not on padding, on its neighbours
    in the batch, on how many draws there are or on what else is missing. Frames that go at one rate at random are also gone at
    every higher rate of the same draw, so that a curve over rates is not rough by chance.

    Args:
        missing: one for each modality that loses something.
        clips: [B], a number for each clip that is its own throughout a corpus; their places in the batch where none are given.

    Returns:
        ``draws`` copies of the batch, one after the other: row d * B + b is draw d of clip b. The targets that go with it are
        ``repeated(target, draws)``. Of one clip, the copies of what it keeps whole share their memory.

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
    """[B, ...] as often as there are draws, one after the other: [draws * B, ...]. One row becomes many without a copy."""
    if len(rows) == 1:
        return rows.expand(draws, *rows.shape[1:])
    return rows.repeat(draws, *[1] * (rows.ndim - 1))


def _lost(missing: Missing, present: Tensor, clips: Sequence[int], draws: int, seed: int) -> Tensor:
    """[draws * B, T] bool, the frames to go: all computed among the present frames of a clip, in their order."""
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
    """[draws * B, T] random numbers, a stream for each draw of each clip: a longer one begins as a shorter one does."""
    name = zlib.crc32(modality.encode())
    streams = [np.random.default_rng([seed, name, draw, clip]) for draw in range(draws) for clip in clips]
    return torch.from_numpy(np.stack([random.random(length) for random in streams]))


def _runs(frames: Tensor, count: Tensor, length: int, scores: Tensor) -> Tensor:
    """[R, T] bool: ``count`` [R] of the first ``frames`` [R] places, in runs of at most ``length``.

    The runs and the frames that stay are put in random order: the lowest scores become runs.
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
