"""A model's answers to clips with missing frames, with all draws of a clip in one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from affectscope.core.evaluation.masking import Missing, mask, repeated
from affectscope.core.metrics.answers import Predictions, collect
from affectscope.core.models.base import AVModel
from affectscope.core.streams import Batch

# Rows evaluated at once on a CPU. All draws of one clip lose equally many frames, so together they need no padding, what they
# keep whole is computed once, and they stay in the cache: four clips at a time took half as long again.
ROWS = 10


def answers_by_draw(
    model: AVModel,
    batches: Iterable[tuple[Batch, Tensor]],
    missing: Missing,
    draws: int = 1,
    seed: int = 0,
    threads: int | None = None,
) -> list[Predictions]:
    """The answers of each draw; of a single one where nothing is random (no frames or all are removed, or the tail).

    Args:
        batches: see ``collect``. Clips are identified by their position.
        threads: torch's thread count from now on; None keeps it.

    Raises:
        UserError: as ``mask`` and ``collect`` do.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    draws = draws if 0 < missing.rate < 1 and missing.pattern != "tail" else 1
    sizes: list[int] = []
    rows = ROWS if model.prior.device.type == "cpu" else None
    answers = collect(model, _masked(_parts(batches, rows, draws), missing, draws, seed, sizes))
    draw = torch.cat([torch.arange(draws).repeat_interleave(size) for size in sizes])
    return [answers.of(draw == i) for i in range(draws)]


def _parts(batches: Iterable[tuple[Batch, Tensor]], rows: int | None, draws: int) -> Iterator[tuple[Batch, Tensor]]:
    """Split the batches so that ``draws`` copies make ``rows`` rows, or one clip; unchanged if ``rows`` is None."""
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
