"""The cache of derived data: content-addressed, written atomically, sealed. A damaged entry is a miss."""

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
# Hexadecimal digits of a clip's content hash at the start of its keys.
_BEGINNING = 16


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, memoised by size and modification time."""
    stat = path.stat()
    return _hash_file(str(path.resolve()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=20_000)
def _hash_file(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_of(*parts: object) -> str:
    """A short stable key of anything that JSON can represent."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def of_clip(content: str, key: str) -> str:
    """The key of data derived from one clip. Its prefix is the clip's, so that ``derived`` finds it.

    Args:
        content: the clip's ``content_hash``, or another key of this kind.
    """
    return f"{content[:_BEGINNING]}-{key}"


def derived(content: str) -> list[Path]:
    """All cached files derived from the clip with this ``content_hash``."""
    return sorted(cache_root().glob(f"*/{of_clip(content, '*')}"))


class FeatureStore:
    """Arrays by key: a compressed ``.npz`` each under ``root``, with read-only stores as fallbacks.

    Read-only stores let a corpus ship its features with its clips. Their entries, and those from before keys had a clip prefix
    (``of_clip``), are found by the rest of the key.

    Args:
        strict: whether write errors are raised; otherwise the arrays are kept in memory, and the error is reported once.
    """

    def __init__(self, root: Path | None = None, shipped: Sequence[Path] = (), strict: bool = False) -> None:
        self.root = root or cache_root() / "features"
        self.shipped, self.strict = tuple(shipped), strict

    def get(self, key: str) -> Arrays | None:
        for folder in (self.root, *self.shipped):
            for name in dict.fromkeys((key, key.rpartition("-")[2])):
                # Shipped files have no seal, only a zip's checksums.
                arrays = read_arrays(folder / f"{name}.npz", old=folder is not self.root)
                if arrays is not None:
                    return arrays
        return None

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store arrays.

        Raises:
            OSError: when they cannot be written.
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
                sealed.hold_in_memory(self._place(key), packed_arrays(arrays))
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
        old: also accept one without a seal, verified by its zip's checksums.
    """
    content = sealed.read(path, old)
    if content is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            # Read each part to the end, which verifies its checksum; NumPy stops earlier.
            parts = {name.removesuffix(".npy"): file.read(name) for name in file.namelist()}
        # A damaged length in the zip's directory can hide parts; their total is stored at its end.
        if not parts or len(parts) != int.from_bytes(content[-12:-10], "little"):
            return None
        return {name: np.lib.format.read_array(io.BytesIO(part), allow_pickle=False) for name, part in parts.items()}
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, SyntaxError, zipfile.BadZipFile, zlib.error):
        return None
