"""Limits disk usage: deletes the oldest recomputable files, and uploads that nobody opens."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from affectscope.core.cache import disk
from affectscope.core.cache.store import cache_root

MADE_AGAIN = ("analyses", "browser", "compared", "exports", "grids", "lists", "maps", "notes", "thumbs", "whys")
MOST_BYTES = 4 << 30
UPLOAD_DAYS = 30
_DAY = 24 * 3600


def tidy() -> None:
    """Clean up, except for files used within a day. Incomplete files are deleted too."""
    for folder in (cache_root(), *(path for path in cache_root().glob("*/") if path.is_dir())):
        disk.sweep(folder)
    made = [path for name in MADE_AGAIN for path in (cache_root() / name).glob("*") if path.is_file()]
    room = MOST_BYTES
    for changed, size, path in sorted(_facts(made), reverse=True):
        room -= size
        if room < 0 and time.time() - changed > _DAY:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    _expire()


def _expire() -> None:
    """Delete own clips that nobody has opened for long, with all derived data."""
    # A circular import otherwise: it needs the services, which import this module.
    from affectscope.app.own import removal

    files = [path for path in (cache_root() / "uploads").glob("*") if path.is_file()]
    # A clip is several files named by its id; opening it renews one of them.
    opened: dict[str, float] = {}
    for changed, _, path in _facts(files):
        opened[_clip(path)] = max(changed, opened.get(_clip(path), 0))
    for clip_id, last in opened.items():
        if clip_id and time.time() - last > UPLOAD_DAYS * _DAY:
            removal.remove(clip_id)
    for path in files:
        # Uploads interrupted by a server stop.
        if path.name.startswith(".incoming-") and disk.abandoned(path):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _clip(path: Path) -> str:
    return path.name.split(".")[0]


def _facts(paths: Iterable[Path]) -> Iterable[tuple[float, int, Path]]:
    """Each file's modification time and size; files that were just deleted are left out."""
    for path in paths:
        with suppress(OSError):
            stat = path.stat()
            yield stat.st_mtime, stat.st_size, path
