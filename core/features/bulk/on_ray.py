"""Runs the stages on a Ray cluster, existing or local. Ray assigns them to its CPUs and GPUs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from affectscope.core.cache.store import Arrays
from affectscope.core.errors import UserError
from affectscope.core.features.bulk import stages
from affectscope.core.features.bulk.engines import Made, attempt
from affectscope.core.features.bulk.stages import Task
from affectscope.core.plugins import loading

K = TypeVar("K")


def check() -> None:
    """Check that Ray is installed.

    Raises:
        UserError: when it is not.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError("The engine `ray` needs Ray: run `pip install 'affectscope[ray]'`.") from error
    assert ray


def ray_engine(tasks: Iterable[Task], workers: int | None, address: str | None = None) -> Iterator[tuple[Task, Made]]:
    """Run each stage as a Ray task; intermediate results stay in Ray's object store.

    Clips, weights and plugins must have the same path on every machine.

    Args:
        workers: CPUs of a local cluster.
        address: of an existing cluster; default: ``$RAY_ADDRESS``, else a temporary local cluster.

    Raises:
        UserError: when the cluster cannot be reached.
    """
    import ray

    mine = not ray.is_initialized()
    if mine:
        connect(workers, address)
    try:
        yield from _run(tasks)
    finally:
        if mine:
            ray.shutdown()


def connect(workers: int | None, address: str | None) -> None:
    """Join a cluster, or start a local one.

    Raises:
        UserError: when it cannot be reached.
    """
    import ray

    # Plugins must have the same path on every machine, like clips.
    named = {"runtime_env": {"env_vars": {loading.NAMED: os.pathsep.join(loading.named())}}} if loading.named() else {}
    more: dict[str, Any] = {} if address or os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **more, **named)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise UserError(f"No Ray cluster answers at {address or 'this machine'}: see that it runs (`ray status`).") from error


def _run(tasks: Iterable[Task]) -> Iterator[tuple[Task, Made]]:
    import ray

    decode, detect, encode = (_remote(stage) for stage in (_decode, _detect, _encode))
    on_gpu = encode.options(num_gpus=1)
    ahead = 2 * int(ray.cluster_resources().get("CPU", 1)) + 2
    under_way: dict[Any, Task] = {}
    left = iter(tasks)
    while True:
        while len(under_way) < ahead and (task := next(left, None)) is not None:
            last = on_gpu if task.device.startswith("cuda") else encode
            under_way[last.remote(task, detect.remote(task, decode.remote(task)))] = task
        if not under_way:
            return
        for task, made, lost in next_done(under_way):
            yield task, f"Ray gave it up: {lost}." if lost else made


def next_done(under_way: dict[Any, K]) -> Iterator[tuple[K, Any, str]]:
    """Remove the next finished item from ``under_way``: its key, its value, and an error message if Ray lost it.

    Raises:
        Exception: raised by the work itself. Stages only let through errors that are not the clip's fault.
    """
    import ray

    for reference in ray.wait(list(under_way), num_returns=1)[0]:
        key = under_way.pop(reference)
        try:
            yield key, ray.get(reference), ""
        except ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from error
        except ray.exceptions.RayError as error:
            yield key, None, type(error).__name__


def _remote(stage: Callable[..., Any]) -> Any:
    import ray

    @ray.remote(num_cpus=1)
    def work(*given: Any) -> Any:
        loading.load()
        return stage(*given)

    return work


def _decode(task: Task) -> Arrays | str:
    with stages.one_thread():
        return attempt(stages.decode, task)


def _detect(task: Task, arrays: Arrays | str) -> Arrays | str:
    with stages.one_thread():
        return arrays if isinstance(arrays, str) else attempt(stages.detect, task, arrays)


def _encode(task: Task, arrays: Arrays | str) -> Made:
    with stages.one_thread():
        return arrays if isinstance(arrays, str) else attempt(stages.encode, task, arrays)
