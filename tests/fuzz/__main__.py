"""`make fuzz`: files changed at random by a seed, through the doors that uploads take. Prints counts; fails on any fault.

    python -m tests.fuzz [KIND ...] [--count N] [--seed N] [--keep FOLDER]

A kind is a module here with ``COUNT``, ``prepare()`` (run once; what it imports is not counted), ``make(random, folder)`` (a new
input's name of kind and its path) and ``door(source, out)`` (see ``tests.fuzz.door.through``).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.door import Outcome, through

KINDS = ("checkpoints", "media")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("kinds", nargs="*", default=[], help=f"of {', '.join(KINDS)}; all if left out")
    parser.add_argument("--count", type=int, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where inputs that showed a fault are kept")
    given = parser.parse_args()
    return max(_run(kind, given.count, given.seed, given.keep) for kind in given.kinds or KINDS)


def _run(kind: str, count: int | None, seed: int, keep: Path | None) -> int:
    module: Any = import_module(f"tests.fuzz.{kind}")
    module.prepare()
    begun, faults = time.monotonic(), 0
    table: dict[str, Counter[str]] = {}
    worst = Outcome("loaded")
    for i in range(count or module.COUNT):
        with tempfile.TemporaryDirectory() as inside, tempfile.TemporaryDirectory() as outside:
            name, source = module.make(Random(f"{seed}-{kind}-{i}"), Path(inside))
            before = _listing(source.parent)
            found = through(module.door, source, Path(outside))
            wrong = found.faults + ["left something beside its input"] * (_listing(source.parent) != before)
            if wrong and keep:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, keep / f"{i:04}-{source.name}")
        table.setdefault(name, Counter())[found.verdict] += 1
        worst = Outcome("", "", max(worst.seconds, found.seconds), max(worst.memory, found.memory))
        for fault in wrong:
            print(f"{kind} {i} ({name}): {fault}: {found.sentence}", file=sys.stderr)
        faults += bool(wrong)
        if (i + 1) % 100 == 0:
            print(f"{kind}: {i + 1} done, {faults} with faults", file=sys.stderr)
    _report(kind, table, worst, time.monotonic() - begun, faults)
    return 1 if faults else 0


def _listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _report(kind: str, table: dict[str, Counter[str]], worst: Outcome, seconds: float, faults: int) -> None:
    verdicts = sorted({verdict for counts in table.values() for verdict in counts})
    total: Counter[str] = sum(table.values(), Counter())
    for name, counts in [*sorted(table.items()), (f"all {kind}", total)]:
        print(f"{name:32} {counts.total():5}   " + "   ".join(f"{verdict} {counts[verdict]:4}" for verdict in verdicts))
    print(f"{seconds:.0f} s; the slowest took {worst.seconds:.1f} s, the largest {worst.memory / 1e6:.0f} MB; faults: {faults}")


if __name__ == "__main__":
    sys.exit(main())
