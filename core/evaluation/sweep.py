"""Masking curves: metrics as a function of the share of missing frames.

Source: goncalves2022robust, Fig. 5; goncalves2025versatile, Fig. 3; parthasarathy2020detecting, Fig. 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import pandas as pd
import torch
from joblib import Parallel, delayed
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.evaluation.draws import answers_by_draw
from affectscope.core.evaluation.masking import RATES, Fill, Missing, Pattern
from affectscope.core.features.bulk.spreading import Cluster, spread
from affectscope.core.metrics.answers import Predictions
from affectscope.core.metrics.metrics import by_head
from affectscope.core.models.base import AVModel
from affectscope.core.streams import Batch

# From this many rows, processes are worth the seconds that they take to start. Threads wait for the GIL between a model's small
# operations: two are hardly faster than one, whereas two processes are twice as fast.
ROWS_FOR_PROCESSES = 20_000


def sweep(
    model: AVModel,
    batches: Iterable[tuple[Batch, Tensor]],
    modalities: Sequence[str] | None = None,
    rates: Sequence[float] = RATES,
    pattern: Pattern = "random",
    length: int = 10,
    draws: int = 10,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    fill: Fill = "absent",
    cluster: Cluster | None = None,
) -> pd.DataFrame:
    """Metrics at every rate of missing frames, one modality at a time, the others whole.

    All draws of a clip are one batch; on a GPU all draws of a batch. On a CPU each core measures its own points, one core per
    torch thread: cores that share every small operation wait for each other, much longer than they compute when other processes
    are running.

    Args:
        batches: iterated once per point, by several threads or processes at a time, always in the same order, because clips are
            identified by position; see ``collect``. Batches and model have to be picklable.
        modalities: those that lose frames; default: all of the model's.
        pattern, length, fill: see ``Missing``.
        progress: called after each point with the number done and the total.
        cluster: runs each point as a job; default: threads and processes on this machine.

    Returns:
        A row for each ``modality``, ``rate``, ``draw`` and ``head``, with that head's metrics. Draws are equal where nothing is
        random (no frames or all are removed, or the tail).

    Raises:
        UserError: as ``mask`` and ``collect`` do.
    """
    names = list(model.spec.inputs) if modalities is None else list(modalities)
    points = [Missing(name, rate, pattern, length, fill) for name in names for rate in rates]
    # Rate 0 is the same for all modalities.
    asked = [replace(point, modality=names[0]) if point.rate == 0 else point for point in points]
    distinct = list(dict.fromkeys(asked))
    on_cpu = model.prior.device.type == "cpu"
    threads = torch.get_num_threads()
    if cluster is not None:
        return _together(points, asked, _on_cluster(model, batches, distinct, draws, seed, cluster), draws, progress)
    rows_asked = draws * len(distinct) * sum(len(target) for _, target in batches)
    backend = "loky" if rows_asked >= ROWS_FOR_PROCESSES else "threading"
    pool = Parallel(threads if on_cpu else 1, backend, return_as="generator", max_nbytes=None)
    answers = pool(
        delayed(answers_by_draw)(model, batches, missing, draws, seed, 1 if on_cpu else threads) for missing in distinct
    )
    try:
        return _together(points, asked, answers, draws, progress)
    finally:
        answers.close()
        # New threads inherit torch's thread count.
        torch.set_num_threads(threads)


def _together(
    points: Sequence[Missing],
    asked: Sequence[Missing],
    answers: Iterator[list[Predictions]],
    draws: int,
    progress: Callable[[int, int], None] | None,
) -> pd.DataFrame:
    """The table of all points, from the answers to the distinct ones, in order."""
    rows: list[dict[str, object]] = []
    found: dict[Missing, list[list[dict[str, object]]]] = {}
    for done, (point, missing) in enumerate(zip(points, asked, strict=True)):
        if missing not in found:
            found[missing] = [_flat(answered) for answered in next(answers)]
        for draw in range(draws):
            here = {"modality": point.modality, "rate": point.rate, "draw": draw}
            rows += [here | metrics for metrics in found[missing][draw % len(found[missing])]]
        if progress:
            progress(done + 1, len(points))
    return pd.DataFrame(rows)


def _on_cluster(
    model: AVModel, batches: Iterable[tuple[Batch, Tensor]], points: Sequence[Missing], draws: int, seed: int, cluster: Cluster
) -> Iterator[list[Predictions]]:
    """The answers to each point, in order; jobs finish in any order."""
    read = list(batches)
    jobs = {i: (model, read, point, draws, seed, 1) for i, point in enumerate(points)}
    found: dict[int, list[Predictions]] = {}
    results = spread(answers_by_draw, jobs, cluster)
    for i in range(len(points)):
        while i not in found:
            place, answered = next(results)
            if isinstance(answered, UserError):
                raise answered
            found[place] = answered
        yield found.pop(i)


def _flat(answers: Predictions) -> list[dict[str, object]]:
    """A row per head, with the metrics that are numbers."""
    heads = by_head(answers).items()
    return [{"head": head} | {k: v for k, v in metrics.items() if isinstance(v, int | float)} for head, metrics in heads]
