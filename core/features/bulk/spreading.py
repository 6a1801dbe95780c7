"""Runs one function over many jobs, in local processes or as Ray tasks, with the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal, TypeVar

from affectscope.core.errors import UserError
from affectscope.core.plugins import loading

K = TypeVar("K")
EngineName = Literal["processes", "ray"]


@dataclass(frozen=True)
class Cluster:
    """Where jobs run.

    Attributes:
        workers: processes, or CPUs of a local Ray cluster.
        address: of an existing Ray cluster; default: ``$RAY_ADDRESS``, else a temporary local one.
        gpus: GPUs that each Ray task reserves.
    """

    engine: EngineName = "processes"
    workers: int = 1
    address: str | None = None
    gpus: float = 0.0


HERE = Cluster()


def spread(function: Callable[..., Any], jobs: Mapping[K, tuple[Any, ...]], cluster: Cluster = HERE) -> Iterator[tuple[K, Any]]:
    """Call the function with each job's arguments. Yields results as they finish; a job that raises ``UserError`` yields it.

    Args:
        function: at module level, so that other processes can import it. Files need the same paths there.

    Raises:
        UserError: when Ray is not installed, or no cluster answers.
    """
    if cluster.engine == "ray":
        yield from _on_ray(function, jobs, cluster)
        return
    with ProcessPoolExecutor(cluster.workers, get_context("spawn"), begin) as pool:
        futures = {pool.submit(_tried, function, *arguments): key for key, arguments in jobs.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()


def begin() -> None:
    """Set up a worker process: one thread, and the user's plugins."""
    import torch

    torch.set_num_threads(1)
    loading.load()


def _tried(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except UserError as error:
        return error


def _begun(function: Callable[..., Any], *arguments: Any) -> Any:
    begin()
    return _tried(function, *arguments)


def _on_ray(function: Callable[..., Any], jobs: Mapping[K, tuple[Any, ...]], cluster: Cluster) -> Iterator[tuple[K, Any]]:
    from affectscope.core.features.bulk import on_ray

    on_ray.check()
    import ray

    with _connected(cluster):
        work = ray.remote(_begun).options(num_cpus=1, num_gpus=cluster.gpus)
        # Send large arguments that jobs share only once.
        sent = {id(argument): ray.put(argument) for arguments in jobs.values() for argument in arguments if _large(argument)}
        handed = ray.put(function)
        under_way = {
            work.remote(handed, *(sent.get(id(argument), argument) for argument in arguments)): key
            for key, arguments in jobs.items()
        }
        while under_way:
            for key, made, lost in on_ray.next_done(under_way):
                yield key, UserError(f"Ray stopped it ({lost}): check the cluster's memory, and start again.") if lost else made


@contextmanager
def _connected(cluster: Cluster) -> Iterator[None]:
    import ray

    from affectscope.core.features.bulk import on_ray

    mine = not ray.is_initialized()
    if mine:
        on_ray.connect(cluster.workers, cluster.address)
    try:
        yield
    finally:
        if mine:
            ray.shutdown()


def _large(argument: Any) -> bool:
    return not isinstance(argument, str | int | float | bool | tuple | None)
