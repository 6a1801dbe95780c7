"""Collects measurements into an experiment's table, without training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from affectscope.core.errors import UserError
from affectscope.core.experiments.cells import Measured, read_once
from affectscope.core.experiments.plan import Experiment
from affectscope.core.experiments.report import Filled
from affectscope.core.experiments.where import USUAL, Where, cell_of


@read_once()
def gather(experiments: Iterable[Experiment], corpus: str, seeds: Sequence[int], where: Where = USUAL) -> dict[str, Filled]:
    """Tables by name, with what is measured so far, for those of ``seeds`` that any row has.

    Experiments without measurements are left out, and so are rows whose features are unavailable.

    Raises:
        UserError: when no row's features are available.
    """
    known: dict[str, list[Measured]] = {}
    lacking: list[UserError] = []
    tables = {}
    for experiment in experiments:
        # A matrix or map needs complete rows; a matrix also needs its classes' names, which are stored under "cost".
        enough = all if experiment.kind in ("confusion", "points") else any
        more = {"cost"} if experiment.kind == "confusion" else set()
        by_row: dict[str, list[Measured | None]] = {}
        for row in experiment.rows:
            # Many experiments share a run.
            run = repr(row.run)
            if run not in known:
                try:
                    known[run] = [cell_of(row.run, corpus, seed, where).measured() for seed in seeds]
                except UserError as error:
                    known[run] = [{}] * len(seeds)
                    lacking.append(error)
            by_row[row.name] = [
                measured if enough(c in measured for c in {c.condition for c in row.columns} | more) else None
                for measured in known[run]
            ]
        there = [i for i in range(len(seeds)) if any(results[i] for results in by_row.values())]
        if there:
            results = {name: [of_row[i] for i in there] for name, of_row in by_row.items()}
            tables[experiment.name] = table(experiment, corpus, [seeds[i] for i in there], results)
    if lacking and len(lacking) == len(known):
        raise lacking[0]
    return tables


def table(
    experiment: Experiment,
    corpus: str,
    seeds: Sequence[int],
    results: Mapping[str, Sequence[Measured | None]],
    failed: Sequence[str] = (),
) -> Filled:
    """An experiment's table, from its cells' measurements.

    Args:
        results: row -> measurements, one per seed; None where missing.
        failed: one sentence for each cell that failed.
    """
    values, raw = {}, {}
    clips: dict[int, int] = {}
    for row in experiment.rows:
        measured = results[row.name]
        if not any(measured):
            continue
        for column in row.columns:
            values[row.name, column.name] = tuple(
                value_of(cell, column.condition, column.head, column.metric) if cell else float("nan") for cell in measured
            )
        raw[row.name] = tuple(cell for cell in measured if cell)
        for place, cell in enumerate(measured):
            if cell and "whole" in cell:
                clips[place] = int(cell["whole"]["decision"]["clips"])
    return Filled(experiment, corpus, tuple(seeds), values, tuple(clips[i] for i in sorted(clips)), raw, tuple(failed))


def value_of(measured: Measured, condition: str, head: str, metric: str) -> float:
    """One number of a cell; NaN where the head has no such metric."""
    metrics = measured.get(condition, {}).get(head, {})
    if metric.startswith("recall "):
        return _recall(metrics, metric.removeprefix("recall "), measured.get("cost", {}).get("decision", {}).get("labels", []))
    return float(metrics.get(metric, float("nan")))


def _recall(metrics: dict[str, Any], label: str, labels: list[str]) -> float:
    if label not in labels or "confusion" not in metrics:
        return float("nan")
    row = metrics["confusion"][labels.index(label)]
    return row[labels.index(label)] / sum(row) if sum(row) else float("nan")
