"""Masking curves: how good a model still is as more of a modality goes missing (000, Fig. 5; 001, Fig. 3; 003, Fig. 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from core.evaluation.masking import RATES, Missing, Pattern, mask, repeated
from core.evaluation.metrics import Answers, collect
from core.models.base import AVModel
from core.streams import Batch

# Rows asked about at once on a CPU. All draws of one clip lose equally many frames, so together they need no padding, what they
# keep whole is reckoned once, and they stay in the cache: four clips at a time took half as long again.
ROWS = 10


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
) -> pd.DataFrame:
    """Metrics at every rate of missing frames, one modality at a time, the others whole.

    All draws of a clip are asked about at once, on a GPU all draws of a batch. On a CPU each core works at points of its own:
    cores that share every small product wait for each other, far longer than they work once another process wants one of them.

    Args:
        batches: gone through once for each point, by several threads at a time, and always in the same order, as clips are known
            by their place in it; see ``collect``.
        modalities: those to take frames from; all of the model's where None.
        pattern, length: see ``Missing``.
        progress: called after each point of a curve with how many are done, and of how many.

    Returns:
        A row for each ``modality``, ``rate``, ``draw`` and ``head``, with that head's metrics. Draws are alike where nothing is
        left to chance (no frame or every frame goes, or the tail).

    Raises:
        UserError: as ``mask`` and ``collect`` do.
    """
    names = list(model.spec.inputs) if modalities is None else list(modalities)
    points = [Missing(name, rate, pattern, length) for name in names for rate in rates]
    # Where nothing is missing, it does not matter what it is missing from.
    asked = [replace(point, modality=names[0]) if point.rate == 0 else point for point in points]

    def measure(missing: Missing) -> list[list[dict[str, object]]]:
        by_chance = 0 < missing.rate < 1 and pattern != "tail"
        return _measured(model, batches, missing, draws if by_chance else 1, seed)

    rows: list[dict[str, object]] = []
    threads = torch.get_num_threads()
    on_cpu = model.prior.device.type == "cpu"
    pool = ThreadPoolExecutor(threads if on_cpu else 1, initializer=torch.set_num_threads, initargs=(1 if on_cpu else threads,))
    try:
        found = {missing: pool.submit(measure, missing) for missing in dict.fromkeys(asked)}
        for done, (point, missing) in enumerate(zip(points, asked, strict=True)):
            by_draw = found[missing].result()
            for draw in range(draws):
                here = {"modality": point.modality, "rate": point.rate, "draw": draw}
                rows += [here | metrics for metrics in by_draw[draw % len(by_draw)]]
            if progress:
                progress(done + 1, len(points))
    finally:
        pool.shutdown(cancel_futures=True)
        # The setting of one thread is also what later ones begin with.
        torch.set_num_threads(threads)
    return pd.DataFrame(rows)


def _measured(
    model: AVModel, batches: Iterable[tuple[Batch, Tensor]], missing: Missing, draws: int, seed: int
) -> list[list[dict[str, object]]]:
    """For each draw and head the metrics that are numbers."""
    sizes: list[int] = []
    rows = ROWS if model.prior.device.type == "cpu" else None
    answers = collect(model, _masked(_parts(batches, rows, draws), missing, draws, seed, sizes))
    draw = torch.cat([torch.arange(draws).repeat_interleave(size) for size in sizes])
    return [_flat(answers.of(draw == i)) for i in range(draws)]


def _parts(batches: Iterable[tuple[Batch, Tensor]], rows: int | None, draws: int) -> Iterator[tuple[Batch, Tensor]]:
    """The batches in pieces that ``draws`` make ``rows`` of, or of one clip; as they are if ``rows`` is None."""
    for batch, target in batches:
        size = len(batch) if rows is None else max(1, rows // draws)
        for start in range(0, len(batch), size):
            part = slice(start, start + size)
            yield (
                Batch({m: v[part] for m, v in batch.values.items()}, {m: v[part] for m, v in batch.present.items()}),
                target[part],
            )


def _masked(
    batches: Iterable[tuple[Batch, Tensor]], missing: Missing, draws: int, seed: int, sizes: list[int]
) -> Iterator[tuple[Batch, Tensor]]:
    for batch, target in batches:
        first = sum(sizes)
        sizes.append(len(batch))
        numbers = range(first, first + len(batch))
        yield mask(batch, missing, draws=draws, seed=seed, clips=numbers), repeated(target, draws)


def _flat(answers: Answers) -> list[dict[str, object]]:
    by_head = answers.by_head().items()
    return [{"head": head} | {k: v for k, v in one.items() if isinstance(v, int | float)} for head, one in by_head]
