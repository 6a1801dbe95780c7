"""The same road from a terminal: `affectscope --help`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from core.errors import UserError

app = typer.Typer(
    help="A microscope for audio-visual emotion models: analyse a clip, train and evaluate models, open the dashboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
corpus_app = typer.Typer(help="Build a demo corpus, or look at the corpora at hand.", no_args_is_help=True)
app.add_typer(corpus_app, name="corpus")
experiment_app = typer.Typer(help="The tables and figures of the papers, on the corpus at hand.", no_args_is_help=True)
app.add_typer(experiment_app, name="experiment")

# Progress and remarks go to stderr: what --json prints stays clean.
remarks = Console(stderr=True)
output = Console()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
CheckpointOption = Annotated[
    str, typer.Option("--checkpoint", "-c", help="A shipped checkpoint's name, or the path of a .safetensors file.")
]


@app.command()
def analyze(
    file: Annotated[Path, typer.Argument(help="The clip: any video, or sound, that FFmpeg reads.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for analysis.json, heatmaps.npz and overlay.mp4.")],
    checkpoint: CheckpointOption = "auxformer",
    explain: Annotated[
        str | None, typer.Option(help="Class that the heatmaps explain; each head's own answer if left out.")
    ] = None,
    video: Annotated[bool, typer.Option(help="Write overlay.mp4 too.")] = True,
    as_json: AsJson = False,
) -> None:
    """Analyse one clip: what the model says, where it looked, when it listened."""
    from core import export
    from core.analyzer import Analyzer

    loaded = _load(checkpoint)
    if explain is not None and explain not in loaded.spec.labels:
        raise UserError(f"The model knows no class {explain!r}; choose one of {', '.join(loaded.spec.labels)}.")
    with _progress() as report:
        analysis = Analyzer(loaded).analyze(file, explain=explain, progress=report)
        out.mkdir(parents=True, exist_ok=True)
        (out / "analysis.json").write_text(analysis.to_json())
        arrays = {h.id: h.values.reshape(-1, h.height, h.width) for h in analysis.timeline.heatmaps}
        arrays |= {"times": analysis.timeline.frame_times, "boxes": analysis.timeline.boxes}
        np.savez_compressed(out / "heatmaps.npz", **arrays)  # type: ignore[arg-type]
        if video and len(analysis.timeline.frame_times):
            export.overlay(file, analysis.timeline, out / "overlay.mp4", progress=lambda s: report("Writing overlay.mp4", s))
    for notice in analysis.notices:
        remarks.print(f"Note: {notice}", markup=False)
    if loaded.card.get("synthetic_training"):
        remarks.print("Note: this model was trained on rendered faces and synthetic voices; it has never seen a person.")
    rows: list[dict[str, Any]] = []
    for head, probabilities in analysis.predictions.items():
        evidence = analysis.evidence.get(head, any(analysis.evidence.values()))
        rows.append(
            {"head": head, "says": max(probabilities, key=probabilities.__getitem__), "evidence": evidence, **probabilities}
        )
    _show(rows, as_json, f"{file.name}: written to {out}")


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the checkpoint goes, ending in .safetensors.")],
    system: Annotated[str, typer.Argument(help="A model's name; `affectscope models` lists them.")] = "auxformer",
    corpus: Annotated[str, typer.Option(help="A corpus folder, or `demo` for the bundled clips.")] = "demo",
    preset: Annotated[
        str, typer.Option(help="`demo` (small), `paper` (published sizes), or another of `affectscope models`.")
    ] = "demo",
    regime: Annotated[str | None, typer.Option(help="What a step sees and minimises; the system's own if left out.")] = None,
    epochs: Annotated[int | None, typer.Option(help="At most this many passes over the training set.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The optimiser's first learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Clips a step.")] = None,
    frame_noise: Annotated[float | None, typer.Option(help="Noise on each frame's normalised features while training.")] = None,
    clip_noise: Annotated[float | None, typer.Option(help="Offset for a clip's normalised features while training.")] = None,
    balance: Annotated[bool | None, typer.Option(help="Weigh classes by the inverse of their frequency.")] = None,
    precision: Annotated[str | None, typer.Option(help="Fabric's: 32-true, 16-mixed, bf16-mixed.")] = None,
    accelerator: Annotated[str | None, typer.Option(help="Fabric's: auto, cpu, cuda.")] = None,
    devices: Annotated[int | None, typer.Option(help="How many GPUs, or processes on a CPU.")] = None,
    nodes: Annotated[int | None, typer.Option(help="How many machines; start it on each with torchrun or `fabric run`.")] = None,
    seed: Annotated[int, typer.Option(help="Decides split, weights and order.")] = 0,
    resume: Annotated[bool, typer.Option(help="Go on where a run with the same settings was cut off.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes that extract features; all cores if left out.")] = None,
    progress: Annotated[
        Path | None, typer.Option(help="A file to write stage, share done and time to, a line of JSON each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on a corpus with held-out speakers, and write a checkpoint with its card and history.

    What is left out is as published at paper size, and quick at demo size.
    """
    from core.training.background import noting
    from core.training.recipes import recipe
    from core.training.run import train_checkpoint

    own = recipe(system, preset)
    given: dict[str, Any] = {
        "epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "frame_noise": frame_noise,
        "clip_noise": clip_noise, "balance": balance, "precision": precision, "accelerator": accelerator, "devices": devices,
        "nodes": nodes,
    }  # fmt: skip
    config = replace(own.config, seed=seed, **{name: value for name, value in given.items() if value is not None})
    with _progress() as report:
        report = noting(progress, report) if progress else report
        card = train_checkpoint(system, preset, corpus, regime or own.regime, config, out, workers, report, resume)
    if card is None:
        return
    _regret(card["unreadable"])
    _show(_metric_rows(card["metrics"]), as_json, f"Held-out speakers; checkpoint in {out}")


