"""Run an experiment's cells over processes. What was finished before is not done again; one that fails does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from affectscope.core.errors import UserError
from affectscope.core.experiments.cells import Cell, Measured, fill
from affectscope.core.experiments.plan import Experiment
from affectscope.core.experiments.report import Filled
from affectscope.core.plugins import loading

Report = Callable[[str, float], None]


def run(
    experiment: Experiment, corpus: str, seeds: tuple[int, ...], workers: int = 1, report: Report = lambda stage, share: None
) -> tuple[Filled, list[str]]:
    """Fill an experiment's table.

    Returns:
        The table, and one sentence for each cell that failed; such a row stays empty.
    """
    wanted: dict[tuple[str, int], tuple[Cell, set[str]]] = {}
    for row in experiment.rows:
        for seed in seeds:
            conditions = {column.condition for column in row.columns} | {"cost"}
            wanted[row.name, seed] = (Cell(row.run, corpus, seed), conditions)
    # Rows may share a run: it is trained once, for all that they ask of it.
    jobs: dict[str, tuple[Cell, set[str]]] = {}
    for cell, conditions in wanted.values():
        _, known = jobs.setdefault(cell.folder().name, (cell, set()))
        known |= conditions
    done, failed = _fill_all(jobs, workers, report)
    values, raw = {}, {}
    clips: list[int] = []
    for row in experiment.rows:
        results = [done.get(wanted[row.name, seed][0].folder().name) for seed in seeds]
        if any(one is None for one in results):
            continue
        for column in row.columns:
            values[row.name, column.name] = tuple(
                value_of(one, column.condition, column.head, column.metric) for one in results if one
            )
        raw[row.name] = tuple(one for one in results if one)
        clips = [int(one["whole"]["decision"]["clips"]) for one in raw[row.name] if "whole" in one] or clips
    return Filled(experiment, corpus, seeds, values, tuple(clips), raw), failed


def finished(experiment: Experiment, corpus: str, seeds: tuple[int, ...]) -> bool:
    """Whether a run would have nothing left to do."""
    return all(
        {c.condition for c in row.columns} <= Cell(row.run, corpus, seed).measured().keys()
        for row in experiment.rows
        for seed in seeds
    )


def value_of(measured: Measured, condition: str, head: str, metric: str) -> float:
    """One number of a cell; NaN where the head has no such metric."""
    found = measured.get(condition, {}).get(head, {})
    if metric.startswith("recall "):
        return _recall(found, metric.removeprefix("recall "), measured.get("cost", {}).get("decision", {}).get("labels", []))
    return float(found.get(metric, float("nan")))


def _recall(found: dict[str, Any], label: str, labels: list[str]) -> float:
    if label not in labels or "confusion" not in found:
        return float("nan")
    row = found["confusion"][labels.index(label)]
    return row[labels.index(label)] / sum(row) if sum(row) else float("nan")


def _fill_all(jobs: dict[str, tuple[Cell, set[str]]], workers: int, report: Report) -> tuple[dict[str, Measured], list[str]]:
    known = {key: cell.measured() for key, (cell, _) in jobs.items()}
    done: dict[str, Measured] = {key: known[key] for key, (_, conditions) in jobs.items() if conditions <= known[key].keys()}
    failed: list[str] = []
    if len(done) == len(jobs):
        return done, failed
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        futures = {
            pool.submit(fill, cell, sorted(conditions)): (key, cell)
            for key, (cell, conditions) in jobs.items()
            if key not in done
        }
        for future in as_completed(futures):
            key, cell = futures[future]
            try:
                done[key] = future.result()
            except UserError as error:
                failed.append(f"{cell.run.system}, seed {cell.seed}: {error}")
            report(f"{cell.run.system}, seed {cell.seed}", (len(done) + len(failed)) / len(jobs))
    return done, failed


def _begin() -> None:
    import torch

    torch.set_num_threads(1)
    loading.load()
