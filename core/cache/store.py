"""Derived data on disk: content-addressed, written atomically, sealed. Half a file is never read, a damaged one is a miss."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from affectscope.core.cache import disk, sealed
from affectscope.core.cache.disk import write_atomically
from affectscope.core.cache.roots import cache_root

__all__ = [
    "Arrays",
    "FeatureStore",
    "cache_root",
    "content_hash",
    "derived",
    "key_of",
    "of_clip",
    "packed_arrays",
    "read_arrays",
    "write_atomically",
]

Arrays = dict[str, np.ndarray]
# Hexadecimal digits of a clip's content that keys begin with.
_BEGINNING = 16


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


class FeatureStore:
    """Arrays by key: one compressed ``.npz`` each under ``root``, with read-only stores consulted after it.

    The read-only ones let a corpus ship its features with its clips. What was stored before keys named their clip (``of_clip``),
    and what is shipped, is found by the rest of the key.

    Args:
        strict: whether a disk that refuses ends the work; else what was made is held in memory, and that is said once.
    """

    def __init__(self, root: Path | None = None, shipped: Sequence[Path] = (), strict: bool = False) -> None:
        self.root = root or cache_root() / "features"
        self.shipped, self.strict = tuple(shipped), strict

    def get(self, key: str) -> Arrays | None:
        for folder in (self.root, *self.shipped):
            for name in dict.fromkeys((key, key.rpartition("-")[2])):
                # What is shipped has no seal, but the checksums of a zip.
                arrays = read_arrays(folder / f"{name}.npz", old=folder is not self.root)
                if arrays is not None:
                    return arrays
        return None

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """
        Raises:
            OSError: when the disk refuses.
        """
        sealed.write(self._place(key), packed_arrays(arrays))

    def get_or_make(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        arrays = self.get(key)
        if arrays is None:
            arrays = make()
            try:
                self.put(key, arrays)
            except OSError as error:
                if self.strict:
                    raise
                disk.trouble(error)
                sealed.hold(self._place(key), packed_arrays(arrays))
        return arrays

    def _place(self, key: str) -> Path:
        return self.root / f"{key}.npz"


def packed_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as an ``.npz``'s bytes."""
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def read_arrays(path: Path, old: bool = False) -> Arrays | None:
    """The arrays of a sealed ``.npz``, or None when it is missing or damaged. Objects are never unpickled.

    Args:
        old: whether one without a seal is read too; then its zip's own checksums have to do.
    """
    content = sealed.read(path, old)
    if content is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            # Read to the end, each part's checksum is compared; NumPy alone stops short of it.
            parts = {name.removesuffix(".npy"): file.read(name) for name in file.namelist()}
        # A length in the zip's list of parts that is damaged can swallow parts; their number stands at its end.
        if not parts or len(parts) != int.from_bytes(content[-12:-10], "little"):
            return None
        return {name: np.lib.format.read_array(io.BytesIO(part), allow_pickle=False) for name, part in parts.items()}
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, SyntaxError, zipfile.BadZipFile, zlib.error):
        return None
