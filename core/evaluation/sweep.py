"""Masking curves: how good a model still is as more of a modality goes missing (000, Fig. 5; 001, Fig. 3; 003, Fig. 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd
import torch
from torch import Tensor

from core.evaluation.masking import RATES, Missing, Pattern, mask, repeated
from core.evaluation.metrics import Answers, collect
from core.models.base import AVModel
from core.streams import Batch


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

    All draws of a batch are asked about at once.

    Args:
        batches: in the same order every time it is gone through, as clips are known by their place in it; see ``collect``.
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
    rows: list[dict[str, object]] = []
    whole: list[list[dict[str, object]]] = []
    for done, missing in enumerate(points):
        if missing.rate == 0:
            # Nothing is missing, whatever it is missing from.
            whole = whole or _measured(model, batches, missing, 1, seed)
            by_draw = whole
        else:
            by_chance = missing.rate < 1 and pattern != "tail"
            by_draw = _measured(model, batches, missing, draws if by_chance else 1, seed)
        for draw in range(draws):
            here = {"modality": missing.modality, "rate": missing.rate, "draw": draw}
            rows += [here | metrics for metrics in by_draw[draw % len(by_draw)]]
        if progress:
            progress(done + 1, len(points))
    return pd.DataFrame(rows)


def _measured(
    model: AVModel, batches: Iterable[tuple[Batch, Tensor]], missing: Missing, draws: int, seed: int
) -> list[list[dict[str, object]]]:
    """For each draw and head the metrics that are numbers."""
    sizes: list[int] = []
    answers = collect(model, _masked(batches, missing, draws, seed, sizes))
    draw = torch.cat([torch.arange(draws).repeat_interleave(size) for size in sizes])
    return [_flat(answers.of(draw == i)) for i in range(draws)]


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
