"""Runs the reading of untrusted files in a separate process, with limits on memory and time.

A malformed file can exhaust both in a parser; then that process ends, not the server.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from affectscope.core import paths

# Wall-clock seconds per CPU second: on a busy machine a process gets a small share, and imports take time.
_PATIENCE = 20
_POLL = 0.1


def run(module: str, arguments: Sequence[str], memory: int, seconds: float, check: Callable[[], object]) -> bool:
    """Run ``python -P -m MODULE ARGUMENTS MEMORY SECONDS``; the module calls ``limit`` with the last two.

    Args:
        memory: bytes, in addition to its imports.
        seconds: CPU time.
        check: called a few times per second; an exception from it cancels the process.

    Returns:
        True when it ended by itself.
    """
    # The process limits its own CPU time; this is for one that sleeps, or a system without that limit.
    until = time.monotonic() + _PATIENCE * seconds
    command = paths.python(module, *arguments, str(memory), str(math.ceil(seconds)))
    environment = paths.environment(OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    process = subprocess.Popen(
        command, cwd=paths.ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None:
            check()
            if time.monotonic() > until:
                return False
            time.sleep(_POLL)
        return True
    finally:
        process.kill()
        process.wait()


def limit(memory: int, seconds: int) -> None:
    """Limit this process to ``memory`` bytes and ``seconds`` of CPU time, in addition to what its imports took."""
    with suppress(ImportError, OSError, ValueError, StopIteration):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        worked = math.ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (worked, worked))
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        held = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (held + memory, held + memory))


# Audit events that reading a file never causes: starting programs, network access, calls by address.
_NEVER = (
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.kill", "subprocess.",
    "pty.", "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "ctypes.dlopen", "ctypes.call_function",
    "urllib.", "ftplib.", "smtplib.", "http.", "webbrowser.", "shutil.rmtree", "os.symlink", "os.link", "os.chmod", "os.chown",
)  # fmt: skip
_WRITES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def confine(sources: Sequence[Path], targets: Sequence[Path], told: Callable[[str], object] = lambda what: None) -> None:
    """From now on, let this process read only ``sources`` and Python's own files, write only in ``targets``, and start nothing.

    Args:
        told: called with whatever was tried and refused.
    """
    # Standard system folders, which late imports read.
    own = [paths.ROOT,
           Path(sys.prefix), Path(sys.base_prefix), Path("/usr"), Path("/proc/self"), Path("/proc/cpuinfo"), Path("/sys"),
           Path("/lib"), Path("/etc/mime.types"), Path("/dev")]  # fmt: skip
    own += [Path(entry) for entry in sys.path if entry]
    writable = [os.path.realpath(path) for path in targets] + [os.devnull]
    readable = [os.path.realpath(path) for path in (*sources, *own)] + writable

    def refuse(what: str) -> None:
        told(what)
        raise PermissionError(f"a file on its way in may not {what}")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_NEVER):
            refuse(event)
        elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path, mode, flags = arguments
            writing = any(letter in (mode or "") for letter in "wax+") or bool((flags or 0) & _WRITING)
            if not _within(path, writable if writing else readable):
                refuse(f"open {os.fsdecode(path)}")
        elif event in _WRITES and not _within(arguments[0], writable):
            refuse(f"{event} {arguments[0]}")

    sys.addaudithook(hook)


def _within(path: Any, places: Sequence[str]) -> bool:
    real = os.path.realpath(os.fsdecode(path))
    return any(real == place or real.startswith(place.rstrip(os.sep) + os.sep) for place in places)
