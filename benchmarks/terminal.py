"""How long a terminal waits: the help, one clip in a fresh process, ten clips in one call. Features are stored before."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from affectscope.core.corpora.demo.read import BUNDLED

ROUNDS = 5
MANY = 10
HELP, FRESH, NEXT = 0.4, 6.0, 1.5
# 3.1 s long.
CLIP = "held_s2026_00005.mp4"


def main() -> None:
    clips = sorted(Path(BUNDLED, "clips").glob("*.mp4"), key=lambda clip: (clip.name != CLIP, clip.name))[:MANY]
    with tempfile.TemporaryDirectory() as folder:
        tell("affectscope --help", rounds(["--help"], folder), HELP)
        alone = rounds(["analyze", str(clips[0]), "--out", f"{folder}/one"], folder)
        tell("analyze, a stored clip of 3 s, with its overlay", alone, FRESH)
        together = rounds(["analyze", *map(str, clips), "--out", f"{folder}/ten"], folder)
        # Both calls begin alike: what the second takes longer is the other nine clips.
        begin = statistics.median(alone)
        tell(f"analyze, {MANY} stored clips, each after the first", [(s - begin) / (MANY - 1) for s in together], NEXT)


def tell(name: str, seconds: list[float], target: float) -> None:
    """One line: the median against its target, and the load of the machine, which moves it."""
    middle = statistics.median(seconds)
    verdict = "met" if middle <= target else "MISSED"
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    print(f"{name:<50} n={len(seconds)} median {middle:5.2f} s ({spread})  target {target:g} s: {verdict}", end="  ")
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)


def rounds(arguments: Sequence[str], folder: str) -> list[float]:
    """Seconds of ``ROUNDS`` fresh processes; one before them, not counted, stores features and compiled modules."""
    return [run(arguments, folder) for _ in range(ROUNDS + 1)][1:]


def run(arguments: Sequence[str], folder: str) -> float:
    """Seconds of one fresh process, as after ``make app``: its modules compiled, whatever the environment says of that."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"XDG_CACHE_HOME": f"{folder}/cache", "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "affectscope", *arguments], env=environment, capture_output=True, check=True)
    return time.perf_counter() - begun
