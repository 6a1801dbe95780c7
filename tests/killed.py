"""``python -m tests.killed [ROUNDS [SEED]]``: kill -9 at random moments of a note, an upload, an analysis and an extraction.

A process without threads forks one that works without end, and tells by a pipe what it has finished; it is killed, and what lies
on the disk has to be all that was finished, whole, and nothing half. What it left half-written is gone after the next start.
"""

from __future__ import annotations

import io
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

from affectscope.app.own import store
from affectscope.app.services import analyses
from affectscope.app.serving import tidy
from affectscope.core.analyzer import Analysis
from affectscope.core.cache import disk
from affectscope.core.cache.store import FeatureStore
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored import packing
from affectscope.core.features.stored.packing import Packing
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note
from affectscope.core.timeline.timeline import Lane, Timeline
from tests.media_files import clip

Tell = Callable[[str], None]
NOTE = Note("demo", "clip", "auxformer")
# Of a packed store: so many clips, a few a shard.
CLIPS, A_SHARD = 24, 4


def note(tell: Tell) -> None:
    saved = notes.find(NOTE.id) or NOTE
    for _ in count():
        number = saved.revision + 1
        saved = notes.save(Note("demo", "clip", "auxformer", text=f"{number} " + "x" * 5000, revision=saved.revision))
        tell(str(number))


def note_holds(finished: list[str]) -> str:
    found, broken = notes.find_all()
    if broken or any(saved.recovered for saved in found):
        return f"half a note: {broken}"
    last = int(finished[-1]) if finished else 0
    revision = found[0].revision if found else 0
    if not last <= revision or (found and not found[0].text.startswith(f"{revision} ")):
        return f"revision {revision}, though {last} was finished"
    return ""


def upload(tell: Tell) -> None:
    film = clip(Path(tempfile.mkdtemp()) / "film.mp4", frames=5).read_bytes()
    for number in count(time.time_ns()):
        mark = str(number).encode()
        tell(store.save(f"{number}.mp4", io.BytesIO(film + (8 + len(mark)).to_bytes(4, "big") + b"free" + mark)))


def upload_holds(finished: list[str]) -> str:
    tidy.tidy()
    left = [path.name for path in store._folder().glob(".[ip]*")]
    lost = [clip_id for clip_id in finished if store.find(clip_id) is None]
    half = [own.id for own in store.listed() if not store.intact(own.id, own.original)]
    return f"lost {lost}, half {half}, left {left}, said {store.remarks()}" if lost or half or left or store.remarks() else ""


def made(number: int) -> Analysis:
    lane = Lane("l", "L", "line", np.arange(3, dtype="f4"), np.full((1, 3), number, "f4"), ("a",), "audio")
    timeline = Timeline(1.0, np.arange(20_000, dtype="f4"), np.full((20_000, 4), number, "f4"), lanes=(lane,), title=str(number))
    return Analysis({"av": {"a": float(number)}}, {"av": True}, {}, timeline, (), str(number))


def analysis(tell: Tell) -> None:
    features = FeatureStore()
    for number in count(time.time_ns()):
        features.put(str(number), {"values": np.full(20_000, number)})
        analyses._keep(made(number), str(number))
        tell(str(number))


def analysis_holds(finished: list[str]) -> str:
    disk._SWEPT.clear()
    tidy.tidy()
    folder = store.cache_root()
    there = {path.stem for name in ("analyses", "features") for path in (folder / name).glob("[0-9]*")}
    for key in sorted(there | set(finished)):
        found, values = analyses._read(key), FeatureStore().get(key)
        whole = found is not None and values is not None
        if key in finished and not whole:
            return f"{key} was finished and is lost"
        if found and (found.predictions["av"]["a"] != float(key) or analyses.timeline(found).title != key):
            return f"{key} says something else"
        if values and (values["values"] != int(key)).any():
            return f"{key} has other features"
    left = [str(path) for path in folder.rglob(".partial-*")]
    return f"left {left}" if left else ""


def order() -> dict[str, str]:
    return {f"c{i}": f"{i + 1:064x}" for i in range(CLIPS)}


def extracted(number: int) -> dict[str, np.ndarray]:
    values = np.full((50, 130), number, np.float32)
    return {"values": values, "times": np.arange(50) / 25, "present": np.ones(50, bool), "duration": np.array(2.0)}


def extract(folder: Path, tell: Tell) -> None:
    packed = Packing(folder, FEATURE_SETS["llds"], {}, order())
    for content in packed.missing:
        time.sleep(0.002)
        packed.put(content, extracted(int(content, 16)))
        tell(content)
    packed.finish({})


def extraction(tell: Tell) -> None:
    for _ in count():
        extract(store.cache_root() / "packed", tell)
        tell("whole")
        time.sleep(1)


def extraction_holds(finished: list[str]) -> str:
    folder = store.cache_root() / "packed"
    again = Packing(folder, FEATURE_SETS["llds"], {}, order())
    if twice := set(again.missing) & set(finished):
        return f"{len(twice)} finished clips would be extracted again"
    for content in again.missing:
        again.put(content, extracted(int(content, 16)))
    again.finish({})
    extract(folder.with_name("undisturbed"), lambda _: None)
    expected, other = ({p.name: p.read_bytes() for p in sorted(root.rglob("*.*")) if p.is_file()} for root in _both(folder))
    return "" if expected == other else "other bytes than an undisturbed extraction"


def _both(folder: Path) -> tuple[Path, Path]:
    return folder, folder.with_name("undisturbed")


KINDS = {"note": (note, note_holds), "upload": (upload, upload_holds), "analysis": (analysis, analysis_holds),
         "extraction": (extraction, extraction_holds)}  # fmt: skip
# Seconds from the first sign of work, at most.
LATEST = {"note": 0.2, "upload": 0.3, "analysis": 0.3, "extraction": 0.25}


def once(name: str, draw: random.Random) -> tuple[int, str]:
    """How much a process had finished when it was killed, and what is wrong with what it left."""
    work, holds = KINDS[name]
    hears, says = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hears)
        work(lambda finished: os.write(says, f"{finished}\n".encode()) and None)
        os._exit(0)
    os.close(says)
    with os.fdopen(hears, "rb") as heard:
        first = heard.readline()
        time.sleep(draw.uniform(0, LATEST[name]))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines = (first + heard.read()).decode().splitlines(keepends=True)
    finished = [line.strip() for line in lines if line.endswith("\n") and line.strip() != "whole"]
    return len(finished), holds(finished)


def main(rounds: int, seed: int) -> int:
    packing.MOST_CLIPS = A_SHARD
    draw, wrong = random.Random(seed), 0
    for name in KINDS:
        counts, faults = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                os.environ |= {"AFFECTSCOPE_CACHE": f"{folder}/cache", "AFFECTSCOPE_DATA": f"{folder}/data"}
                finished, fault = once(name, draw)
            counts.append(finished)
            faults += [fault] if fault else []
        wrong += len(faults)
        print(f"{name}: killed {rounds} times, after {min(counts)} to {max(counts)} finished; {len(faults)} wrong", flush=True)
        for fault in faults[:3]:
            print(f"  {fault}")
    return int(wrong > 0)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [10, 0][len(given) :])))
