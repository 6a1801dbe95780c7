"""Durations and frame times of media, cached until the files change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectscope.core import media
from affectscope.core.cache import sealed
from affectscope.core.cache.store import FeatureStore, cache_root, key_of
from affectscope.core.errors import UserError

Progress = Callable[[int, int], None]


def length(path: Path) -> float | None:
    """A file's duration in seconds, from its header if that is reliable; None where it cannot be read."""
    try:
        return media.told_duration(path) or media.probe(path, float("inf")).duration
    except (UserError, OSError):
        return None


def frame_count(path: Path) -> int | None:
    """A video's number of frames, from its header if that states it; None where it cannot be read."""
    try:
        return media.told_frames(path) or len(frame_times(path))
    except (UserError, OSError):
        return None


def frame_times(path: Path) -> np.ndarray:
    """[F] seconds, a video's frame times, as ``core.media.frame_times``; cached, because long videos are slow to scan.

    Raises:
        UserError: when it cannot be read.
    """
    store = FeatureStore(cache_root() / "frames")
    return store.get_or_make(_key([path]), lambda: {"times": media.frame_times(path)})["times"]


def lengths(paths: pd.Series, progress: Progress | None = None) -> pd.Series:
    """``length`` of many files.

    Args:
        paths: clip -> file.
    """
    return _each("lengths", length, paths, progress)


def frame_counts(paths: pd.Series, progress: Progress | None = None) -> pd.Series:
    """``frame_count`` of many files.

    Args:
        paths: clip -> file.
    """
    return _each("frames", frame_count, paths, progress)


def _each(kind: str, find: Callable[[Path], Any], paths: pd.Series, progress: Progress | None) -> pd.Series:
    file = cache_root() / kind / f"{_key(list(paths))}.json"
    if (known := sealed.read_json(file)) is not None:
        return pd.Series(known, dtype=float).reindex(paths.index)
    values: dict[str, Any] = {}
    for clip, path in paths.items():
        values[str(clip)] = find(path)
        if progress:
            progress(len(values), len(paths))
    sealed.write_cached_json(file, values)
    return pd.Series(values, dtype=float)


def _key(paths: list[Path]) -> str:
    stats = [(str(path), path.stat()) for path in paths]
    return key_of([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats])
