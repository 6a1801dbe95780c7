"""Where the stages run: in this process, or in processes that pass on what they made through files in memory.

An engine takes tasks and gives, in any order, each with what was made of it or with one sentence on why it could not be.
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
    """A process died; ``tasks`` are those that were under way."""

    def __init__(self, tasks: list[Task]) -> None:
        super().__init__()
        self.tasks = tasks


def attempt(stage: Callable[..., Any], *args: Any) -> Any:
    """What a stage returns, or one sentence on why the clip is broken.

    Raises:
        OSError: when there is no room left, which is no clip's fault.
    """
    try:
        return stage(*args)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return f"{error.strerror or error}: see to its file."
    except UserError as error:
        return str(error)
    # Whatever a made-up file does to a decoder, it is the file's fault.
    except Exception as error:
        return sentence_of(error) or f"{type(error).__name__}: {error}"


def inline(tasks: Iterable[Task]) -> Iterator[tuple[Task, Made]]:
    """One clip after the other, here."""
    for task in tasks:
        with stages.one_thread():
            made = attempt(lambda task=task: stages.encode(task, stages.detect(task, stages.decode(task))))
        yield task, made


def processes(tasks: Iterable[Task], workers: int, spool: Path) -> Iterator[tuple[Task, Made]]:
    """Each stage in processes of its own, so that one clip is decoded while the face of another is looked for.

    Args:
        workers: cores to keep busy.
        spool: an empty folder for what is on its way.
    """
    left = iter(tasks)
    while True:
        try:
            yield from _pipeline(left, workers, spool)
            return
        except Crash as crash:
            # Whose fault it was is seen when each is alone.
            for task in crash.tasks:
                try:
                    yield from _pipeline(iter([task]), 1, spool)
                except Crash:
                    yield task, _CRASHED


def shares(workers: int) -> tuple[int, int, int]:
    """Processes for decode, detect and encode. They are more than the workers: those of a stage that waits cost nothing."""
    return max(1, workers // 2), workers, workers


@contextmanager
def spool_for(folder: Path, workers: int) -> Iterator[Path]:
    """An empty folder, in memory where there is enough of it; what a killed run left is removed."""
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
    """Clips under way at most: the bound of all queues together."""
    return 2 * workers + 2


def _pipeline(tasks: Iterator[Task], workers: int, spool: Path) -> Iterator[tuple[Task, Made]]:
    under_way: UnderWay = {}
    with ExitStack() as stack:
        pools = [stack.enter_context(_pool(count)) for count in shares(workers)]
        # Leaving the pools would wait for what nobody wants any more.
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
    """Run a stage on what the one before left at ``path``; where the result lies, or why there is none."""
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
    # A server that has imported everything once makes a process in no time; where there is none, each imports for itself.
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
    # A parent that is killed cannot say so; its processes would wait for work for ever.
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
