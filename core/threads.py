"""Sizes thread pools to the machine, and a fair lock."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Any


def fit_thread_pools() -> None:
    """Limit the thread pools of torch and OpenCV, which slow each other down many times over on few cores.

    ``OMP_NUM_THREADS``, if set, takes precedence for torch.
    """
    import cv2
    import torch

    cv2.setNumThreads(1)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))


class Turns:
    """A fair lock (first come, first served), as a context manager.

    ``threading.Lock`` is mostly reacquired by the thread that released it: a loop of a thousand forward passes would keep it.
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
