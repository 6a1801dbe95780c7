"""Files that are written whole or not at all, by one hand at a time; what a killed process left is cleared away."""

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
# Containers on one cache have names of their own, and numbers of processes that mean nothing to each other.
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TURN = threading.RLock()
_SWEPT: set[Path] = set()
_TROUBLES: dict[str, None] = {}
_SAID: set[str] = set()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    temporary = path.with_name(f".partial-{owned()}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        # A write to an open file does not say where.
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def owned() -> str:
    """For the name of a temporary file: it says which process will take it away; see ``abandoned``."""
    return f"{_HOST}-{os.getpid()}-{uuid.uuid4().hex}"


def abandoned(path: Path) -> bool:
    """Whether nobody works on a temporary file any more: its process is gone, or it is a day old."""
    parts = path.name.split("-")
    try:
        if len(parts) > 3 and parts[1] == _HOST and parts[2].isdigit():
            return not _lives(int(parts[2]))
        return time.time() - path.stat().st_mtime > _LEFT_SECONDS
    except OSError:
        return False


def sweep(folder: Path) -> None:
    """Remove what a process that was killed left half-written in a folder, once for each folder and process."""
    if folder in _SWEPT:
        return
    _SWEPT.add(folder)
    for path in folder.glob(".partial-*"):
        if abandoned(path):
            with suppress(OSError):
                path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a folder to oneself, among all threads and processes: what is read, changed and written meanwhile is one step."""
    folder.mkdir(parents=True, exist_ok=True)
    with _TURN, (folder / ".lock").open("ab") as file:
        _lock(file.fileno())
        # Closing the file lets go, and so does the process's end.
        yield


def trouble(error: OSError) -> None:
    """Say once, in the terminal and to whoever asks ``troubles``, that what is made cannot be kept."""
    cause = sentence_of(error) or f"The cache cannot be written to: {error}."
    sentence = f"{cause} Until then, what is made is kept in memory only."
    _TROUBLES[sentence] = None
    say_once(sentence)


def say_once(sentence: str) -> None:
    """Tell whoever looks at the terminal, once."""
    if sentence not in _SAID:
        _SAID.add(sentence)
        _LOG.warning("%s", sentence)


def troubles() -> list[str]:
    """Why what is made cannot be kept on disk at present, a sentence each; none where it can."""
    return list(_TROUBLES)


def recovered() -> None:
    """The disk takes what it is given again."""
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
