"""`affectscope why`: what a model's answer to one clip rests on, or its answers to a corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from affectscope.core.checkpoints import DEFAULT, FOR_PEOPLE
from affectscope.core.cli.common import (
    AsJson,
    ExplanationOption,
    FaceOption,
    FeaturesOption,
    TrackOption,
    load,
    method_known,
    output,
    printable,
    progress_bar,
    regret,
    remarks,
    show,
    taking,
)
from affectscope.core.errors import UserError

if TYPE_CHECKING:
    from affectscope.core.checkpoints.saved import Checkpoint
    from affectscope.core.why import Why


def why(
    clip: Annotated[
        Path | None, typer.Argument(help="Any video or audio file that FFmpeg reads; omit it to explain a corpus.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            "--model",
            "-c",
            help=f"Name of a model, or path of a checkpoint. Default: {FOR_PEOPLE} for a clip, {DEFAULT} for a corpus.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--class", help="The class to explain; by default, the model's own prediction.")
    ] = None,
    against: Annotated[str | None, typer.Option(help="Another class to compare with: why the one and not the other.")] = None,
    label: Annotated[str | None, typer.Option(help="The true label of the clip: the sentence then says what is correct.")] = None,
    replace: Annotated[
        Literal["absent", "zeros", "mean", "noise", "forward-fill"],
        typer.Option(help="What replaces removed frames."),
    ] = "absent",
    corpus: Annotated[
        str | None,
        typer.Option(help="A corpus instead of a clip: shares of the modalities by class, for correct and wrong predictions."),
    ] = None,
    orders: Annotated[
        int, typer.Option(min=1, help="For a corpus: the number of random orders that are averaged; more take longer.")
    ] = 8,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output file for all numbers, ending in .json or .csv; for a corpus, .csv.")
    ] = None,
    explanation: ExplanationOption = None,
    audio_track: TrackOption = None,
    face: FaceOption = None,
    features: FeaturesOption = None,
    as_json: AsJson = False,
) -> None:
    """Explain a prediction: which modality, when, what in the audio, where in the face, and what would change it."""
    if (clip is None) == (corpus is None):
        raise UserError("Say what to explain: a clip's file, or --corpus NAME.")
    endings = (".csv",) if corpus else (".json", ".csv")
    if out is not None and out.suffix not in endings:
        raise UserError(f"{out.name} does not end in {' or '.join(endings)}: name the file so that its kind is known.")
    method_known(explanation)
    loaded = taking(load(checkpoint or (FOR_PEOPLE if corpus is None else DEFAULT)), features)
    if corpus is not None:
        _of_corpus(loaded, corpus, orders, out, as_json)
        return
    from affectscope.core.analyzer import Analyzer
    from affectscope.core.perturbation import Perturbation

    assert clip is not None
    with progress_bar() as report:
        found = Analyzer(loaded).why(
            clip, target=target or "", against=against or "", change=Perturbation(imputation=replace), label=label or "",
            track=audio_track, explanation=explanation, face=face, progress=report,
        )  # fmt: skip
    if out is not None:
        _write(out, found.to_json() if out.suffix == ".json" else found.to_csv())
    if as_json:
        print(found.to_json())
        return
    _print(found)


def _print(found: Why) -> None:
    from affectscope.core.why import in_words, tables

    output.print(printable(in_words(found)), markup=False, soft_wrap=True)
    for table in tables(found):
        show([dict(zip(table.columns, row, strict=True)) for row in table.rows], False, table.title)


def _of_corpus(loaded: Checkpoint, name: str, orders: int, out: Path | None, as_json: bool) -> None:
    from affectscope.core.corpora import open_corpus
    from affectscope.core.evaluation.labelled import labelled_for
    from affectscope.core.why.shares import over_corpus, summary

    corpus, notes = labelled_for(open_corpus(name), loaded.spec)
    for sentence in notes:
        remarks.print(sentence, markup=False, soft_wrap=True)
    with progress_bar() as report:
        table, broken = over_corpus(loaded, corpus, orders=orders, progress=report)
    regret(broken)
    if out is not None:
        _write(out, table.to_csv())
    rows = json.loads(summary(table).to_json(orient="records"))
    if not as_json:
        rows = [_shares(row) for row in rows]
    show(rows, as_json, f"Shares of the modalities (MM-SHAP), {loaded.name} on {corpus.name}")


def _shares(row: dict[str, Any]) -> dict[str, Any]:
    """A row with each share and its interval in one cell."""
    from affectscope.core.text import percent

    found = {name: row[name] for name in ("label", "answers", "clips")}
    for name in (n.removesuffix("_low") for n in row if n.endswith("_low")):
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        found[name] = percent(row[name]) + (f" ({percent(low)} to {percent(high)})" if low is not None else "")
    return found


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror or error}): choose another folder.") from error
