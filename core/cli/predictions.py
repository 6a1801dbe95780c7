"""`affectscope import-predictions`: what other people's models said, for the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from affectscope.core.cli.common import AsJson, remarks, show
from affectscope.core.cli.models import app

_LISTED = 20


@app.command(name="import-predictions")
def import_predictions(
    table: Annotated[
        Path,
        typer.Argument(help="CSV or Parquet with one row per clip and columns MODEL.HEAD.CLASS; see docs/import-predictions.md."),
    ],
    corpus: Annotated[str, typer.Option(help="The corpus of the clips, by name or folder.")] = "",
    media: Annotated[Path | None, typer.Option(help="A folder in which the clips' files are looked up by name.")] = None,
    classes: Annotated[str, typer.Option(help="Class names, separated by commas, in the order of the lists in cells.")] = "",
    scale: Annotated[
        str,
        typer.Option(
            help="The scale: auto, probabilities, percent, log-probabilities, log-odds, logits or attributes; auto detects it."
        ),
    ] = "auto",
    decision: Annotated[str, typer.Option(help="The head that makes the system's decision; detected by default.")] = "",
    name: Annotated[str, typer.Option(help="Name of the import; by default, the table's own name.")] = "",
    replace: Annotated[bool, typer.Option(help="Replace the import of the same name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import predictions of other models into the dashboard; a running dashboard shows them at once."""
    from affectscope.core.errors import UserError
    from affectscope.core.imports.intake import Options, take_in
    from affectscope.core.imports.names import taken
    from affectscope.core.imports.scales import SCALES
    from affectscope.core.text import percent, shown

    if scale not in SCALES:
        raise UserError(f"There is no scale {shown(scale)}: choose one of {', '.join(SCALES)}.")
    names = tuple(label.strip() for label in classes.split(",") if label.strip())
    options = Options(corpus, media, names, scale, decision, name, replace)  # type: ignore[arg-type]
    made = take_in(table, options, taken())
    if as_json:
        print(made.to_json())
        return
    for sentence in made.problems[:_LISTED]:
        remarks.print(sentence, markup=False, soft_wrap=True)
    if len(made.problems) > _LISTED:
        remarks.print(f"{len(made.problems) - _LISTED:,} more problems; --json lists all.")
    for sentence in made.notes:
        remarks.print(f"Note: {sentence}", markup=False, soft_wrap=True)
    rows: list[dict[str, Any]] = []
    for model in made.models:
        heads = ", ".join(f"{head} ({scale})" for head, scale in model.scale.items())
        accuracy = "" if model.accuracy is None else percent(model.accuracy, 1)
        rows.append(
            {"model": model.name, "clips": model.clips, "problems": model.count, "accuracy": accuracy, "heads": heads}
            | {"attention": ", ".join(m for m, _ in model.attention), "classes": len(model.classes)}
        )
    show(rows, False, f"{made.clips:,} clips of {table.name}, {made.media:,} with media")
