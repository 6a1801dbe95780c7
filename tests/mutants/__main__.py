"""Plant every fault, one after the other, each in a process of its own, and see whether its tests fail.

Nothing on the disk is changed: a process reads the source of one module otherwise. It is a fork of this one, which has imported
what takes long, torch before all, and nothing of this project.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from tests.mutants.faults import Fault, stale

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 600
Outcome = Literal["killed", "survived", "stale", "broken"]
# pytest's exit codes; what had to be stopped has been found too.
_OUTCOMES: dict[int, Outcome] = {0: "survived", 1: "killed", -signal.SIGKILL: "killed"}
Job = tuple[Fault | None, Sequence[str]]
_SLOW = (
    "torch", "torchvision", "lightning_fabric", "pandas", "scipy.stats", "sklearn.metrics", "sklearn.manifold", "plotly.graph_objects",
    "joblib", "pytest", "safetensors.torch", "av", "cv2", "soundfile",
)  # fmt: skip


def main() -> None:
    from tests.mutants.listed import FAULTS

    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", help="of faults; all if left out")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    if unknown := set(given.names) - {fault.name for fault in FAULTS}:
        raise SystemExit(f"There is no fault {sorted(unknown)[0]!r}; without a name all are planted.")
    chosen = [fault for fault in FAULTS if not given.names or fault.name in given.names]
    for name in _SLOW:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # None of pytest's plugins is needed, and each takes its time.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    tests = sorted({test for fault in chosen for test in fault.tests})
    print(f"{len(chosen)} faults, {len(tests)} files or tests; first without a fault", flush=True)
    if list(_outcomes([(None, tests)], 1)) != [(None, "survived")]:
        raise SystemExit("The tests fail without any fault: mend that first.")
    start, found = time.perf_counter(), {}
    for fault, outcome in _outcomes([(fault, fault.tests) for fault in chosen], given.workers):
        found[fault.name] = outcome
        print(f"{outcome:<9} {fault.file}: {fault.name}", flush=True)
    _sum_up(found, time.perf_counter() - start)


def _sum_up(found: Mapping[str, Outcome], seconds: float) -> None:
    """Print the score; the exit code is 0 where nine of ten are killed and all could be planted."""
    count = Counter(found.values())
    planted = len(found) - count["stale"]
    share = count["killed"] / max(1, planted)
    print(f"{count['killed']} of {planted} killed, {share:.0%}, in {seconds:.0f} s")
    for outcome in ("survived", "stale", "broken"):
        if count[outcome]:
            print(f"{outcome}: {', '.join(name for name, ended in found.items() if ended == outcome)}")
    raise SystemExit(0 if share >= 0.9 and not count["stale"] and not count["broken"] else 1)


def _outcomes(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Fault | None, Outcome]]:
    """What becomes of the tests with each fault: "stale" where it cannot be planted, "broken" where they could not even begin."""
    waiting, running = list(jobs), {}
    while waiting or running:
        while waiting and len(running) < workers:
            fault, tests = waiting.pop(0)
            if fault is not None and stale(fault, ROOT):
                yield fault, "stale"
                continue
            sys.stdout.flush()
            child = os.fork()
            if not child:
                os._exit(_run(fault, tests))
            running[child] = (fault, time.monotonic())
        for child, (fault, since) in list(running.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            if not done and fault is not None and time.monotonic() - since > MOST_SECONDS:
                os.kill(child, signal.SIGKILL)
                done, status = os.waitpid(child, 0)
            if done:
                del running[child]
                yield fault, _OUTCOMES.get(os.waitstatus_to_exitcode(status), "broken")
        time.sleep(0.05)


def _run(fault: Fault | None, tests: Sequence[str]) -> int:
    import pytest

    if fault is not None:
        sys.meta_path.insert(0, _Planter(fault))
    shown = os.environ.get("MUTANTS_SHOWN")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFFECTSCOPE_CACHE"] = folder
        with open(os.devnull, "w") as nothing:
            out = sys.stdout if shown else nothing
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                return int(pytest.main(["-x", "-q", "--tb=line", "-p", "no:cacheprovider", "--no-header", *tests]))


class _Planter(importlib.abc.MetaPathFinder):
    """Finds one module, with the fault in it."""

    def __init__(self, fault: Fault) -> None:
        self.module = "affectscope." + fault.file.removesuffix(".py").replace("/", ".")
        self.fault = fault

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.module:
            return None
        loader = _Planted(fullname, str(ROOT / "affectscope" / self.fault.file))
        loader.fault = self.fault
        return importlib.machinery.ModuleSpec(fullname, loader, origin=loader.path)


class _Planted(importlib.machinery.SourceFileLoader):
    """Reads the source with the fault, and neither reads nor leaves anything compiled."""

    def get_data(self, path):
        text = super().get_data(path).decode()
        return text.replace(self.fault.text, self.fault.planted).encode()

    def get_code(self, fullname):
        return compile(self.get_data(self.path), self.path, "exec", dont_inherit=True)


if __name__ == "__main__":
    main()
