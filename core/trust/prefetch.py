"""Prefetching in a second thread, and memoised answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from threading import Event
from types import TracebackType
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")
Report = Callable[[str, float], None]


class Prefetched(Generic[T]):
    """A lazy value that may be computed ahead of time in the second thread; otherwise on first access."""

    def __init__(self, make: Callable[[], T], begun: Future[T] | None = None) -> None:
        self._make, self._begun = make, begun

    @cached_property
    def value(self) -> T:
        """The value.

        Raises:
            Exception: whatever ``make`` raises.
        """
        if self._begun is not None and not self._begun.cancel():
            return self._begun.result()
        return self._make()


class Prefetcher:
    """A second thread, if there is a core for it. Its jobs must use their own copies of networks."""

    def __init__(self, alone: bool = False) -> None:
        """Start the thread.

        Args:
            alone: do not start one, for example for networks that may not be thread-safe.
        """
        self._pool = None if alone or (os.cpu_count() or 1) < 2 else ThreadPoolExecutor(1, "trust")
        self._go = Event()
        self._go.set()

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Cancel what has not been started."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def soon(self, make: Callable[[], T]) -> Prefetched[T]:
        """Queue a computation."""
        return Prefetched(make, None if self._pool is None else self._pool.submit(self._in_turn, make))

    def resting(self, report: Report) -> Report:
        """Wrap ``report`` so that no new job starts while it runs: it may wait while others need the machine."""

        def told(stage: str, share: float) -> None:
            self._go.clear()
            try:
                report(stage, share)
            finally:
                self._go.set()

        return told

    def _in_turn(self, make: Callable[[], T]) -> T:
        self._go.wait()
        return make()


class Remembered:
    """Answers memoised by state, shared by all maps."""

    def __init__(self, ask: Callable[[np.ndarray], np.ndarray]) -> None:
        """Wrap a function.

        Args:
            ask: states [G, ...] bool -> [G, ...].
        """
        self._ask = ask
        self._known: dict[bytes, np.ndarray] = {}

    def __call__(self, states: np.ndarray) -> np.ndarray:
        names = [np.packbits(state).tobytes() for state in states]
        new = {name: place for place, name in enumerate(names) if name not in self._known}
        if new:
            self._known |= zip(new, self._ask(states[list(new.values())]), strict=True)
        return np.stack([self._known[name] for name in names])
