"""Reading batches of a packed store at the speed of its files."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from torch.utils.data import DataLoader

# Batches that the system is told of before they are read: some ten megabytes each.
AHEAD = 3
READERS = 4
# Arrays of so many bytes and more are kept: fresh memory takes as long to get as a file to read into it.
WORTH_KEEPING = 1 << 20
# Names for an array that nobody but the list that keeps it holds: the list, a loop's variable, the argument of getrefcount.
_FREE = 3


class Batched(Protocol):
    """What ``AheadLoader`` reads: a dataset whose items are batches, by the places of their clips."""

    def expect(self, places: list[int]) -> Any: ...

    def batch(self, expected: Any) -> Any: ...


class AheadLoader(DataLoader):
    """Tells its dataset which batches come next, so that the disk works while one is learned from. Its dataset is ``Batched``."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        dataset: Batched = self.dataset  # type: ignore[assignment]
        coming: deque[Any] = deque()
        for places in super().__iter__():
            coming.append(dataset.expect(places))
            if len(coming) > AHEAD:
                yield dataset.batch(coming.popleft())
        while coming:
            yield dataset.batch(coming.popleft())


class Readers:
    """A few threads that share out the rows of a batch: each copies from files, which leaves Python to the others."""

    def __init__(self) -> None:
        self._count = min(READERS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._count)

    def each(self, steps: Sequence[Callable[[], None]]) -> None:
        """Take all steps."""

        def some(first: int) -> None:
            for step in steps[first :: self._count]:
                step()

        for done in [self._pool.submit(some, first) for first in range(self._count)]:
            done.result()


class Memory:
    """Arrays for batches, taken up again as soon as nobody holds the batch, or any part of it, any more."""

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...], kind: type) -> np.ndarray:
        """As ``np.empty``."""
        count = int(np.prod(shape))
        if count * np.dtype(kind).itemsize < WORTH_KEEPING:
            return np.empty(shape, kind)
        free = None
        for one in self._kept:
            if sys.getrefcount(one) == _FREE and one.dtype == kind:
                if len(one) >= count:
                    return one[:count].reshape(shape)
                free = one
        # Of those that are too small one makes room, so that no more are kept than batches are in use.
        self._kept = [one for one in self._kept if one is not free]
        self._kept.append(np.empty(count + count // 4, kind))
        return self._kept[-1][:count].reshape(shape)
