"""Extraction by stage and as a whole; and a packed store as large as CREMA-D: opening it, and reading it beside reading one file.

``python -m benchmarks.features_kill`` is the long test of what a killed extraction leaves.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from affectscope.core.cache.store import Arrays, cache_root
from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.corpora import Corpus, bundled
from affectscope.core.features.bulk import engines, stages
from affectscope.core.features.bulk.run import extract_corpus
from affectscope.core.features.bulk.stages import Task
from affectscope.core.features.clips import packed_clips
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packed import choose_sets
from affectscope.core.features.stored.packing import Packing
from affectscope.core.models.base import ModelSpec
from affectscope.core.training.batches import Batches, fit_normaliser

SETS = ("llds-32-16", "face-maps")
WORKERS = max(2, os.cpu_count() or 2)
LEAST_SHARE = 0.6
# Clips that are not counted.
WARM = 6
CLIPS, SECONDS, BATCH = 7442, 2.5, 32
LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
# As wide as goncalves2022robust's sound and goncalves2025versatile's picture.
STORED = {"llds-32-16": (130, 62.5), "efficientnet-b2": (1408, 25.0)}
OPEN_SECONDS, MEMORY_MB, MOST_RATIO = 1.0, 1024, 1.5
PIECE = 13 << 20


def main() -> None:
    with tempfile.TemporaryDirectory(dir=_room()) as folder:
        throughput(Path(folder))
        store(Path(folder))


def throughput(folder: Path) -> None:
    """Clips a second of each stage alone on all workers, with its input ready in memory, and of the whole."""
    corpus = bundled()
    tasks = [Task(clip, corpus.media(clip), SETS, {}) for clip in map(str, corpus.table.index)]
    print(f"{len(tasks)} clips, {', '.join(SETS)}, {WORKERS} workers")
    alone = {name: len(tasks) / seconds for name, seconds in stage_seconds(tasks).items()}
    for name, rate in alone.items():
        print(f"  {name:<8} alone {rate:8.2f} clips/s")
    ends: list[float] = []
    extract_corpus(corpus, SETS, folder / "whole", WORKERS, progress=lambda done, of: ends.append(time.perf_counter()))
    # The first clips wait until processes are there and have read their networks, as the first of a stage alone did.
    whole = (len(ends) - WARM) / (ends[-1] - ends[WARM - 1])
    share = whole / min(alone.values())
    verdict = "met" if share >= LEAST_SHARE else "MISSED"
    print(
        f"  whole          {whole:8.2f} clips/s, {share:.0%} of the slowest stage; target {LEAST_SHARE:.0%}: {verdict}",
        flush=True,
    )


def stage_seconds(tasks: list[Task]) -> dict[str, float]:
    """Seconds that the workers take for one stage of all clips, when they have nothing else to do."""
    with ProcessPoolExecutor(WORKERS, get_context("forkserver"), engines._begin) as pool:
        parts = [tasks[i::WORKERS] for i in range(WORKERS)]
        found = list(pool.map(_stages_of, parts))
    return {name: max(seconds[name] for seconds in found) for name in found[0]}


def _stages_of(tasks: list[Task]) -> dict[str, float]:
    """Seconds of each stage over some clips, one clip after the other; the first, which loads everything, is made twice."""
    spent = dict.fromkeys(("decode", "detect", "encode"), 0.0)
    for number, task in enumerate([tasks[0], *tasks]):
        arrays: Arrays = {}
        steps: dict[str, Callable[[], Arrays]] = {
            "decode": lambda: stages.decode(task),  # noqa: B023
            "detect": lambda: stages.detect(task, arrays),  # noqa: B023
            "encode": lambda: stages.encode(task, arrays),  # type: ignore[dict-item, return-value] # noqa: B023
        }
        for name, step in steps.items():
            start = time.perf_counter()
            arrays = step()
            spent[name] += (time.perf_counter() - start) if number else 0.0
    return spent


def store(folder: Path) -> None:
    """A store of ``CLIPS`` clips: seconds to open it, memory while training from it, speed beside one file of as many bytes."""
    start = time.perf_counter()
    make_store(folder / "store")
    size = sum(path.stat().st_size for path in (folder / "store").rglob("*.safetensors"))
    print(f"{CLIPS} clips, {', '.join(STORED)}, {size / 2**30:.2f} GB, written in {time.perf_counter() - start:.0f} s")
    plain = folder / "plain"
    with plain.open("wb") as out:
        for path in sorted((folder / "store").rglob("*.safetensors")):
            out.write(path.read_bytes())
    os.sync()
    for warm in (True, False):
        run = [sys.executable, "-m", "benchmarks.features", "read", str(folder / "store"), str(plain), str(int(warm))]
        found = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        print(f"  files {'in the cache of the system' if warm else 'on the disk'}")
        print(f"    opened in {found['opened']:.2f} s  {_verdict(found['opened'] <= OPEN_SECONDS, f'{OPEN_SECONDS:g} s')}")
        for name, seconds in found["loader"].items():
            ratio = seconds / found["file"]
            print(
                f"    {name:<24} {seconds:6.2f} s ({size / 2**30 / seconds:5.2f} GB/s), one file {found['file']:.2f} s, "
                f"ratio {ratio:.2f}  {_verdict(ratio <= MOST_RATIO, f'{MOST_RATIO:g}')}"
            )
        peak, bare = found["memory"], found["bare"]
        met = _verdict(peak <= MEMORY_MB, f"{MEMORY_MB} MB")
        print(f"    memory at most {peak:.0f} MB, {bare:.0f} MB of it before a store was opened  {met}", flush=True)


def make_store(folder: Path) -> None:
    """Noise: what a store of a corpus of ``CLIPS`` clips has in it says nothing about its speed."""
    noise = np.random.default_rng(0).standard_normal(4 << 20, np.float32)
    order = {f"c{i:05d}": hashlib.sha256(str(i).encode()).hexdigest() for i in range(CLIPS)}
    for name, (dim, rate) in STORED.items():
        packing = Packing(folder, FEATURE_SETS[name], {"set": name, "synthetic": True}, order)
        for number, content in enumerate(order.values()):
            frames = int(SECONDS * rate * (0.8 + 0.4 * (number * 0.618 % 1)))
            begin = number * 977 % (len(noise) - frames * dim)
            packing.put(content, {
                "values": noise[begin : begin + frames * dim].reshape(frames, dim), "times": np.arange(frames) / rate,
                "present": np.ones(frames, bool), "duration": np.array(frames / rate),
            })  # fmt: skip
        packing.finish({})


def synthetic() -> Corpus:
    table = pd.DataFrame({"label": [LABELS[i % 6] for i in range(CLIPS)], "speaker": [f"s{i % 91}" for i in range(CLIPS)]})
    return Corpus("synthetic", Path(), table.set_index(pd.Index([f"c{i:05d}" for i in range(CLIPS)], name="clip")), LABELS)


def read(folder: Path, plain: Path, warm: bool) -> dict[str, object]:
    """Measured in a process of its own."""
    torch.set_num_threads(1)
    bare = _peak_mb()
    files = [plain, *folder.rglob("*.safetensors")]
    for path in files:
        _read_file(path) if warm else _evict(path)
    start = time.perf_counter()
    clips, _ = packed_clips(synthetic(), choose_sets(folder, {}))
    opened = time.perf_counter() - start
    dims = {"audio": 130, "visual": 1408}
    spec = ModelSpec("none", dims, LABELS, ("av",), {"av": tuple(dims)}, ("av",))
    file = min(_timed(lambda: _read_file(plain), [plain], warm) for _ in range(3))
    loader = {}
    for name, normaliser, shuffle in (
        ("loader, in order", Normaliser(), False), ("loader, shuffled", Normaliser(), True),
        ("shuffled, normalised", fit_normaliser(clips[:200]), True),
    ):  # fmt: skip
        batches = Batches(clips, spec, normaliser, BATCH, shuffle)
        loader[name] = min(_timed(lambda batches=batches: [None for _ in batches], files[1:], warm) for _ in range(3))
    # A whole pass over all frames, as training begins with.
    fit_normaliser(clips)
    return {"opened": opened, "file": file, "loader": loader, "memory": _peak_mb(), "bare": bare}


def _peak_mb() -> float:
    """Of this process alone; ``ru_maxrss`` begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _read_file(path: Path) -> None:
    """From its beginning to its end, in pieces as large as a batch, each into memory of its own, as a batch is."""
    with path.open("rb", buffering=0) as file:
        while file.read(PIECE):
            pass


def _timed(action: Callable[[], object], files: list[Path], warm: bool) -> float:
    if not warm:
        for path in files:
            _evict(path)
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _evict(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _verdict(met: bool, target: str) -> str:
    return f"target {target}: {'met' if met else 'MISSED'}"


def _room() -> Path:
    folder = cache_root()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    if sys.argv[1] == "read":
        print(json.dumps(read(Path(sys.argv[2]), Path(sys.argv[3]), bool(int(sys.argv[4])))))
