"""One file through a door in a process of its own, as the app has it: what became of it, and what it tried."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from affectscope.core.files import sandbox

SECONDS = 10
# What the door grants a small file.
_GRANTED = 6
MEMORY = 2 << 30
# A machine that does much else gives a process a share of its time.
_PATIENCE = 120.0


@dataclass
class Outcome:
    """What became of a file.

    Attributes:
        verdict: "refused", "loaded", "limit" (ended by its limits, which the app tells in one sentence), or a fault: "traceback",
            "crash", "hang".
        sentence: what the door said, or the traceback.
        seconds: of work. memory: bytes at most.
        tried: what it wanted to open or start outside, and was refused.
    """

    verdict: str
    sentence: str = ""
    seconds: float = 0.0
    memory: int = 0
    tried: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        found = [] if self.verdict in ("refused", "loaded", "limit") else [self.verdict]
        if self.verdict == "refused" and not _is_one_sentence(self.sentence):
            found.append("no sentence")
        found += ["more than 10 s"] * (self.seconds > SECONDS) + ["more than 2 GB"] * (self.memory > MEMORY)
        return found + ["tried: " + what for what in self.tried]


def through(door: Callable[[Path, Path], str], source: Path, target: Path) -> Outcome:
    """Let a file in by ``door(source, out)``, which returns the sentence of a refusal, or nothing.

    Args:
        target: the one folder that may be written in.
    """
    told = target / "told.json"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _in_child(door, source, target, told)
    until, worked = time.monotonic() + _PATIENCE, 0
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > until and (now := _worked(child)) > worked:
            # It was kept waiting, and does not hang: its own limit ends what works on and on.
            until, worked = time.monotonic() + _PATIENCE, now
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Outcome("hang")
        time.sleep(0.002)
    seconds, memory = used.ru_utime + used.ru_stime, used.ru_maxrss << 10
    with suppress(OSError, ValueError):
        return Outcome(**{**json.loads(told.read_text()), "seconds": seconds, "memory": memory})
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return Outcome("limit" if ended in (signal.SIGXCPU, signal.SIGKILL) else "crash", f"signal {ended}", seconds, memory)


def _worked(process: int) -> int:
    """For how long a process has had a processor, in ticks; 0 where nobody says."""
    try:
        return sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]))
    except (OSError, ValueError):
        return 0


def _in_child(door: Callable[[Path, Path], str], source: Path, target: Path, told: Path) -> None:
    """Never returns: whatever happens, nothing of the parent's is run twice."""
    found = Outcome("crash")
    try:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        sandbox.limit(MEMORY, _GRANTED)
        sandbox.confine([source], [target], found.tried.append)
        found.sentence = door(source, target / "out")
        found.verdict = "refused" if found.sentence else "loaded"
    except MemoryError:
        found.verdict = "limit"
    except BaseException:
        found.verdict, found.sentence = "traceback", traceback.format_exc()[-1500:]
    finally:
        told.write_text(json.dumps(asdict(found)))
        os._exit(0)


def _is_one_sentence(text: str) -> bool:
    return text.endswith((".", "?")) and text.isprintable() and len(text) < 1500 and "Traceback" not in text
