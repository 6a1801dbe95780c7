"""Engines that run the extraction stages: in this process, or in worker processes that exchange arrays through files in memory.

An engine takes tasks and yields each, in any order, with its result or one sentence about why it failed.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing import connection, get_all_start_methods, get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from affectscope.core.cache.refusals import sentence_of
from affectscope.core.cache.store import Arrays, key_of
from affectscope.core.errors import NO_ROOM, UserError
from affectscope.core.features.bulk import stages
from affectscope.core.features.bulk.stages import MOST_PICTURES, Task
from affectscope.core.features.stored.shards import mapped_arrays
from affectscope.core.plugins import loading

Made = Mapping[str, Arrays] | str
Engine = Callable[[Iterable[Task]], Iterator[tuple[Task, Made]]]
UnderWay = dict[Future, tuple[int, Task]]
_CRASHED = "The process that read it was ended by the system: the file is damaged, or takes more memory than there is."
_STAGES = ("decode", "detect", "encode")


class Crash(Exception):
    """A process died; ``tasks`` are those that were running."""

    def __init__(self, tasks: list[Task]) -> None:
        super().__init__()
        self.tasks = tasks


def attempt(stage: Callable[..., Any], *args: Any) -> Any:
    """The result of a stage, or one sentence about why the clip is broken.

    Raises:
        OSError: when the disk is full, which is not the clip's fault.
    """
    try:
        return stage(*args)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return f"{error.strerror or error}: see to its file."
    except UserError as error:
        return str(error)
    # A malformed file can make a decoder raise anything.
    except Exception as error:
        return sentence_of(error) or f"{type(error).__name__}: {error}"


def inline(tasks: Iterable[Task]) -> Iterator[tuple[Task, Made]]:
    """Process clips one by one in this process."""
    for task in tasks:
        with stages.one_thread():
            made = attempt(lambda task=task: stages.encode(task, stages.detect(task, stages.decode(task))))
        yield task, made


def processes(tasks: Iterable[Task], workers: int, spool: Path) -> Iterator[tuple[Task, Made]]:
    """A process pool per stage, so that one clip is decoded while faces are detected in another.

    Args:
        workers: number of cores to use.
        spool: an empty folder for intermediate results.
    """
    left = iter(tasks)
    while True:
        try:
            yield from _pipeline(left, workers, spool)
            return
        except Crash as crash:
            # Retry each alone, to find out which one crashed.
            for task in crash.tasks:
                try:
                    yield from _pipeline(iter([task]), 1, spool)
                except Crash:
                    yield task, _CRASHED


def shares(workers: int) -> tuple[int, int, int]:
    """Processes for decode, detect and encode. Their sum exceeds ``workers``: processes that wait cost nothing."""
    return max(1, workers // 2), workers, workers


@contextmanager
def spool_for(folder: Path, workers: int) -> Iterator[Path]:
    """An empty folder, in memory if there is enough of it. Folders of killed runs are deleted."""
    memory = Path("/dev/shm")
    kept = [folder / ".spool", memory / f"affectscope-{os.getuid()}-{key_of(str(folder.resolve()))}"] if memory.is_dir() else []
    needed = 1.5 * _ahead(workers) * MOST_PICTURES
    spool = kept[1] if kept and shutil.disk_usage(memory).free > needed else folder / ".spool"
    try:
        for old in (*kept, spool):
            shutil.rmtree(old, ignore_errors=True)
        spool.mkdir(mode=0o700)
        yield spool
    finally:
        shutil.rmtree(spool, ignore_errors=True)


def _ahead(workers: int) -> int:
    """Maximum number of clips in progress, which bounds all queues together."""
    return 2 * workers + 2


def _pipeline(tasks: Iterator[Task], workers: int, spool: Path) -> Iterator[tuple[Task, Made]]:
    under_way: UnderWay = {}
    with ExitStack() as stack:
        pools = [stack.enter_context(_pool(count)) for count in shares(workers)]
        # Leaving the pools would wait for results that are no longer needed.
        for pool in pools:
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        number = 0
        while True:
            while len(under_way) < _ahead(workers) and (task := next(tasks, None)) is not None:
                base = spool / f"{number:09d}"
                under_way[_submit(pools, 0, task, base, under_way)] = 0, task
                number += 1
            if not under_way:
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                stage, task = under_way[future]
                try:
                    path = future.result()
                except BrokenProcessPool:
                    raise Crash([other for _, other in under_way.values()]) from None
                del under_way[future]
                if isinstance(path, str):
                    yield task, path
                elif stage + 1 < len(_STAGES):
                    under_way[_submit(pools, stage + 1, task, path, under_way, task)] = stage + 1, task
                else:
                    yield task, _sets(path)
                    path.unlink()


def _submit(pools: list[ProcessPoolExecutor], stage: int, task: Task, path: Path, others: UnderWay, *more: Task) -> Future:
    try:
        return pools[stage].submit(_stage, stage, task, path)
    except BrokenProcessPool:
        raise Crash([*(other for _, other in others.values()), *more]) from None


def _stage(stage: int, task: Task, path: Path) -> Path | str:
    """Run a stage on the result of the previous one at ``path``. Returns the new path, or why it failed."""
    arrays = {} if stage == 0 else mapped_arrays(path)
    function = (_decode, stages.detect, _encode)[stage]
    made = attempt(function, task, arrays)
    if stage:
        path.unlink()
    if isinstance(made, str):
        return made
    out = path.with_name(f"{path.name.split('.')[0]}.{_STAGES[stage]}")
    save_file({name: np.asarray(array, order="C") for name, array in made.items()}, out)
    return out


def _decode(task: Task, _: Arrays) -> Arrays:
    return stages.decode(task)


def _encode(task: Task, arrays: Arrays) -> Arrays:
    return {f"{name}/{kind}": array for name, encoded in stages.encode(task, arrays).items() for kind, array in encoded.items()}


def _sets(path: Path) -> dict[str, Arrays]:
    made: dict[str, Arrays] = {}
    for full, array in mapped_arrays(path).items():
        name, kind = full.split("/")
        made.setdefault(name, {})[kind] = array
    return made


def _pool(count: int) -> ProcessPoolExecutor:
    # A fork server imports everything once and then starts processes quickly. Without one, each process imports for itself.
    method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
    context = get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(count, context, _begin)


def _begin() -> None:
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    loading.load()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A killed parent cannot notify its children, which would wait for work for ever.
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
