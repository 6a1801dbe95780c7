"""`affectscope card`: what a checkpoint was measured on, and writing down what it is measured on now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from affectscope.core.cli.common import AsJson, load, pairs, progress_bar, regret, remarks, show
from affectscope.core.errors import UserError


def card(
    checkpoint: Annotated[str, typer.Argument(help="Name or path of a checkpoint.")],
    measure: Annotated[
        str, typer.Option(help="Evaluate it on this corpus (an added one, a path, or `demo`) and record the result.")
    ] = "",
    called: Annotated[
        str,
        typer.Option("--as", help="Name of the result on the card, such as 'EMO-DB (262 clips)'; by default, the corpus's name."),
    ] = "",
    alias: Annotated[
        list[str] | None,
        typer.Option(
            "--alias", metavar="LABEL=CLASS", help="Map a label of the corpus to one of the model's classes; may be repeated."
        ),
    ] = None,
    forget: Annotated[str, typer.Option(help="Remove the result with this name from the card.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Output path of the checkpoint with its new card; by default, the checkpoint is overwritten."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Number of processes that extract features; by default, all cores.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a checkpoint's domain card: the corpora on which it was evaluated, per head, with 95 % intervals.

    --measure writes a result into the checkpoint's file. On clips that are unlike the training data, the decision then ignores a
    modality whose head is no better than chance on recordings of people.
    """
    from affectscope.core.checkpoints import saved
    from affectscope.core.familiarity import domain
    from affectscope.core.familiarity.words import UNKNOWN

    loaded = load(checkpoint)
    if loaded.spec.task != "classification":
        raise UserError(f"{checkpoint} answers with attributes: a domain card is for models of classes.")
    if measure or forget:
        if loaded.path is None or "plugin" in loaded.card or not saved.is_ours(loaded.path):
            raise UserError(f"{checkpoint} has no file of ours to write into: convert it with `affectscope convert`.")
        if out is not None and out.suffix != ".safetensors":
            raise UserError(f"{out.name} does not end in .safetensors: name the file so.")
        rows = [row for row in _rows(loaded.card) if row.get("name") not in (forget, called or measure)]
        if forget and len(rows) == len(_rows(loaded.card)):
            raise UserError(f"The card of {checkpoint} has nothing called {forget!r}.")
        if measure:
            rows.append(_measured(loaded, measure, called or measure, alias, workers))
        place = out or loaded.path
        saved.change_card(loaded.path, place, lambda told: told | {domain.CARD: rows})
        loaded = saved.load(place)
    if loaded.known is None:
        remarks.print(UNKNOWN, markup=False, soft_wrap=True)
    if as_json:
        show(_rows(loaded.card), True, "")
        return
    show(_table(domain.of_card(loaded.card)), False, f"Domain card of {checkpoint}")


def _measured(loaded: Any, corpus: str, name: str, alias: list[str] | None, workers: int | None) -> dict[str, Any]:
    from affectscope.core.corpora import open_corpus
    from affectscope.core.evaluation.labelled import labelled_for, left_out
    from affectscope.core.training.measured import domain_row, measure

    opened, aliases = open_corpus(corpus), pairs(alias)
    kept, notes = labelled_for(opened, loaded.spec, aliases)
    for sentence in notes:
        remarks.print(sentence, markup=False, soft_wrap=True)
    with progress_bar() as report:
        rows, broken = measure(loaded, kept, None, workers, report, left_out(opened, loaded.spec, aliases))
    regret(broken)
    return domain_row(rows, name, opened.synthetic)


def _rows(told: Any) -> list[dict[str, Any]]:
    from affectscope.core.familiarity import domain

    found = told.get(domain.CARD)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _table(measured: Any) -> list[dict[str, Any]]:
    return [
        {
            "measured on": measurement.name, "people": "rendered" if measurement.synthetic else "recorded", "head": head,
            "clips": own.clips, "accuracy": own.accuracy.text,
            "unweighted recall": own.uar.text + (", chance" if own.at_chance else ""),
        }
        for measurement in measured
        for head, own in measurement.heads.items()
    ]  # fmt: skip
