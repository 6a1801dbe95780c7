"""`affectscope experiment`: the tables and figures of the papers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from affectscope.core.cli.common import (
    AddressOption,
    AsJson,
    EngineOption,
    FeaturesOption,
    Workers,
    pairs,
    progress_bar,
    remarks,
    show,
)
from affectscope.core.cli.plugins import WithPlugins
from affectscope.core.errors import UserError

if TYPE_CHECKING:
    from affectscope.core.experiments.plan import Experiment, Setting
    from affectscope.core.experiments.report import Filled
    from affectscope.core.experiments.where import Where
    from affectscope.core.features.bulk.spreading import Cluster

experiment_app = typer.Typer(
    cls=WithPlugins, help="Reproduce the tables and figures of the papers on a corpus.", no_args_is_help=True
)


@experiment_app.command("list")
def experiment_list(as_json: AsJson = False) -> None:
    """List the experiments and what they train."""
    from affectscope.core.experiments import plan

    rows: list[dict[str, Any]] = []
    for name in plan.experiments():
        experiment = plan.load(name)
        systems = ", ".join(dict.fromkeys(row.run.system for row in experiment.rows))
        rows.append(
            {"name": name, "paper": experiment.paper, "item": experiment.item, "title": experiment.title, "systems": systems}
        )
    show(rows, as_json, "Experiments")


ExperimentCorpus = Annotated[
    str, typer.Option(help="An added corpus by name, the path of a corpus, or `demo` for the bundled clips.")
]
ExperimentSeeds = Annotated[int, typer.Option(help="How many of the twenty seeds to use, from the first.", min=1, max=20)]
ExperimentOut = Annotated[Path, typer.Option("--out", "-o", help="Output folder for tables and figures.")]


SizeOption = Annotated[
    str,
    typer.Option(
        "--preset", help="`demo`, or a published size, such as `paper` or `paper-18`, with the paper's features and training."
    ),
]
ProtocolOption = Annotated[
    Literal["own", "paper"] | None,
    typer.Option(
        help="Train and evaluate as the paper does (zeros for missing frames, …), or by our own protocol; the "
        "default depends on --preset."
    ),
]
StoreOption = Annotated[
    Path | None, typer.Option(help="Train on the features of this store, the output of `affectscope features extract`.")
]
SplitOption = Annotated[
    Literal["speaker", "official", "folds"] | None,
    typer.Option(
        help="Split speakers at random by the seed, use the corpus's official split, or its ten folds by speaker, one per seed."
    ),
]
EpochsOption = Annotated[int | None, typer.Option(help="Maximum number of epochs.")]
BatchOption = Annotated[int | None, typer.Option(help="Batch size in clips.")]
PrecisionOption = Annotated[str | None, typer.Option(help="Fabric's precision: 32-true, 16-mixed, bf16-mixed.")]
DeviceOption = Annotated[Literal["cpu", "cuda"] | None, typer.Option(help="Device for training and evaluation.")]


ExperimentHtml = Annotated[bool, typer.Option(help="Also write each figure as an HTML page, 4 MB each.")]


@experiment_app.command("run")
def experiment_run(
    names: Annotated[list[str], typer.Argument(help="Names or files of experiments; `all` for all.")],
    corpus: ExperimentCorpus = "demo",
    seeds: ExperimentSeeds = 5,
    preset: SizeOption = "demo",
    protocol: ProtocolOption = None,
    rows: Annotated[list[str] | None, typer.Option("--row", help="Run only this row, by name; may be repeated.")] = None,
    epochs: EpochsOption = None,
    batch_size: BatchOption = None,
    store: StoreOption = None,
    features: FeaturesOption = None,
    split: SplitOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    out: ExperimentOut = Path("results"),
    workers: Workers = None,
    engine: EngineOption = "processes",
    address: AddressOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Train nothing: estimate cells, sizes, memory and hours from one measured training step."),
    ] = False,
    html: ExperimentHtml = True,
    as_json: AsJson = False,
) -> None:
    """Train and evaluate the missing cells, and write tables (Markdown, CSV) and figures (Plotly). Finished cells are reused."""
    import os

    from affectscope.core.experiments import plan, report, run
    from affectscope.core.features.bulk.spreading import Cluster
    from affectscope.core.training.splits import SEEDS

    training = _training(epochs, batch_size, split, precision, device)
    setting = _setting(corpus, preset, protocol, training)
    count = workers or os.cpu_count() or 1
    where = _where(store, features, device, Cluster(engine, count, address, 1.0 if device == "cuda" else 0.0))
    written: list[dict[str, Any]] = []
    for name in list(plan.experiments()) if names == ["all"] else names:
        experiment = plan.load(name, setting)
        if rows:
            experiment = plan.only(experiment, rows)
        if dry_run:
            _forecast(experiment, corpus, SEEDS[:seeds], where, device or "cpu", as_json)
            continue
        try:
            with progress_bar() as bar:
                filled, failed = run.run(experiment, corpus, SEEDS[:seeds], count, bar, where)
        except UserError as error:
            if names != ["all"]:
                raise
            remarks.print(f"Left out: {error}", markup=False, soft_wrap=True)
            continue
        for sentence in failed:
            remarks.print(f"Failed: {sentence}", markup=False)
        written += [{"experiment": name, "file": str(path)} for path in report.write(filled, out, html)]
    if not dry_run:
        show(written, as_json, "Written")


def _training(
    epochs: int | None, batch_size: int | None, split: str | None, precision: str | None, device: str | None
) -> dict[str, Any]:
    """What a person said of training, by the names of its config."""
    given = {"epochs": epochs, "batch_size": batch_size, "split": split, "precision": precision, "accelerator": device}
    return {name: value for name, value in given.items() if value is not None}


def _setting(corpus: str, preset: str, protocol: str | None, training: dict[str, Any]) -> Setting:
    """Size and protocol; a corpus that names no speakers is shared out as its authors did."""
    from affectscope.core.corpora import open_corpus
    from affectscope.core.experiments import plan, run

    opened = open_corpus(corpus)
    if "split" not in training and run.own_split(corpus):
        training = training | {"split": "official"}
        remarks.print(f"{opened.name} names no speakers: its official split is used (--split official).", markup=False)
    kind = "msp-improv" if "improv" in opened.name.lower() else opened.kind
    return plan.Setting(preset, protocol or "", kind, training)  # type: ignore[arg-type]


def _where(store: Path | None, features: list[str] | None, device: str | None, cluster: Cluster | None = None) -> Where:
    from affectscope.core.experiments.where import USUAL, Where

    place = str(store.expanduser().resolve()) if store else ""
    return Where(place, pairs(features), "cuda" if device == "cuda" else "", cluster or USUAL.cluster)


def _forecast(experiment: Any, corpus: str, seeds: tuple[int, ...], where: Any, device: str, as_json: bool) -> None:
    from affectscope.core.experiments import dry

    rows, hours = dry.forecast(experiment, corpus, seeds, where, device)
    show([row.line() for row in rows], as_json, dry.heading(rows, hours, experiment.name))


MeasuredSeeds = Annotated[
    int, typer.Option(help="Of the twenty seeds, those that are measured among the first so many.", min=1, max=20)
]


def _gathered(
    corpus: str, seeds: int, preset: str, protocol: str | None, training: dict[str, Any], where: Where
) -> dict[str, Filled]:
    """What is measured at a size, under a protocol and with settings, each as `run` was told."""
    from affectscope.core.experiments import gathered
    from affectscope.core.training.splits import SEEDS

    return gathered.gather(_loaded(corpus, preset, protocol, training), corpus, SEEDS[:seeds], where)


def _loaded(corpus: str, preset: str, protocol: str | None, training: dict[str, Any]) -> list[Experiment]:
    from affectscope.core.experiments import plan

    setting = _setting(corpus, preset, protocol, training)
    return [plan.load(name, setting) for name in plan.experiments()]


@experiment_app.command("report")
def experiment_report(
    corpus: ExperimentCorpus = "demo",
    seeds: MeasuredSeeds = 10,
    preset: SizeOption = "demo",
    protocol: ProtocolOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchOption = None,
    store: StoreOption = None,
    features: FeaturesOption = None,
    split: SplitOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    out: ExperimentOut = Path("results"),
    html: ExperimentHtml = True,
) -> None:
    """Rewrite the tables and figures of all experiments from the cells measured with these options, and list experiments without
    any. Trains nothing."""
    from affectscope.core.experiments import plan, report

    training = _training(epochs, batch_size, split, precision, device)
    measured = _gathered(corpus, seeds, preset, protocol, training, _where(store, features, device))
    for filled in measured.values():
        report.write(filled, out, html)
    if missing := [name for name in plan.experiments() if name not in measured]:
        remarks.print(f"Not measured: {', '.join(missing)}.", markup=False)


@experiment_app.command("claims")
def experiment_claims(
    corpus: ExperimentCorpus = "demo",
    seeds: MeasuredSeeds = 10,
    preset: SizeOption = "demo",
    protocol: ProtocolOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchOption = None,
    store: StoreOption = None,
    features: FeaturesOption = None,
    split: SplitOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Output page, in Markdown.")] = Path("results/claims.md"),
    note: Annotated[str, typer.Option(help="A sentence about the corpus for the top of the page.")] = "",
    tables: Annotated[
        Path | None, typer.Option(help="Output folder for tables and figures; by default, `results` next to the page.")
    ] = None,
) -> None:
    """Compare the papers' claims with the cells measured with these options, and write the results page with its tables. Trains
    nothing."""
    import os

    from affectscope.core.cache.store import write_atomically
    from affectscope.core.corpora import open_corpus
    from affectscope.core.experiments import claims, report, results

    folder = tables or out.parent / "results"
    wanted = claims.load()
    training = _training(epochs, batch_size, split, precision, device)
    measured = _gathered(corpus, seeds, preset, protocol, training, _where(store, features, device))
    for filled in measured.values():
        report.write(filled, folder, html=False)
    earlier, recorded = (folder / results.EARLIER).is_file(), not open_corpus(corpus).synthetic
    text = results.page(wanted, measured, note, os.path.relpath(folder, out.parent), earlier, recorded)
    write_atomically(out, lambda part: part.write_text(text, encoding="utf-8"))
    if missing := [name for name in claims.needed(wanted) if name not in measured]:
        remarks.print(f"Not measured: {', '.join(missing)}.", markup=False)
    if open_ones := results.undecided([results.examine(claim, measured) for claim in wanted]):
        remarks.print(f"Too few seeds to decide: {', '.join(open_ones)}.", markup=False)


@experiment_app.command("export")
def experiment_export(
    file: Annotated[Path, typer.Argument(help="Output file, JSON.")],
    corpus: ExperimentCorpus = "demo",
    seeds: MeasuredSeeds = 20,
    preset: SizeOption = "demo",
    protocol: ProtocolOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchOption = None,
    store: StoreOption = None,
    features: FeaturesOption = None,
    split: SplitOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = None,
) -> None:
    """Write the results of all experiments measured with these options to one file: numbers, not models. `import` reads it on
    another machine with the same corpus."""
    from affectscope.core.experiments import carried
    from affectscope.core.training.splits import SEEDS

    training = _training(epochs, batch_size, split, precision, device)
    experiments = _loaded(corpus, preset, protocol, training)
    cells = carried.measured_cells(experiments, corpus, SEEDS[:seeds], _where(store, features, device))
    if not cells:
        raise UserError("Nothing is measured with these options yet: run `affectscope experiment run` first.")
    carried.write(file, cells)
    remarks.print(f"Cells written: {len(cells)}.", markup=False)


@experiment_app.command("import")
def experiment_import(file: Annotated[Path, typer.Argument(help="A file that `export` wrote.", exists=True)]) -> None:
    """Import results from another machine, so that their cells are not measured again. Existing results are kept."""
    from affectscope.core.experiments import carried

    news, count = carried.take(file)
    remarks.print(f"Cells read: {count}; with something new: {news}.", markup=False)
