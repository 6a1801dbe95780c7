"""What the server keeps on disk does not grow for ever: the oldest of what can be made again goes, and uploads nobody opens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from core.features.store import cache_root

MADE_AGAIN = ("analyses", "browser", "compared", "exports", "grids", "lists", "maps", "notes", "thumbs")
MOST_BYTES = 4 << 30
UPLOAD_DAYS = 30
_DAY = 24 * 3600


def tidy() -> None:
    """Leaves alone what was made or opened within a day: somebody may be looking at it."""
    made = [path for name in MADE_AGAIN for path in (cache_root() / name).glob("*") if path.is_file()]
    room = MOST_BYTES
    for changed, size, path in sorted(_facts(made), reverse=True):
        room -= size
        if room < 0 and time.time() - changed > _DAY:
            path.unlink(missing_ok=True)
    uploads = [path for path in (cache_root() / "uploads").glob("*") if path.is_file()]
    # An upload is several files, all named by its id; opening it renews one of them.
    opened: dict[str, float] = {}
    for changed, _, path in _facts(uploads):
        opened[_upload(path)] = max(changed, opened.get(_upload(path), 0))
    for path in uploads:
        if time.time() - opened.get(_upload(path), time.time()) > UPLOAD_DAYS * _DAY:
            path.unlink(missing_ok=True)


def _upload(path: Path) -> str:
    return path.name.split(".")[0]


def renew(path: Path) -> None:
    """Say that a file is in use."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY:
            os.utime(path)


def _facts(paths: Iterable[Path]) -> Iterable[tuple[float, int, Path]]:
    """When each file was changed, and its size; those that somebody else has just deleted are left out."""
    for path in paths:
        with suppress(OSError):
            stat = path.stat()
            yield stat.st_mtime, stat.st_size, path
