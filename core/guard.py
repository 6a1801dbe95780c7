"""Reading what nobody vouches for, in a process of its own with limits on its memory and its time.

A made-up file can ask a parser for more than there is: then that process ends, not the server.
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

ROOT = Path(__file__).parents[1]
_PATIENCE = 10
_POLL = 0.1


def run(module: str, arguments: Sequence[str], memory: int, seconds: float, check: Callable[[], object]) -> bool:
    """Run ``python -m MODULE ARGUMENTS MEMORY SECONDS``; the module calls ``limit`` with the last two.

    Args:
        memory: bytes, beyond what its imports take.
        seconds: of work.
        check: called a few times a second; what it raises ends the work.

    Returns:
        True when it ended by itself.
    """
    # The process counts its own work; this is for one that does none, or a system that cannot count.
    until = time.monotonic() + _PATIENCE * seconds
    command = [sys.executable, "-m", module, *arguments, str(memory), str(math.ceil(seconds))]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
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
    """Grant the process ``memory`` bytes and ``seconds`` of work beyond what it has had: its imports cost what they cost."""
    with suppress(ImportError, OSError, ValueError, StopIteration):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        worked = math.ceil(time.process_time()) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (worked, worked))
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        held = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (held + memory, held + memory))
