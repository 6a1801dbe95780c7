"""Extracts a corpus into a packed store. Interrupted runs resume, and the result has the same bytes either way."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from affectscope.core.cache.store import Arrays, content_hash
from affectscope.core.corpora import Corpus
from affectscope.core.errors import NO_ROOM, UserError
from affectscope.core.features.bulk import engines
from affectscope.core.features.bulk.engines import Made
from affectscope.core.features.bulk.stages import Task
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packing import Packing
from affectscope.core.features.stored.shards import UNREAD

EngineName = Literal["processes", "ray"]


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes:
        extracted: number of clips that this run extracted; ``kept``: number extracted before.
        broken: clip -> why it could not be read.
    """

    folder: Path
    clips: int
    extracted: int
    kept: int
    broken: Mapping[str, str]


def extract_corpus(
    corpus: Corpus,
    sets: Sequence[str],
    folder: Path,
    workers: int | None = None,
    weights: Mapping[str, Path] | None = None,
    engine: EngineName = "processes",
    device: str = "cpu",
    address: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Extract feature sets of every clip into the store ``folder``, skipping those that it contains.

    Args:
        sets: names in ``FEATURE_SETS``.
        workers: default: all cores; 1 works in this process.
        weights: feature set -> path of its weights.
        device: where encoders with weights run. The last digits differ between GPU and CPU.
        address: of a Ray cluster.
        progress: called with the number of finished clips and the total.

    Raises:
        UserError: when weights or a package are missing, no clip can be read, the disk is full, or another run uses the folder.
    """
    if corpus.table.empty:
        raise UserError(f"The corpus {corpus.name} is empty: its table names no clip.")
    if not sets:
        raise UserError(f"Say which features are meant: some of {', '.join(FEATURE_SETS)}.")
    chosen = [FEATURE_SETS[name] for name in dict.fromkeys(sets)]
    paths = {entry.name: entry.check((weights or {}).get(entry.name)) for entry in chosen}
    if engine == "ray":
        from affectscope.core.features.bulk import on_ray

        on_ray.check()
    with _room(folder), _alone(folder):
        order, why = _contents(corpus)
        packings = {entry.name: Packing(folder, entry, entry.settings(paths[entry.name]), order) for entry in chosen}
        tasks = _tasks(corpus, order, packings, {name: path for name, path in paths.items() if path}, device)
        clip_of: dict[str, list[str]] = {}
        for clip, content in order.items():
            clip_of.setdefault(content, []).append(clip)
        done = len(order) - sum(len(clip_of[order[task.clip]]) for task in tasks)
        kept = done - len(why)
        for task, made in _checked(_run(tasks, engine, workers or os.cpu_count() or 1, folder, address)):
            content = order[task.clip]
            for name in task.sets:
                if isinstance(made, str):
                    packings[name].fail(content)
                else:
                    packings[name].put(content, made[name])
            if isinstance(made, str):
                why |= dict.fromkeys(clip_of[content], made)
            done += len(clip_of[content])
            if progress:
                progress(done, len(order))
        for packing in packings.values():
            packing.finish(why)
    if len(why) == len(order):
        raise UserError(f"No clip of {corpus.name} can be read; the first says: {next(iter(why.values()))}")
    return Outcome(folder, len(order), len(order) - kept - len(why), kept, {clip: why[clip] for clip in order if clip in why})


def _run(
    tasks: Sequence[Task], engine: EngineName, workers: int, folder: Path, address: str | None
) -> Iterator[tuple[Task, Made]]:
    if not tasks:
        return
    if engine == "ray":
        from affectscope.core.features.bulk.on_ray import ray_engine

        yield from ray_engine(tasks, workers, address)
    elif workers == 1:
        yield from engines.inline(tasks)
    else:
        with engines.spool_for(folder, workers) as spool:
            yield from engines.processes(tasks, workers, spool)


def _checked(results: Iterable[tuple[Task, Made]]) -> Iterator[tuple[Task, Made]]:
    for task, made in results:
        if not isinstance(made, str) and not all(_numbers(arrays) for arrays in made.values()):
            yield task, "Its features are not numbers: see to its file."
        else:
            yield task, made


def _numbers(arrays: Arrays) -> bool:
    return bool(np.isfinite(arrays["values"]).all())


def _tasks(
    corpus: Corpus, order: Mapping[str, str], packings: Mapping[str, Packing], weights: Mapping[str, Path], device: str
) -> list[Task]:
    """One task for each distinct content that a set lacks, in the order of the corpus."""
    missing = {name: set(packing.missing) for name, packing in packings.items()}
    first: dict[str, str] = {}
    for clip, content in order.items():
        first.setdefault(content, clip)
    tasks = []
    for content, clip in first.items():
        sets = tuple(name for name in packings if content in missing[name])
        if sets:
            tasks.append(Task(clip, corpus.media(clip), sets, {n: p for n, p in weights.items() if n in sets}, device))
    return tasks


def _contents(corpus: Corpus) -> tuple[dict[str, str], dict[str, str]]:
    """The SHA-256 of each clip's file, and the reason for each that could not be read."""

    def read(clip: str) -> tuple[str, str]:
        try:
            return content_hash(corpus.media(clip)), ""
        except UserError as error:
            return UNREAD, str(error)
        except OSError as error:
            return UNREAD, f"{error.strerror or error}: see to its file."

    clips = [str(clip) for clip in corpus.table.index]
    with ThreadPoolExecutor() as pool:
        contents = dict(zip(clips, pool.map(read, clips), strict=True))
    return {clip: content for clip, (content, _) in contents.items()}, {clip: why for clip, (_, why) in contents.items() if why}


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise UserError(
            f"Features cannot be kept in {folder} ({error.strerror}): make room and start again; what was read is kept."
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder against concurrent runs. The lock is released when its process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise UserError(f"Another run is extracting into {folder}: wait for it, or choose another folder.") from error
    try:
        yield
    finally:
        os.close(handle)
