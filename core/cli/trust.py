"""`affectscope trust`: how far the explanations of a clip, or of a corpus, can be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectscope.core.checkpoints import DEFAULT, FOR_PEOPLE
from affectscope.core.cli.common import (
    AsJson,
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
    from affectscope.core.trust.trust import Request, Trust


def trust(
    clip: Annotated[Path | None, typer.Argument(help="Any video that FFmpeg reads; omit it to measure a corpus.")] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            "--checkpoint",
            "--model",
            "-c",
            help=f"Name or path of a model; for a corpus, several. Default: {FOR_PEOPLE} for a clip, {DEFAULT} for a corpus.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--class", help="The class to explain; by default, the model's own prediction.")
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="A corpus instead of a clip; the label of each clip is explained.")] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Explanation methods, separated by commas, or all; by default, the default ones for images and audio."),
    ] = None,
    lanes: Annotated[bool, typer.Option(help="Also measure contributions and attention.")] = True,
    random_weights: Annotated[
        bool,
        typer.Option("--random-weights", help="Also measure the heatmaps of a network with random weights: the chance level."),
    ] = False,
    clips: Annotated[int, typer.Option(min=0, help="For a corpus: the number of clips, drawn by the seed; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of marks, weights, noise and the choice of clips.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output file for all numbers, ending in .json or .csv; for a corpus, .csv.")
    ] = None,
    audio_track: TrackOption = None,
    face: FaceOption = None,
    features: FeaturesOption = None,
    as_json: AsJson = False,
) -> None:
    """Measure how far explanations can be trusted: do the marked places matter, depend on the weights, and stay stable?"""
    if (clip is None) == (corpus is None):
        raise UserError("Say what to measure: a clip's file, or --corpus NAME.")
    endings = (".csv",) if corpus else (".json", ".csv")
    if out is not None and out.suffix not in endings:
        raise UserError(f"{out.name} does not end in {' or '.join(endings)}: name the file so that its kind is known.")
    names = checkpoint or [FOR_PEOPLE if corpus is None else DEFAULT]
    if corpus is None and len(names) > 1:
        raise UserError(
            "Several models can only be compared over a corpus: name one model, or give --corpus NAME instead of the clip."
        )
    from affectscope.core.trust.trust import Request

    named = _methods(methods)
    asked = Request(
        target or "", methods=named, sounds=named, lanes=lanes, untrained=random_weights, seed=seed, track=audio_track, face=face
    )
    if corpus is not None:
        _of_corpus(names, features, corpus, asked, clips, out, as_json)
        return
    from affectscope.core.analyzer import Analyzer

    assert clip is not None
    with progress_bar() as report:
        found = Analyzer(taking(load(names[0]), features)).trust(clip, asked, report)
    if out is not None:
        _write(out, found.to_json() if out.suffix == ".json" else found.to_csv())
    if as_json:
        print(found.to_json())
        return
    _print(found)


def _methods(named: str | None) -> tuple[str, ...] | None:
    from affectscope.core.explain.methods import METHODS

    if named is None:
        return None
    names = tuple(METHODS) if named == "all" else tuple(part.strip() for part in named.split(",") if part.strip())
    for name in names:
        method_known(name)
    return names


def _print(found: Trust) -> None:
    from affectscope.core.trust.tables import rows

    for name, why in found.skipped.items():
        remarks.print(printable(f"No {name}: {why}."), markup=False, soft_wrap=True)
    if not found.measured:
        raise UserError("There is no map to measure: the model gives no explanation for this clip.")
    for row in rows(found):
        output.print(printable(f"{row['explanation']}: {row['trust']}. {row['reasons']}"), markup=False, soft_wrap=True)
    kept = [{name: value for name, value in row.items() if name not in ("trust", "reasons")} for row in rows(found)]
    show(kept, False, f"Trust of {found.system}'s explanations")


def _of_corpus(names: list[str], features: Any, name: str, asked: Request, clips: int, out: Path | None, as_json: bool) -> None:
    import pandas as pd

    from affectscope.core.analyzer import Analyzer
    from affectscope.core.corpora import open_corpus
    from affectscope.core.evaluation.labelled import labelled_for
    from affectscope.core.trust.corpus import carriers, over_corpus, summary

    found = []
    for model in names:
        loaded = taking(load(model), features)
        corpus, notes = labelled_for(open_corpus(name), loaded.spec)
        for sentence in notes:
            remarks.print(sentence, markup=False, soft_wrap=True)
        with progress_bar() as report:
            table, broken = over_corpus(Analyzer(loaded), corpus, asked, clips, report)
        regret(broken)
        found.append(table)
    table = pd.concat(found, ignore_index=True)
    if out is not None:
        _write(out, table.to_csv(index=False))
    rows = json.loads(summary(table).to_json(orient="records"))
    show(rows if as_json else [_cells(row) for row in rows], as_json, f"Trust over {corpus.name}")
    right, known = carriers(table)
    if known and not as_json:
        sentence = f"The modality that alone carries the emotion has the largest Shapley value in {right} of {known} clips."
        output.print(sentence, markup=False, soft_wrap=True)


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    from affectscope.core.trust.tables import cells

    return cells(row)


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror or error}): choose another folder.") from error
