"""Reads batches from a packed store at the speed of the disk."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.features.base import from_pixels
from affectscope.core.features.stored.packed import PackedStreams, Place, read
from affectscope.core.features.stored.shards import Reading
from affectscope.core.models.base import ModelSpec
from affectscope.core.streams import Batch

# Number of batches to prefetch, some ten megabytes each.
AHEAD = 3
READERS = min(4, os.cpu_count() or 1)
# Bytes per unit of work: small enough to stay in a core's cache between reading and normalising, large enough for little
# synchronisation.
PIECE = 4 << 20
# Arrays from this size on are reused: allocating memory takes as long as reading a file into it.
WORTH_KEEPING = 1 << 20
# Reference count of an unused array: the list, a loop variable, and getrefcount's argument.
_FREE = 3


class Batched(Protocol):
    """A dataset for ``AheadLoader``: its items are batches, indexed by lists of clips."""

    def expect(self, places: list[int]) -> Any: ...

    def batch(self, expected: Any) -> Any: ...


class AheadLoader(DataLoader):
    """A data loader that announces the next batches, so that its ``Batched`` dataset can prefetch during training."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        dataset: Batched = self.dataset  # type: ignore[assignment]
        coming: deque[Any] = deque()
        for places in super().__iter__():
            coming.append(dataset.expect(places))
            if len(coming) > AHEAD:
                yield dataset.batch(coming.popleft())
        while coming:
            yield dataset.batch(coming.popleft())


class Memory:
    """A pool of arrays, each reused when nobody references it or a view of it."""

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...], kind: type) -> np.ndarray:
        """As ``np.empty``."""
        count = int(np.prod(shape))
        if count * np.dtype(kind).itemsize < WORTH_KEEPING:
            return np.empty(shape, kind)
        free = None
        for kept in self._kept:
            if sys.getrefcount(kept) == _FREE and kept.dtype == kind:
                if len(kept) >= count:
                    return kept[:count].reshape(shape)
                free = kept
        # Drop one that is too small, so that the pool does not outgrow the number of batches in use.
        self._kept = [kept for kept in self._kept if kept is not free]
        self._kept.append(np.empty(count + count // 4, kind))
        return self._kept[-1][:count].reshape(shape)


Expected = tuple[list[int], Mapping[str, list[Place | None]]]


class PackedBatches(Dataset):
    """Clips of a packed store, read directly into batches. Implements ``Batched``."""

    def __init__(
        self,
        clips: Sequence[PackedStreams],
        spec: ModelSpec,
        normaliser: Normaliser,
        answers: Callable[[list[int], Batch], Tensor],
    ) -> None:
        """Open the clips.

        Args:
            spec: of the model to train.
            answers: (indices, batch) -> targets.

        Raises:
            ValueError: when the store's features have another width.
        """
        for name, dim in spec.inputs.items():
            wrong = {clip.sets[name].dim for clip in clips if name in clip} - {dim}
            if wrong:
                raise ValueError(f"the {name} features are {wrong.pop()} a frame where the model expects {dim}")
        self._clips, self._spec, self._normaliser, self._answers = clips, spec, normaliser, answers
        self._lie = {name: [(clip, clip.number(name)) for clip in clips] for name in spec.inputs}
        self._memory, self._threads = Memory(), ThreadPoolExecutor(READERS)

    def __len__(self) -> int:
        return len(self._clips)

    def __getitems__(self, places: list[int]) -> list[int]:
        return places

    def expect(self, places: list[int]) -> Expected:
        found = {
            name: [None if number is None else clip.sets[name].place(number) for clip, number in (lie[place] for place in places)]
            for name, lie in self._lie.items()
        }
        for place in (place for row in found.values() for place in row if place):
            place.expect()
        return places, found

    def batch(self, expected: Expected) -> tuple[Batch, Tensor]:
        places, found = expected
        batch = self._read(places, found)
        return batch, self._answers(places, batch)

    def _read(self, places: list[int], found: Mapping[str, list[Place | None]]) -> Batch:
        pieces: list[_Piece] = []
        values, present = {}, {}
        for name, lie in found.items():
            counts = np.array([place.frames if place else 0 for place in lie])
            length = max(1, int(counts.max()))
            values[name] = self._memory.empty((len(lie), length, self._spec.inputs[name]), np.float32)
            present[name] = np.arange(length) < counts[:, None]
            for row, place in enumerate(lie):
                if place and not place.whole:
                    present[name][row, : place.frames] = place.present
            pieces += self._pieces(name, lie, values[name], present[name])
        # This thread reads as well, instead of waiting to be woken up.
        others = [self._threads.submit(self._fill, pieces[first::READERS]) for first in range(1, READERS)]
        self._fill(pieces[::READERS])
        for other in others:
            other.result()
        return Batch({n: torch.from_numpy(v) for n, v in values.items()}, {n: torch.from_numpy(v) for n, v in present.items()})

    def _pieces(self, name: str, lie: Sequence[Place | None], values: np.ndarray, present: np.ndarray) -> Iterator[_Piece]:
        pixels = any(place and place.set.pixels for place in lie)
        low = next((place.set.low for place in lie if place), -1.0)
        raw = self._memory.empty(values.shape, np.uint8) if pixels else values
        rows = max(1, PIECE // values[0].nbytes)
        for i in range(0, len(lie), rows):
            readings = [place.reading(out) for place, out in zip(lie[i : i + rows], raw[i : i + rows], strict=True) if place]
            yield _Piece(name, readings, raw[i : i + rows] if pixels else None, values[i : i + rows], ~present[i : i + rows], low)

    def _fill(self, pieces: Sequence[_Piece]) -> None:
        for name, readings, raw, values, absent, low in pieces:
            read(readings)
            if raw is not None:
                from_pixels(raw, values, low)
            if name in self._normaliser.mean:
                self._normaliser.apply(name, torch.from_numpy(values))
            values[absent] = 0


class _Piece(NamedTuple):
    """Some rows of one modality of a batch: pixels are read to ``raw`` first, and byte 0 is mapped to ``low``."""

    name: str
    readings: list[Reading]
    raw: np.ndarray | None
    values: np.ndarray
    absent: np.ndarray
    low: float
