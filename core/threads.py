"""One thread pool that fits the machine."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Any


def fit_thread_pools() -> None:
    """Keep torch and OpenCV from crowding each other: on few cores their pools slow one another many times over.

    ``OMP_NUM_THREADS``, where set, is left to decide for torch.
    """
    import cv2
    import torch

    cv2.setNumThreads(1)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))


class Turns:
    """A lock that is had in the order in which it was asked for, as a context.

    ``threading.Lock`` mostly goes to whoever asks again at once: what asks a model a thousand times in a row would keep it.
    """

    def __init__(self) -> None:
        self._waiting: deque[object] = deque()
        self._change = threading.Condition()

    def __enter__(self) -> None:
        mine = object()
        with self._change:
            self._waiting.append(mine)
            try:
                self._change.wait_for(lambda: self._waiting[0] is mine)
            except BaseException:
                self._waiting.remove(mine)
                raise

    def __exit__(self, *_: Any) -> None:
        with self._change:
            self._waiting.popleft()
            self._change.notify_all()
