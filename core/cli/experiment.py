"""`affectscope experiment`: the tables and figures of the papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from affectscope.core.cli.common import AsJson, Workers, progress_bar, remarks, show
from affectscope.core.cli.plugins import WithPlugins

experiment_app = typer.Typer(
    cls=WithPlugins, help="The tables and figures of the papers, on the corpus at hand.", no_args_is_help=True
)


@experiment_app.command("list")
def experiment_list(as_json: AsJson = False) -> None:
    """Name the experiments, with what they train."""
    from affectscope.core.experiments import plan

    rows: list[dict[str, Any]] = []
    for name in plan.experiments():
        one = plan.load(name)
        systems = ", ".join(dict.fromkeys(row.run.system for row in one.rows))
        rows.append({"name": name, "paper": one.paper, "item": one.item, "title": one.title, "systems": systems})
    show(rows, as_json, "Experiments")


ExperimentCorpus = Annotated[str, typer.Option(help="A corpus that was added, the path of one, or `demo` for the bundled clips.")]
ExperimentSeeds = Annotated[int, typer.Option(help="The first so many of the twenty seeds.", min=1, max=20)]
ExperimentOut = Annotated[Path, typer.Option("--out", "-o", help="Folder for tables and figures.")]


ExperimentHtml = Annotated[bool, typer.Option(help="Also write each figure as a page of its own, 4 MB each.")]


@experiment_app.command("run")
def experiment_run(
    names: Annotated[list[str], typer.Argument(help="Experiments, or the paths of files; `all` for every one.")],
    corpus: ExperimentCorpus = "demo",
    seeds: ExperimentSeeds = 5,
    out: ExperimentOut = Path("results"),
    workers: Workers = None,
    html: ExperimentHtml = True,
    as_json: AsJson = False,
) -> None:
    """Train and measure what is missing, and write table (Markdown, CSV) and figure (Plotly). Finished cells are kept."""
    import os

    from affectscope.core.experiments import plan, report, run
    from affectscope.core.training.splits import SEEDS

    written: list[dict[str, Any]] = []
    for name in list(plan.experiments()) if names == ["all"] else names:
        with progress_bar() as bar:
            filled, failed = run.run(plan.load(name), corpus, SEEDS[:seeds], workers or os.cpu_count() or 1, bar)
        for sentence in failed:
            remarks.print(f"Failed: {sentence}", markup=False)
        written += [{"experiment": name, "file": str(path)} for path in report.write(filled, out, html)]
    show(written, as_json, "Written")


@experiment_app.command("report")
def experiment_report(
    corpus: ExperimentCorpus = "demo",
    seeds: ExperimentSeeds = 5,
    out: ExperimentOut = Path("results"),
    html: ExperimentHtml = True,
) -> None:
    """Write every experiment that is finished again, and list which are not."""
    from affectscope.core.experiments import plan, report, run
    from affectscope.core.training.splits import SEEDS

    missing = []
    for name in plan.experiments():
        one = plan.load(name)
        if run.finished(one, corpus, SEEDS[:seeds]):
            filled, _ = run.run(one, corpus, SEEDS[:seeds], 1)
            report.write(filled, out, html)
        else:
            missing.append(name)
    if missing:
        remarks.print(f"Not finished: {', '.join(missing)}.", markup=False)


@experiment_app.command("claims")
def experiment_claims(
    corpus: ExperimentCorpus = "demo",
    seeds: ExperimentSeeds = 5,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write, in Markdown.")] = Path("results/claims.md"),
) -> None:
    """Hold what the papers claim against the experiments that are finished, and write the results page."""
    from affectscope.core.cache.store import write_atomically
    from affectscope.core.experiments import claims, plan, run
    from affectscope.core.training.splits import SEEDS

    wanted = claims.load()
    plans = {name: plan.load(name) for name in claims.needed(wanted)}
    done = {name: one for name, one in plans.items() if run.finished(one, corpus, SEEDS[:seeds])}
    tables = {name: run.run(one, corpus, SEEDS[:seeds], 1)[0] for name, one in done.items()}
    write_atomically(out, lambda part: part.write_text(claims.page(wanted, tables), encoding="utf-8"))
    if missing := [name for name in plans if name not in done]:
        remarks.print(f"Not finished: {', '.join(missing)}.", markup=False)
