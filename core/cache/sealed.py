"""Files that say whether they are still what was written. Damage is a miss: no reader ever gets other bytes.

    any kind     the content, then ``\\nsealed-1 <BLAKE2b-128 of the content, in hexadecimal>\\n``
    MP4          the same, the last line in a box of its own (``free``), which players pass over
    JSON object  ``{"sealed": "<BLAKE2b-128 of the text without this>", ...``, so that it stays JSON

Where the disk refuses, what can be made again is held in memory instead (``keep``). Of what cannot be made again the version
before is kept beside it, ``NAME.previous`` (``write_kept``, ``read_kept``).
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
# Path -> (inode, size, time of change) of files that were found whole.
_WHOLE: dict[Path, tuple[int, int, int]] = {}


def write(path: Path, content: bytes) -> None:
    """Write a file with its seal, whole or not at all.

    Raises:
        OSError: when the disk refuses.
    """
    write_atomically(path, lambda part: part.write_bytes(content + _seal(hashlib.blake2b(content, digest_size=_DIGITS // 2))))
    with _LOCK:
        _HELD.pop(path, None)


def fill(path: Path, make: Callable[[Path], object], video: bool = False) -> None:
    """As ``write``, of a file that ``make`` writes to where it is told.

    Args:
        video: whether it is an MP4, which has to stay one.
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


def keep(path: Path, content: bytes) -> None:
    """As ``write``, for what can be made again: where the disk refuses, it is held in memory, and that is said once."""
    try:
        write(path, content)
    except OSError as error:
        disk.trouble(error)
        hold(path, content)
    else:
        disk.recovered()


def read(path: Path, old: bool = False) -> bytes | None:
    """The content of a sealed file, or None where there is none or it is damaged.

    Args:
        old: whether files that were written before there were seals are read too, as they are.
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


def good(path: Path, old: bool = False) -> bool:
    """Whether ``read`` has something to give. What was found whole is not looked at again while the file does not change."""
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
    """Something else whenever ``read`` may give something else; None where there is no file. For who remembers what was read."""
    held = _HELD.get(path)
    if held is not None:
        return id(held)
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def write_json(path: Path, content: Mapping[str, Any], through: bool = False) -> None:
    """Write a JSON object with its seal, whole or not at all.

    Args:
        through: wait until the disk has it.

    Raises:
        OSError: when the disk refuses.
    """
    data = _json(content)
    write_atomically(path, lambda part: _through(part, data) if through else part.write_bytes(data))
    with _LOCK:
        _HELD.pop(path, None)


def keep_json(path: Path, content: Mapping[str, Any]) -> None:
    """``keep`` of a JSON object."""
    try:
        write_json(path, content)
    except OSError as error:
        disk.trouble(error)
        hold(path, _json(content))
    else:
        disk.recovered()


def read_json(path: Path, old: bool = False) -> dict[str, Any] | None:
    """What ``write_json`` wrote; None where there is nothing, or it is damaged.

    Args:
        old: as for ``read``.
    """
    data = _HELD.get(path)
    try:
        return _parsed(path.read_bytes() if data is None else data, old)
    except OSError:
        return None


def write_kept(path: Path, content: Mapping[str, Any]) -> None:
    """``write_json`` of what cannot be made again: the version before stays beside it; of the first version, a copy.

    Raises:
        OSError: when the disk refuses; what was there stays.
    """
    try:
        before = path.read_bytes()
    except OSError:
        before = b""
    known = _parsed(before, old=True)
    aside = _json(content if known is None else known)
    # A damaged file must not take the place of the version before it.
    if known is not None or not os.path.exists(path) or read_json(previous(path)) is None:
        write_atomically(previous(path), lambda part: _through(part, aside))
    write_json(path, content, through=True)


def read_kept(path: Path) -> tuple[dict[str, Any] | None, bool]:
    """What ``write_kept`` wrote, and whether that is the version before, as the file is damaged; None where neither is whole."""
    content = read_json(path, old=True)
    # Not the path's own question, which a name that is too long for the disk makes an error.
    if content is not None or not os.path.exists(path):
        return content, False
    before = read_json(previous(path))
    return before, before is not None


def previous(path: Path) -> Path:
    """Where the version before lies."""
    return path.with_name(f"{path.name}.previous")


def line(content: Mapping[str, Any]) -> str:
    """A JSON object on one line that says whether it is whole, for files that grow."""
    return _json(content, indent=None).decode() + "\n"


def read_line(text: str) -> dict[str, Any] | None:
    """What ``line`` wrote; None where it is cut off or damaged."""
    text = text.strip()
    # What is no UTF-8 has become a sign of three bytes, where there was one.
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


# What has a seal that is damaged must not pass for a file from before there were seals.


def _is_sealed(data: bytes) -> bool:
    return 2 * sum(a == b for a, b in zip(data[-LENGTH:], _MARK, strict=False)) > len(_MARK)


def _was_sealed(data: bytes) -> bool:
    """Whether a JSON object begins as a sealed one does, but for a byte or two: names that old ones begin with are not far."""
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


def hold(path: Path, content: bytes) -> None:
    """Have ``read`` find this until the file is written."""
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
