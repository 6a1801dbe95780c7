"""Files with checksums ("seals"). A damaged file is a cache miss: no reader ever gets other bytes.

    any kind     the content, then ``\\nsealed-1 <BLAKE2b-128 of the content, in hexadecimal>\\n``
    MP4          the same, the last line in a box of its own (``free``), which players skip
    JSON object  ``{"sealed": "<BLAKE2b-128 of the text without this>", ...``, so that it stays JSON

If the disk fails, recomputable data is held in memory instead (``write_cached``). For other data the previous version stays
beside it, ``NAME.previous`` (``write_kept``, ``read_kept``).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from affectscope.core.cache import disk
from affectscope.core.cache.disk import write_atomically

_MARK = b"\nsealed-1 "
_DIGITS = 32
LENGTH = len(_MARK) + _DIGITS + 1
_BOX = struct.pack(">I4s", 8 + LENGTH, b"free")
_BEGINNING, _HEXADECIMAL = b'{"sealed": "', frozenset(b"0123456789abcdef")
_JSON = re.compile(rb'\A\{"sealed": "([0-9a-f]{32})",?')
_PIECE = 1 << 20
_MOST_HELD = 256 << 20
_MOST_KNOWN = 100_000

_LOCK = threading.Lock()
_HELD: OrderedDict[Path, bytes] = OrderedDict()
# Path -> (inode, size, modification time) of files that were verified.
_WHOLE: dict[Path, tuple[int, int, int]] = {}


def write(path: Path, content: bytes) -> None:
    """Write a file with its seal, atomically.

    Raises:
        OSError: when the file cannot be written.
    """
    write_atomically(path, lambda part: part.write_bytes(content + _seal(hashlib.blake2b(content, digest_size=_DIGITS // 2))))
    with _LOCK:
        _HELD.pop(path, None)


def fill(path: Path, make: Callable[[Path], object], video: bool = False) -> None:
    """As ``write``, for a file that ``make`` writes to the given path.

    Args:
        video: whether it is an MP4, and has to stay a valid one.
    """

    def sealed(part: Path) -> None:
        make(part)
        with part.open("r+b") as file:
            digest = hashlib.file_digest(file, _hash)
            file.seek(0, os.SEEK_END)
            if video:
                digest.update(_BOX)
                file.write(_BOX)
            file.write(_seal(digest))

    write_atomically(path, sealed)


def write_cached(path: Path, content: bytes) -> None:
    """As ``write``, for recomputable data: if the disk fails, keep it in memory and report that once."""
    try:
        write(path, content)
    except OSError as error:
        disk.trouble(error)
        hold_in_memory(path, content)
    else:
        disk.recovered()


def read(path: Path, old: bool = False) -> bytes | None:
    """The content of a sealed file, or None where it is missing or damaged.

    Args:
        old: also accept files without a seal, from before seals were introduced.
    """
    held = _HELD.get(path)
    if held is not None:
        return held
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = _unsealed(data)
    if content is None:
        _WHOLE.pop(path, None)
        return data if old and data and not _is_sealed(data) else None
    return content.removesuffix(_BOX) if path.suffix == ".mp4" else content


def is_intact(path: Path, old: bool = False) -> bool:
    """Whether ``read`` would succeed. A verified file is not read again until it changes."""
    if path in _HELD:
        return True
    try:
        facts = path.stat()
        mark = facts.st_ino, facts.st_size, facts.st_mtime_ns
        if _WHOLE.get(path) == mark:
            return True
        with path.open("rb") as file:
            whole = _checked(file, facts.st_size, old)
    except OSError:
        return False
    if whole:
        if len(_WHOLE) >= _MOST_KNOWN:
            _WHOLE.clear()
        _WHOLE[path] = mark
    return whole


def mark(path: Path) -> Hashable:
    """A token that changes whenever ``read`` may return something else, for memoisation; None where there is no file."""
    held = _HELD.get(path)
    if held is not None:
        return id(held)
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def write_json(path: Path, content: Mapping[str, Any], through: bool = False) -> None:
    """Write a JSON object with its seal, atomically.

    Args:
        through: flush to disk before returning.

    Raises:
        OSError: when the file cannot be written.
    """
    data = _json(content)
    write_atomically(path, lambda part: _through(part, data) if through else part.write_bytes(data))
    with _LOCK:
        _HELD.pop(path, None)


def write_cached_json(path: Path, content: Mapping[str, Any]) -> None:
    """``write_cached`` for a JSON object."""
    try:
        write_json(path, content)
    except OSError as error:
        disk.trouble(error)
        hold_in_memory(path, _json(content))
    else:
        disk.recovered()


def read_json(path: Path, old: bool = False) -> dict[str, Any] | None:
    """The object written by ``write_json``; None where it is missing or damaged.

    Args:
        old: as for ``read``.
    """
    data = _HELD.get(path)
    try:
        return _parsed(path.read_bytes() if data is None else data, old)
    except OSError:
        return None


def write_kept(path: Path, content: Mapping[str, Any]) -> None:
    """``write_json`` for data that cannot be recomputed: the previous version is kept; for the first version, a copy.

    Raises:
        OSError: when the file cannot be written; the existing one is unchanged.
    """
    try:
        before = path.read_bytes()
    except OSError:
        before = b""
    known = _parsed(before, old=True)
    aside = _json(content if known is None else known)
    # A damaged file must not overwrite the previous version.
    if known is not None or not os.path.exists(path) or read_json(previous(path)) is None:
        write_atomically(previous(path), lambda part: _through(part, aside))
    write_json(path, content, through=True)


def read_kept(path: Path) -> tuple[dict[str, Any] | None, bool]:
    """The object written by ``write_kept``, and whether it is the previous version; None where both are missing or damaged."""
    content = read_json(path, old=True)
    # Not Path.exists, which raises for names that are too long.
    if content is not None or not os.path.exists(path):
        return content, False
    before = read_json(previous(path))
    return before, before is not None


def previous(path: Path) -> Path:
    """Path of the previous version."""
    return path.with_name(f"{path.name}.previous")


def line(content: Mapping[str, Any]) -> str:
    """A JSON object with a checksum on one line, for files that are appended to."""
    return _json(content, indent=None).decode() + "\n"


def read_line(text: str) -> dict[str, Any] | None:
    """The object written by ``line``; None where it is incomplete or damaged."""
    text = text.strip()
    # Invalid UTF-8 was decoded to a replacement character of three bytes; restore one byte.
    return _parsed(text.encode(), old=not _was_sealed(text.replace("\ufffd", "?").encode()))


def _json(content: Mapping[str, Any], indent: int | None = 1) -> bytes:
    text = json.dumps(content, ensure_ascii=False, indent=indent).encode()
    digest = hashlib.blake2b(text, digest_size=_DIGITS // 2).hexdigest().encode()
    return b'{"sealed": "' + digest + (b'",' if len(content) else b'"') + text[1:]


def _parsed(data: bytes, old: bool) -> dict[str, Any] | None:
    match = _JSON.match(data)
    if match is None and (not old or _was_sealed(data)):
        return None
    text = data if match is None else b"{" + data[match.end() :]
    if match is not None and hashlib.blake2b(text, digest_size=_DIGITS // 2).hexdigest().encode() != match[1]:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _hash() -> Any:
    return hashlib.blake2b(digest_size=_DIGITS // 2)


def _seal(digest: Any) -> bytes:
    return _MARK + digest.hexdigest().encode() + b"\n"


# A file with a damaged seal must not be mistaken for one from before seals.


def _is_sealed(data: bytes) -> bool:
    return 2 * sum(a == b for a, b in zip(data[-LENGTH:], _MARK, strict=False)) > len(_MARK)


def _was_sealed(data: bytes) -> bool:
    """Whether a JSON object begins like a sealed one, up to a byte or two; the first names in old files differ by more."""
    digits = data[len(_BEGINNING) : len(_BEGINNING) + _DIGITS]
    alike = sum(a == b for a, b in zip(data, _BEGINNING, strict=False)) + sum(digit in _HEXADECIMAL for digit in digits)
    return alike >= len(_BEGINNING) + _DIGITS - 2


def _unsealed(data: bytes) -> bytes | None:
    content = data[:-LENGTH]
    return content if data[-LENGTH:] == _seal(hashlib.blake2b(content, digest_size=_DIGITS // 2)) else None


def _checked(file: BinaryIO, size: int, old: bool) -> bool:
    digest, left = _hash(), size - LENGTH
    while left > 0:
        piece = file.read(min(_PIECE, left))
        if not piece:
            return False
        digest.update(piece)
        left -= len(piece)
    end = file.read()
    return end == _seal(digest) or (old and size > 0 and not _is_sealed(end))


def hold_in_memory(path: Path, content: bytes) -> None:
    """Make ``read`` return this content until the file is written."""
    with _LOCK:
        _HELD[path] = content
        _HELD.move_to_end(path)
        while len(_HELD) > 1 and sum(map(len, _HELD.values())) > _MOST_HELD:
            _HELD.popitem(last=False)


def _through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
