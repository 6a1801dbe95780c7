"""Checksums of stored checkpoints, in files beside them: ``.NAME.sum``.

Only for checkpoints in our own folders: users may change theirs, and safetensors has no checksum.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from affectscope.core.cache import sealed
from affectscope.core.cache.store import content_hash


def stamp(path: Path) -> None:
    """Store the checksum of a ``.safetensors`` file.

    Raises:
        OSError: when it cannot be written.
    """
    sealed.write_json(_place(path), {"all": content_hash(path), "header": _header(path)})


def is_stamped(path: Path) -> bool:
    """Whether a file has a stored checksum."""
    return _place(path).is_file()


def unchanged(path: Path, header: bool = False) -> bool:
    """Whether a file, or its header, matches its stored checksum; True without one.

    Raises:
        OSError: when it cannot be read.
    """
    known = sealed.read_json(_place(path)) or {}
    if header:
        return "header" not in known or known["header"] == _header(path)
    return "all" not in known or known["all"] == content_hash(path)


def _place(path: Path) -> Path:
    return path.with_name(f".{path.name}.sum")


def _header(path: Path) -> str:
    with path.open("rb") as file:
        size = file.read(8)
        length = min(int.from_bytes(size, "little"), path.stat().st_size)
        return hashlib.blake2b(size + file.read(length), digest_size=16).hexdigest()
