"""Runs an experiment's cells in processes or on a Ray cluster.

Finished cells are skipped; a cell that fails does not stop the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from affectscope.core.corpora import open_corpus
from affectscope.core.errors import UserError
from affectscope.core.experiments.cells import TIMED, Cell, Measured, fill, read_once
from affectscope.core.experiments.gathered import table
from affectscope.core.experiments.plan import Experiment
from affectscope.core.experiments.report import Filled
from affectscope.core.experiments.where import USUAL, Where, cell_of
from affectscope.core.features.bulk.spreading import Cluster, spread

Report = Callable[[str, float], None]


@read_once()
def run(
    experiment: Experiment,
    corpus: str,
    seeds: tuple[int, ...],
    workers: int = 1,
    report: Report = lambda stage, share: None,
    where: Where = USUAL,
) -> tuple[Filled, list[str]]:
    """Run an experiment and collect its table.

    Returns:
        The table, and one sentence for each failed cell, whose seed is missing in its row.

    Raises:
        UserError: when the corpus lacks labels that the experiment needs, or features are unavailable.
    """
    check(experiment, corpus)
    wanted = cells_of(experiment, corpus, seeds, where)
    jobs = jobs_of(wanted)
    done, failed = _fill_all(jobs, replace(where.cluster, workers=workers), report, where.device)
    results = {row.name: [done.get(wanted[row.name, seed][0].folder().name) for seed in seeds] for row in experiment.rows}
    return table(experiment, corpus, seeds, results, failed), failed


def check(experiment: Experiment, corpus: str) -> None:
    """Check that the corpus has the labels that an experiment needs.

    Raises:
        UserError: when it does not.
    """
    table = open_corpus(corpus).table
    lacking = [name for name in experiment.needs if name not in table or not table[name].notna().any()]
    if lacking:
        raise UserError(f"{experiment.name} needs a corpus that labels {', '.join(lacking)}; {corpus} does not.")


def own_split(corpus: str) -> bool:
    """Whether a corpus can only be split by its authors' parts: it has some, and names no speakers."""
    table = open_corpus(corpus).table
    named = "speaker" in table and (table["speaker"].fillna("").astype(str).str.strip() != "").any()
    return not named and "split" in table and bool((table["split"].fillna("").astype(str).str.strip() != "").any())


def cells_of(
    experiment: Experiment, corpus: str, seeds: tuple[int, ...], where: Where = USUAL
) -> dict[tuple[str, int], tuple[Cell, set[str]]]:
    """(row, seed) -> its cell, and the conditions to measure."""
    wanted = {}
    for row in experiment.rows:
        for seed in seeds:
            conditions = {column.condition for column in row.columns} | {"cost"}
            wanted[row.name, seed] = (cell_of(row.run, corpus, seed, where), conditions)
    return wanted


def jobs_of(wanted: Mapping[tuple[str, int], tuple[Cell, set[str]]]) -> dict[str, tuple[Cell, set[str]]]:
    """The distinct cells by name. Rows may share a run, which is trained once, for all their conditions."""
    jobs: dict[str, tuple[Cell, set[str]]] = {}
    for cell, conditions in wanted.values():
        _, known = jobs.setdefault(cell.folder().name, (cell, set()))
        known |= conditions
    return jobs


@read_once()
def finished(experiment: Experiment, corpus: str, seeds: tuple[int, ...], where: Where = USUAL) -> bool:
    """Whether a run would have nothing left to do."""
    wanted = cells_of(experiment, corpus, seeds, where)
    return all(conditions - {"cost"} <= cell.measured().keys() for cell, conditions in wanted.values())


def _fill_all(
    jobs: dict[str, tuple[Cell, set[str]]], cluster: Cluster, report: Report, device: str
) -> tuple[dict[str, Measured], list[str]]:
    """Run all missing cells in parallel, then the timed conditions one cell at a time."""
    failed: list[str] = []
    done: dict[str, Measured] = {}
    for timed in (False, True):
        known = dict(done) if timed else {key: cell.measured() for key, (cell, _) in jobs.items()}
        missing = {
            key: sorted(c for c in jobs[key][1] - answers.keys() if timed or c.split()[0] not in TIMED)
            for key, answers in known.items()
        }
        done = {key: answers for key, answers in known.items() if not missing[key]}
        left = {key: (jobs[key][0], conditions, 1, device) for key, conditions in missing.items() if conditions}
        if not left:
            continue
        here = replace(cluster, workers=1, engine="processes") if timed else cluster
        for key, result in spread(fill, left, here):
            cell = left[key][0]
            if isinstance(result, UserError):
                failed.append(f"{cell.run.system}, seed {cell.seed}: {result}")
            else:
                done[key] = result
            report(f"{cell.run.system}, seed {cell.seed}", (len(done) + len(failed)) / len(jobs))
    return done, failed
