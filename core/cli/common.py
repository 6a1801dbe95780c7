"""What all commands share: where they print, how they show progress, and options that several have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from affectscope.core.errors import UserError

if TYPE_CHECKING:
    from affectscope.core.checkpoints.saved import Checkpoint

# Progress and remarks go to stderr: what --json prints stays clean.
remarks = Console(stderr=True)
output = Console()
_PART_OF_A_WORD = 8
# Blanks and a line between columns.
_BORDER = 3

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
CheckpointOption = Annotated[
    str,
    typer.Option(
        "--checkpoint", "-c", help="Name of a checkpoint or of a plugin's model (NAME=PATH for other weights), or a path."
    ),
]
ExplanationOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        "--explanation",
        help="Explanation method for heatmaps: contrast, layer-cam-product, layer-cam, grad-cam, grad-cam++, "
        "hires-cam, score-cam, integrated-gradients, occlusion; for vision transformers also "
        "gradient-attention, attention-rollout and attention; or a plugin's method. By default, the "
        "method that suits the model.",
    ),
]
SoundMethodOption = Annotated[
    str | None,
    typer.Option(
        "--sound-method",
        help="Explanation method for audio: integrated-gradients (default), gradient-input, occlusion, "
        "attention, attention-rollout; layer-cam, grad-cam, grad-cam++ and hires-cam if the model names a "
        "layer; or a plugin's method.",
    ),
]
TrackOption = Annotated[
    int | None,
    typer.Option(
        "--audio-track", min=1, help="Number of the audio track, from 1; by default, the first track that is not silent."
    ),
]
FaceOption = Annotated[
    int | None,
    typer.Option(
        "--face",
        min=1,
        help="Number of the face to analyse if there are several people; by default 1, the largest and longest visible.",
    ),
]
EngineOption = Annotated[
    Literal["processes", "ray"], typer.Option(help="Run in processes on this machine, or as tasks on a Ray cluster.")
]
AddressOption = Annotated[str | None, typer.Option(help="Address of the Ray cluster; by default, Ray runs on this machine.")]
Workers = Annotated[int | None, typer.Option(help="Number of processes; by default, all cores.")]


def load(checkpoint: str) -> Any:
    from affectscope.core.library import named

    return named.checkpoint(checkpoint)


FeaturesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--features", metavar="MODALITY=SET", help="The feature set that the model uses for a modality; may be repeated."
    ),
]


def taking(checkpoint: Checkpoint, features: list[str] | None) -> Checkpoint:
    """The checkpoint with the feature sets that a command line says it takes.

    Raises:
        UserError: when one is no pair, no set, or does not fit.
    """
    if not features:
        return checkpoint
    from affectscope.core.features.taken import check_told

    told = pairs(features)
    check_told(checkpoint.spec, told)
    return replace(checkpoint, features=told)


def method_known(*names: str | None) -> None:
    """Raises:
    UserError: when there is no explanation of one of these names; None is none.
    """
    for name in filter(None, names):
        from affectscope.core.explain.methods import METHODS

        _ = METHODS[name]


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    quiet = not remarks.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=remarks, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)


def printable(text: str) -> str:
    """A text as a terminal can print it: names of files may be no Unicode."""
    return text.encode("utf-8", "replace").decode()


def regret(broken: list[str]) -> None:
    for why in broken[:5]:
        remarks.print(printable(why), markup=False, soft_wrap=True)
    if len(broken) > 5:
        remarks.print(f"{len(broken) - 5} more clips could not be read.")


def show(rows: list[dict[str, Any]], as_json: bool, title: str) -> None:
    """Print rows as a table, or one below the other where the terminal is too narrow for a table's words."""
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    # Names out of files may hold what rich would take for markup.
    title = escape(printable(title))
    if not rows:
        output.print(f"{title}: none.")
        return
    names = tuple(rows[0])
    widths = [_width(name, rows, whole=number == 0) for number, name in enumerate(names)]
    fits = sum(widths) + _BORDER * len(widths) < output.width
    output.print(_table(rows, title, widths) if fits else _blocks(rows, title))


def _width(column: str, rows: list[dict[str, Any]], whole: bool) -> int:
    """The fewest cells of a column: what a row is called is never broken, long words of the others are, and nothing is cut."""
    cells = [column, *(_cell(row.get(column)) for row in rows)]
    return (
        max(map(cell_len, cells))
        if whole
        else min(_PART_OF_A_WORD, max(cell_len(word) for cell in cells for word in cell.split()))
    )


def _table(rows: list[dict[str, Any]], title: str, widths: Sequence[int]) -> Table:
    table = Table(title=title)
    for number, (column, width) in enumerate(zip(rows[0], widths, strict=True)):
        left = isinstance(rows[0][column], str)
        table.add_column(
            escape(column), justify="left" if left else "right", overflow="fold", no_wrap=number == 0, min_width=width
        )
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    return table


def _blocks(rows: list[dict[str, Any]], title: str) -> Group:
    blocks: list[RenderableType] = [f"[italic]{title}[/italic]"]
    for row in rows:
        block = Table.grid(padding=(0, 2))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for number, (column, value) in enumerate(row.items()):
            block.add_row(escape(column), f"[bold]{_cell(value)}[/bold]" if number == 0 else _cell(value))
        blocks += ["", block]
    return Group(*blocks)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if type(value) is int else escape(printable("" if value is None else str(value)))


def pairs(given: list[str] | None) -> dict[str, str]:
    """NAME=VALUE, as often as it was said.

    Raises:
        UserError: when one is no pair.
    """
    wrong = next((text for text in given or [] if "=" not in text), None)
    if wrong is not None:
        raise UserError(f"What is expected is NAME=VALUE, not {wrong!r}.")
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in given or [])}
