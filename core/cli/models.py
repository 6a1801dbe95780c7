"""What is done with one clip or one model: analyse, train, evaluate, list, mark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from affectscope.core.checkpoints import DEFAULT, FOR_PEOPLE
from affectscope.core.cli.common import (
    AsJson,
    CheckpointOption,
    ExplanationOption,
    FaceOption,
    FeaturesOption,
    SoundMethodOption,
    TrackOption,
    load,
    method_known,
    pairs,
    printable,
    progress_bar,
    regret,
    remarks,
    show,
    taking,
)
from affectscope.core.cli.plugins import WithPlugins
from affectscope.core.errors import UserError

app = typer.Typer(
    cls=WithPlugins,
    help="A microscope for audio-visual emotion recognition models: analyse clips, train and evaluate "
    "models, open the dashboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def analyze(
    files: Annotated[
        list[Path], typer.Argument(help="Clips: any video or audio file that FFmpeg reads, or folders of such files.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Output folder for analysis.json, heatmaps.npz, attention.npz and overlay.mp4; with several "
            "clips, one subfolder per clip.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write an HTML page that plays the clip with all results, without a server or a network; with "
            "several clips, a folder of pages."
        ),
    ] = None,
    checkpoint: CheckpointOption = FOR_PEOPLE,
    explain: Annotated[
        str | None, typer.Option(help="The class to explain in the heatmaps; by default, each head's own prediction.")
    ] = None,
    explanation: ExplanationOption = None,
    sound_method: SoundMethodOption = None,
    video: Annotated[bool, typer.Option(help="Also write overlay.mp4.")] = True,
    attention: Annotated[bool, typer.Option(help="Also write attention.npz: tens of megabytes for a minute.")] = True,
    start: Annotated[
        str | None,
        typer.Option("--start", "--from", help="Start of the excerpt of a long file: 750 or 12:30."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", "--to", help="End of the excerpt, at most one minute after its start.")
    ] = None,
    audio_track: TrackOption = None,
    face: FaceOption = None,
    features: FeaturesOption = None,
    as_json: AsJson = False,
) -> None:
    """Analyse clips, or an excerpt of a long one: predictions, heatmaps, and attention over time."""
    from affectscope.core.cli import analysis

    if out is None and html is None:
        raise UserError("Say where the analysis goes: --out FOLDER, --html FILE, or both.")
    loaded = taking(load(checkpoint), features)
    if explain is not None and explain not in loaded.spec.labels:
        raise UserError(f"The model knows no class {explain!r}; choose one of {', '.join(loaded.spec.labels)}.")
    method_known(explanation, sound_method)
    asked = analysis.Asked(out, html, explain, explanation, video, attention, start, end, audio_track, face, sound_method)
    if len(files) > 1 or files[0].is_dir():
        analysis.each(loaded, files, asked, as_json)
    else:
        analysis.analyse_clip(loaded, files[0], asked, as_json)


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output path of the checkpoint, ending in .safetensors.")],
    system: Annotated[str, typer.Argument(help="Name of a model; `affectscope models` lists them.")] = "auxformer",
    corpus: Annotated[
        str, typer.Option(help="An added corpus by name, the path of a corpus, or `demo` for the bundled clips.")
    ] = "demo",
    also: Annotated[
        list[str] | None,
        typer.Option(
            help="An additional corpus, such as recordings of people; it may have only audio or only video. May be repeated."
        ),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="LABEL=CLASS", help="Map a label of an additional corpus to one of the first corpus."),
    ] = None,
    pretrained: Annotated[
        str, typer.Option(help="Start from the weights of this checkpoint of the same system, such as an included one.")
    ] = "",
    scratch: Annotated[
        bool,
        typer.Option(
            help="With --also: train a network from random weights, even if the corpora could extend an included "
            "checkpoint. Every option of network training implies this."
        ),
    ] = False,
    preset: Annotated[
        str, typer.Option(help="`demo` (small), `paper` (published sizes), or another of `affectscope models`.")
    ] = "demo",
    strategy: Annotated[
        str | None,
        typer.Option(help="The training strategy, which defines each step's input and loss; by default, the system's own."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Maximum number of epochs.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Initial learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Batch size in clips.")] = None,
    frame_noise: Annotated[
        float | None, typer.Option(help="Standard deviation of the noise on each frame's normalised features during training.")
    ] = None,
    clip_noise: Annotated[
        float | None,
        typer.Option(help="Standard deviation of a random offset of each clip's normalised features during training."),
    ] = None,
    balance: Annotated[bool | None, typer.Option(help="Weight classes by the inverse of their frequency.")] = None,
    soft_votes: Annotated[
        bool | None, typer.Option(help="Train on soft labels: the shares of the raters' votes (for corpora with votes=soft).")
    ] = None,
    split: Annotated[
        Literal["speaker", "official", "folds"] | None,
        typer.Option(
            help="Split speakers at random by the seed, use the corpus's official split, or its ten folds by "
            "speaker, one per seed."
        ),
    ] = None,
    selection: Annotated[
        Literal["loss", "main loss", "accuracy"] | None,
        typer.Option(
            help="Which epoch to keep: the one with the lowest development loss, the lowest loss of the main head, "
            "or the highest accuracy."
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32; bf16 if the machine multiplies in bf16; or one of Fabric's: 16-mixed, bf16-true.")
    ] = None,
    accelerator: Annotated[str | None, typer.Option(help="Fabric's accelerator: auto, cpu, cuda.")] = None,
    devices: Annotated[int | None, typer.Option(help="Number of GPUs, or of processes on a CPU.")] = None,
    nodes: Annotated[
        int | None, typer.Option(help="Number of machines; start the command on each with torchrun or `fabric run`.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of split, weights and order.")] = 0,
    resume: Annotated[bool, typer.Option(help="Resume an interrupted run with the same settings.")] = False,
    workers: Annotated[int | None, typer.Option(help="Number of processes that extract features; by default, all cores.")] = None,
    store: Annotated[
        Path | None, typer.Option(help="Train on the features of this store, the output of `affectscope features extract`.")
    ] = None,
    features: FeaturesOption = None,
    progress: Annotated[
        Path | None,
        typer.Option(help="Write progress to this file, as one JSON object per line: stage, completed share, and time."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on a corpus with held-out speakers, and write a checkpoint with its card and history.

    Options that you omit have the published values at paper size, and fast ones at demo size.
    """
    from affectscope.core.checkpoints import plugged
    from affectscope.core.inference.precision import of_training
    from affectscope.core.library import named
    from affectscope.core.library.cards import held_out
    from affectscope.core.training import beside
    from affectscope.core.training.background import noting
    from affectscope.core.training.recipes import Recipe, recipe
    from affectscope.core.training.run import train_checkpoint

    plugged.check_trained_here(system)
    own = recipe(system, preset)
    precision = of_training(precision) if precision else None
    given: dict[str, Any] = {
        "epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "frame_noise": frame_noise,
        "clip_noise": clip_noise, "balance": balance, "soft_votes": soft_votes, "split": split, "precision": precision,
        "selection": selection,
        "accelerator": accelerator, "devices": devices, "nodes": nodes,
    }  # fmt: skip
    config = replace(own.config, seed=seed, **{name: value for name, value in given.items() if value is not None})
    with progress_bar() as report:
        report = noting(progress, report) if progress else report
        chosen = Recipe(strategy or own.strategy, config)
        start = (pretrained, named.checkpoint(pretrained)) if pretrained else None
        if scratch and strategy == beside.NAME:
            raise UserError(f"--scratch trains a network, --strategy {beside.NAME!r} does not: leave one of them out.")
        # Whoever says how to train wants to train.
        onto = bool(also) and not (
            scratch or resume or strategy or any(given[name] is not None for name in given if name != "split")
        )
        card = train_checkpoint(
            system, preset, corpus, chosen, out, workers, report, resume, store, pairs(features), also or (), pairs(alias), start,
            onto,
        )  # fmt: skip
    if card is None:
        return
    regret(card["unreadable"])
    if card.get("strategy") == beside.NAME:
        remarks.print(printable(beside.sentence(card["pretrained"])), markup=False, soft_wrap=True)
    for joined in card.get("corpora", ()):
        for sentence in joined["remarks"]:
            remarks.print(printable(sentence), markup=False, soft_wrap=True)
    rows = _metric_rows(card["metrics"])
    by_corpus = card.get("metrics_by_corpus", {})
    if by_corpus:
        rows = [{"corpus": name} | row for name, own in by_corpus.items() for row in _metric_rows(own)]
    show(rows, as_json, f"{held_out(card)}; checkpoint in {out}")


