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
    table: Annotated[Path, typer.Argument(help="CSV or Parquet: a row a clip, columns MODEL.HEAD.CLASS; see the docs.")],
    corpus: Annotated[str, typer.Option(help="The corpus that the clips are of, by its name or folder.")] = "",
    media: Annotated[Path | None, typer.Option(help="A folder in which the clips' files are found by name.")] = None,
    classes: Annotated[str, typer.Option(help="Class names, comma between, in the order of lists in cells.")] = "",
    scale: Annotated[
        str,
        typer.Option(help="auto, probabilities, percent, log-probabilities, log-odds, logits or attributes; auto finds out."),
    ] = "auto",
    decision: Annotated[str, typer.Option(help="The head that speaks for the system; found if left out.")] = "",
    name: Annotated[str, typer.Option(help="What to call the import; the table's own name if left out.")] = "",
    replace: Annotated[bool, typer.Option(help="Take the place of the import of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring predictions of models that are not ours into the dashboard; one that runs shows them at once."""
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
