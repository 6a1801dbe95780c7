"""One thread pool that fits the machine."""

from __future__ import annotations

import os


def fit_thread_pools() -> None:
    """Keep torch and OpenCV from crowding each other: on few cores their pools slow one another many times over.

    ``OMP_NUM_THREADS``, where set, is left to decide for torch.
    """
    import cv2
    import torch

    cv2.setNumThreads(1)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