@app.command()
def evaluate(
    checkpoint: CheckpointOption = DEFAULT,
    corpus: Annotated[
        str, typer.Option(help="An added corpus by name, the path of a corpus, or `demo` for the bundled clips.")
    ] = "demo",
    without: Annotated[str | None, typer.Option(help="Evaluate without this modality: `audio` or `visual`.")] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            "--alias", metavar="LABEL=CLASS", help="Map a label of the corpus to one of the model's classes; may be repeated."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Number of processes that extract features; by default, all cores.")] = None,
    features: FeaturesOption = None,
    precision: Annotated[
        str, typer.Option(help="fp32, or bf16 if the machine multiplies in bf16: faster; the command reports what changes.")
    ] = "fp32",
    as_json: AsJson = False,
) -> None:
    """Evaluate a checkpoint on a corpus, per head. Clips whose label the model does not know are left out and counted.

    A head is evaluated on the clips that have its input. Intervals are 95 %. --json adds recall by class, the predictions, the
    confusion matrix, and the labels that were left out.
    """
    from affectscope.core.corpora import open_corpus
    from affectscope.core.evaluation.labelled import labelled_for, left_out
    from affectscope.core.inference.precision import check
    from affectscope.core.training.measured import measure

    if without not in (None, "audio", "visual"):
        raise UserError(f"There is no modality {without!r} to take away: choose audio or visual.")
    loaded = taking(load(checkpoint), features)
    loaded.model.precision = check(precision, loaded.model.prior.device.type)
    opened, aliases = open_corpus(corpus), pairs(alias)
    measured, notes = labelled_for(opened, loaded.spec, aliases)
    for sentence in notes:
        remarks.print(sentence, markup=False, soft_wrap=True)
    with progress_bar() as report:
        gone = left_out(opened, loaded.spec, aliases)
        rows, broken = measure(loaded, measured, without, workers, report, gone)
    regret(broken)
    for sentence in rows[0].get("remarks", ()):
        remarks.print(sentence, markup=False, soft_wrap=True)
    if not as_json:
        short = [_in_short(row) for row in rows]
        # A head without evidence has fewer numbers.
        columns = max(short, key=len)
        rows = [{name: row.get(name) for name in columns} for row in short]
    show(rows, as_json, f"{checkpoint} on {corpus}")


