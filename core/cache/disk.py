"""Atomic writes, folder locks, and clean-up after killed processes."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from affectscope.core.cache.refusals import sentence_of

_LOG = logging.getLogger(__name__)
_LEFT_SECONDS = 24 * 3600.0
# Containers that share a cache have different host names, and process ids that mean nothing to each other.
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TURN = threading.RLock()
_SWEPT: set[Path] = set()
_TROUBLES: dict[str, None] = {}
_SAID: set[str] = set()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    temporary = path.with_name(f".partial-{owned()}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        # A failed write to an open file does not tell the path.
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def owned() -> str:
    """Suffix for a temporary file that identifies its process; see ``abandoned``."""
    return f"{_HOST}-{os.getpid()}-{uuid.uuid4().hex}"


def abandoned(path: Path) -> bool:
    """Whether a temporary file is no longer in use: its process is gone, or it is a day old."""
    parts = path.name.split("-")
    try:
        if len(parts) > 3 and parts[1] == _HOST and parts[2].isdigit():
            return not _lives(int(parts[2]))
        return time.time() - path.stat().st_mtime > _LEFT_SECONDS
    except OSError:
        return False


def sweep(folder: Path) -> None:
    """Delete temporary files of killed processes, once per folder and process."""
    if folder in _SWEPT:
        return
    _SWEPT.add(folder)
    for path in folder.glob(".partial-*"):
        if abandoned(path):
            with suppress(OSError):
                path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder against all other threads and processes, for read-modify-write."""
    folder.mkdir(parents=True, exist_ok=True)
    with _TURN, (folder / ".lock").open("ab") as file:
        _lock(file.fileno())
        # The lock is released when the file is closed, also at the end of the process.
        yield


def trouble(error: OSError) -> None:
    """Report once, in the terminal and through ``troubles``, that files cannot be written."""
    cause = sentence_of(error) or f"The cache cannot be written to: {error}."
    sentence = f"{cause} Until then, what is made is kept in memory only."
    _TROUBLES[sentence] = None
    say_once(sentence)


def say_once(sentence: str) -> None:
    """Print a sentence to the terminal, once."""
    if sentence not in _SAID:
        _SAID.add(sentence)
        _LOG.warning("%s", sentence)


def troubles() -> list[str]:
    """Why files currently cannot be written, a sentence each; empty if they can."""
    return list(_TROUBLES)


def recovered() -> None:
    """Clear ``troubles`` after a successful write."""
    _TROUBLES.clear()


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has other locks; there, one server is enough.
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