@app.command()
def evaluate(
    checkpoint: CheckpointOption = "auxformer",
    corpus: Annotated[str, typer.Option(help="A corpus folder, or `demo` for the bundled clips.")] = "demo",
    without: Annotated[str | None, typer.Option(help="Take `audio` or `visual` away first.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that extract features; all cores if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a checkpoint on a corpus, by head."""
    from core.training.run import evaluate_checkpoint

    if without not in (None, "audio", "visual"):
        raise UserError(f"There is no modality {without!r} to take away: choose audio or visual.")
    with _progress() as report:
        metrics, broken = evaluate_checkpoint(_load(checkpoint), corpus, without, workers, report)
    _regret(broken)
    _show(_metric_rows(metrics), as_json, f"{checkpoint} on {corpus}")


@app.command()
def models(
    as_json: AsJson = False, markdown: Annotated[bool, typer.Option(help="Print the table of the docs instead.")] = False
) -> None:
    """List the systems, their presets and variants, with their parameter counts."""
    from core.models import catalogue

    if markdown:
        print(catalogue.markdown(), end="")
        return
    _show(catalogue.rows(), as_json, "Systems")


@app.command(name="checkpoints")
def list_checkpoints(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option(help="Print the page of cards in checkpoints/ instead.")] = False,
) -> None:
    """List the shipped checkpoints with their scores on held-out speakers."""
    from core import checkpoints, shipped

    if markdown:
        print(shipped.markdown(checkpoints.shipped()), end="")
        return
    _show(shipped.rows(checkpoints.shipped()), as_json, "Checkpoints")


@app.command(name="app")
def open_app(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
) -> None:
    """Open the dashboard, on this machine only."""
    server = Path(__file__).parent.parent / "app" / "server.py"
    options = ["--server.port", str(port), "--server.headless", str(not browser).lower()]
    raise typer.Exit(subprocess.call([sys.executable, "-m", "streamlit", "run", str(server), *options], cwd=server.parent.parent))


@experiment_app.command("list")
def experiment_list(as_json: AsJson = False) -> None:
    """Name the experiments, with what they train."""
    from core.experiments import plan

    rows: list[dict[str, Any]] = []
    for name in plan.experiments():
        one = plan.load(name)
        systems = ", ".join(dict.fromkeys(row.run.system for row in one.rows))
        rows.append({"name": name, "paper": one.paper, "item": one.item, "title": one.title, "systems": systems})
    _show(rows, as_json, "Experiments")


ExperimentCorpus = Annotated[str, typer.Option(help="A corpus folder, or `demo` for the bundled clips.")]
ExperimentSeeds = Annotated[int, typer.Option(help="The first so many of the twenty seeds.", min=1, max=20)]
ExperimentOut = Annotated[Path, typer.Option("--out", "-o", help="Folder for tables and figures.")]


ExperimentHtml = Annotated[bool, typer.Option(help="Also write each figure as a page of its own, 4 MB each.")]


@experiment_app.command("run")
def experiment_run(
    names: Annotated[list[str], typer.Argument(help="Experiments, or the paths of files; `all` for every one.")],
    corpus: ExperimentCorpus = "demo",
    seeds: ExperimentSeeds = 5,
    out: ExperimentOut = Path("results"),
    workers: Annotated[int | None, typer.Option(help="Processes; all cores if left out.")] = None,
    html: ExperimentHtml = True,
    as_json: AsJson = False,
) -> None:
    """Train and measure what is missing, and write table (Markdown, CSV) and figure (Plotly). Finished cells are kept."""
    import os

    from core.experiments import plan, report, run
    from core.training.splits import SEEDS

    written: list[dict[str, Any]] = []
    for name in list(plan.experiments()) if names == ["all"] else names:
        with _progress() as progress:
            filled, failed = run.run(plan.load(name), corpus, SEEDS[:seeds], workers or os.cpu_count() or 1, progress)
        for sentence in failed:
            remarks.print(f"Failed: {sentence}", markup=False)
        written += [{"experiment": name, "file": str(path)} for path in report.write(filled, out, html)]
    _show(written, as_json, "Written")


@experiment_app.command("report")
def experiment_report(
    corpus: ExperimentCorpus = "demo",
    seeds: ExperimentSeeds = 5,
    out: ExperimentOut = Path("results"),
    html: ExperimentHtml = True,
) -> None:
    """Write every experiment that is finished again, and list which are not."""
    from core.experiments import plan, report, run
    from core.training.splits import SEEDS

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
    from core.experiments import claims, plan, run
    from core.features.store import write_atomically
    from core.training.splits import SEEDS

    wanted = claims.load()
    plans = {name: plan.load(name) for name in claims.needed(wanted)}
    done = {name: one for name, one in plans.items() if run.finished(one, corpus, SEEDS[:seeds])}
    tables = {name: run.run(one, corpus, SEEDS[:seeds], 1)[0] for name, one in done.items()}
    write_atomically(out, lambda part: part.write_text(claims.page(wanted, tables), encoding="utf-8"))
    if missing := [name for name in plans if name not in done]:
        remarks.print(f"Not finished: {', '.join(missing)}.", markup=False)


@corpus_app.command("build")
def corpus_build(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for clips, truth and labels.")],
    name: Annotated[str, typer.Argument(help="What to build: `demo`.")] = "demo",
    clips: Annotated[int, typer.Option(help="How many clips.")] = 720,
    seed: Annotated[int, typer.Option(help="Same seed, same corpus.")] = 1,
    identities: Annotated[
        Literal["train", "held-out"], typer.Option(help="`held-out` takes the speakers of the bundled clips.")
    ] = "train",
    workers: Annotated[int | None, typer.Option(help="Processes; all cores if left out.")] = None,
) -> None:
    """Render the demo corpus: talking heads whose truth is known. Goes on where it was stopped."""
    if name != "demo":
        raise UserError(f"There is no corpus {name!r} to build; the only one is demo.")
    from core.corpora.demo import build

    with _progress() as report:
        build(
            out, clips, seed, identities=identities, workers=workers,
            progress=lambda done, total: report("Rendering clips", done / max(total, 1)),
        )  # fmt: skip
    remarks.print(f"The corpus is in {out}.", markup=False)


@corpus_app.command("describe")
def corpus_describe(
    name: Annotated[str, typer.Argument(help="A corpus folder, or `demo` for the bundled clips.")] = "demo",
    as_json: AsJson = False,
) -> None:
    """Count a corpus: clips and speakers by label."""
    from core.corpora import open_corpus

    table = open_corpus(name).table
    rows = [
        {"label": label, "clips": len(group), "speakers": int(group["speaker"].nunique())}
        for label, group in table.groupby("label")
    ]
    _show([*rows, {"label": "all", "clips": len(table), "speakers": int(table["speaker"].nunique())}], as_json, name)


@corpus_app.command("check")
def corpus_check(
    name: Annotated[str, typer.Argument(help="A corpus folder, or `demo` for the bundled clips.")] = "demo",
    workers: Annotated[int | None, typer.Option(help="Processes; all cores if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a corpus: pooled features with logistic regression, faces found, an independent reader of real faces."""
    from core.corpora import open_corpus
    from core.evaluation.corpus_check import check
    from core.training.data import load_clips

    corpus = open_corpus(name)
    with _progress() as report:
        clips, broken = load_clips(corpus, None, workers, lambda done, total: report("Reading clips", done / total))
    _regret(broken)
    _show([check(clips, corpus)], as_json, name)


@corpus_app.command("features")
def corpus_features(
    name: Annotated[str, typer.Argument(help="A corpus folder, or `demo` for the bundled clips.")] = "demo",
    workers: Annotated[int | None, typer.Option(help="Processes; all cores if left out.")] = None,
) -> None:
    """Extract a corpus's features into its own folder, so that they travel with the clips."""
    from core.corpora import open_corpus
    from core.features.store import FeatureStore
    from core.training.data import load_clips

    corpus = open_corpus(name)
    store = FeatureStore(corpus.root / "features")
    with _progress() as report:
        clips, broken = load_clips(corpus, store, workers, lambda done, total: report("Reading clips", done / total))
    _regret(broken)
    remarks.print(f"{len(clips)} clips' features are in {store.root}.", markup=False)


@app.command()
def pointing(
    checkpoint: CheckpointOption = "auxformer",
    corpus: Annotated[str, typer.Option(help="A corpus whose truth is known: `demo`, or a folder.")] = "demo",
    as_json: AsJson = False,
) -> None:
    """Mark the heatmaps: how often does their maximum fall where the face moves because of the emotion?"""
    from core.analyzer import Analyzer
    from core.corpora import open_corpus
    from core.explain.trust import pointing_game
    from core.features.store import FeatureStore

    loaded, opened = _load(checkpoint), open_corpus(corpus)
    analyzer = Analyzer(loaded, FeatureStore(shipped=[opened.features] if opened.features else []))
    with _progress() as report:
        games = pointing_game(analyzer, opened, lambda done, total: report("Pointing", done / total))
    rows = [
        {"head": head, "frames": game.frames, "hits": game.hits, "chance": game.chance, "ratio": game.ratio}
        for head, game in games.items()
    ]
    _show(rows, as_json, f"{checkpoint} on {corpus}")


def main() -> None:
    """Console entry: a user's error is one sentence."""
    from core.threads import fit_thread_pools

    fit_thread_pools()
    try:
        app()
    except UserError as error:
        remarks.print("[bold red]Error:[/] ", end="")
        remarks.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        remarks.print("Stopped.")
        sys.exit(130)


def _load(checkpoint: str) -> Any:
    from core import checkpoints

    return checkpoints.load(checkpoints.shipped().get(checkpoint, Path(checkpoint)))


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    quiet = not remarks.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=remarks, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)


def _regret(broken: list[str]) -> None:
    for why in broken[:5]:
        remarks.print(why, markup=False, soft_wrap=True)
    if len(broken) > 5:
        remarks.print(f"{len(broken) - 5} more clips could not be read.")


def _metric_rows(metrics: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"head": head} | {k: v for k, v in values.items() if k != "confusion"} for head, values in metrics.items()]


def _show(rows: list[dict[str, Any]], as_json: bool, title: str) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table(title=title)
    for column in rows[0] if rows else ():
        table.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else f"{v:,}" if type(v) is int else str(v) for v in row.values()))
    output.print(table)


if __name__ == "__main__":
    main()