@app.command()
def models(
    as_json: AsJson = False, markdown: Annotated[bool, typer.Option(help="Print the table as Markdown, for the docs.")] = False
) -> None:
    """List the systems, their presets and variants, with their parameter counts."""
    from affectscope.core.models import catalogue

    if markdown:
        print(catalogue.markdown(), end="")
        return
    show(catalogue.rows(), as_json, "Systems")


@app.command(name="checkpoints")
def list_checkpoints(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option(help="Print the page of model cards as Markdown, for checkpoints/.")] = False,
) -> None:
    """List the included checkpoints with their scores on held-out speakers."""
    from affectscope.core.checkpoints import saved as checkpoints
    from affectscope.core.library import shipped

    if markdown:
        print(shipped.markdown(checkpoints.shipped()), end="")
        return
    show(shipped.rows(checkpoints.shipped()), as_json, "Checkpoints")


@app.command()
def pointing(
    checkpoint: CheckpointOption = DEFAULT,
    corpus: Annotated[str, typer.Option(help="A corpus with known ground truth: `demo`, or a folder.")] = "demo",
    explanation: ExplanationOption = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate heatmaps with the pointing game: how often is the maximum where the face moves because of the emotion?"""
    from affectscope.core.analyzer import Analyzer
    from affectscope.core.cache.store import FeatureStore
    from affectscope.core.corpora import open_corpus
    from affectscope.core.evaluation.pointing import pointing_game

    method_known(explanation)
    loaded, opened = load(checkpoint), open_corpus(corpus)
    analyzer = Analyzer(loaded, FeatureStore(shipped=[opened.features] if opened.features else []))
    with progress_bar() as report:
        games = pointing_game(
            lambda media, label: analyzer.analyze(media, explain=label, explanation=explanation).timeline,
            opened,
            lambda done, total: report("Pointing", done / total),
        )
    rows = [
        {"head": head, "frames": game.frames, "hits": game.hits, "chance": game.chance, "ratio": game.ratio}
        for head, game in games.items()
    ]
    show(rows, as_json, f"{checkpoint} on {corpus}")


def _metric_rows(metrics: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"head": head} | {k: v for k, v in values.items() if k != "confusion"} for head, values in metrics.items()]


def _in_short(row: dict[str, Any]) -> dict[str, Any]:
    """A row of ``measure`` as a terminal has room for."""
    from affectscope.core.metrics.metrics import tabled

    short: dict[str, Any] = {"head": row["head"], "clips": row["clips"]}
    for name in tabled([row]):
        low, high = row.get(f"{name}_interval", (None, None))
        short[name] = row[name] if low is None else f"{row[name]:.3f} ({low:.2f} to {high:.2f})"
    if "surest_half" in row:
        short["surest half"] = row["surest_half"]["accuracy"]
    return short
