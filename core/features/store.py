"""Derived data on disk: content-addressed, written atomically. A half-written file is never read, a broken one is a miss."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import platformdirs

Arrays = dict[str, np.ndarray]
# Hexadecimal digits of a clip's content that keys begin with.
_BEGINNING = 16


def cache_root() -> Path:
    """Where generated data goes: ``$AFFECTSCOPE_CACHE``, else the platform's cache folder."""
    given = os.environ.get("AFFECTSCOPE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("affectscope"))


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, remembered while its size and time of change stay the same."""
    stat = path.stat()
    return _hash_file(str(path.resolve()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=20_000)
def _hash_file(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_of(*parts: object) -> str:
    """A short stable key of anything that JSON can write."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def of_clip(content: str, key: str) -> str:
    """The key of what was made from one clip: it begins as the clip's content does, so that ``derived`` finds it.

    Args:
        content: the clip's ``content_hash``, or another key of this kind.
    """
    return f"{content[:_BEGINNING]}-{key}"


def derived(content: str) -> list[Path]:
    """The files of the cache that were made from the clip with this ``content_hash``, in whatever folder."""
    return sorted(cache_root().glob(f"*/{of_clip(content, '*')}"))


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial-{uuid.uuid4().hex}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class FeatureStore:
    """Arrays by key: one compressed ``.npz`` each under ``root``, with read-only stores consulted after it.

    The read-only ones let a corpus ship its features with its clips. What was stored before keys named their clip (``of_clip``),
    and what is shipped, is found by the rest of the key.
    """

    def __init__(self, root: Path | None = None, shipped: Sequence[Path] = ()) -> None:
        self.root = root or cache_root() / "features"
        self.shipped = tuple(shipped)

    def get(self, key: str) -> Arrays | None:
        for folder in (self.root, *self.shipped):
            for name in dict.fromkeys((key, key.rpartition("-")[2])):
                arrays = read_arrays(folder / f"{name}.npz")
                if arrays is not None:
                    return arrays
        return None

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

        write_atomically(self.root / f"{key}.npz", write)

    def get_or_make(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found


def read_arrays(path: Path) -> Arrays | None:
    """The arrays of an ``.npz``, or None when it is missing or broken. Objects are never unpickled."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error):
        return None
