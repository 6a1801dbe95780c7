"""How long media are, as their headers say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from core.features import sealed
from core.features.store import cache_root, key_of


def length(path: Path) -> float | None:
    """A file's length in seconds as its header says; None where it says none, or cannot be read."""
    import av

    try:
        with av.open(str(path)) as container:
            if container.duration is not None:
                return container.duration / av.time_base
            stream = next(iter(container.streams), None)
            return float(stream.duration * stream.time_base) if stream and stream.duration and stream.time_base else None
    except (av.error.FFmpegError, OSError):
        return None


def frame_rate(path: Path) -> float | None:
    """A video's frames a second, None where it has no picture or cannot be read."""
    import av

    try:
        with av.open(str(path)) as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
            return float(rate) if rate else None
    except (av.error.FFmpegError, OSError):
        return None


def lengths(paths: pd.Series, progress: Callable[[int, int], None] | None = None) -> pd.Series:
    """The lengths of many files in seconds; what was found out is kept while they do not change.

    Args:
        paths: clip -> file.
    """
    stats = [(str(path), path.stat()) for path in paths]
    key = key_of([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats])
    file = cache_root() / "lengths" / f"{key}.json"
    if (known := sealed.read_json(file)) is not None:
        return pd.Series(known, dtype=float).reindex(paths.index)
    found: dict[str, float | None] = {}
    for clip, path in paths.items():
        found[str(clip)] = length(path)
        if progress:
            progress(len(found), len(paths))
    sealed.keep_json(file, found)
    return pd.Series(found, dtype=float)
