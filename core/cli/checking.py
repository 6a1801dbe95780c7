"""`affectscope check`: whether a model keeps the promises that the pages rely on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from affectscope.core.cli.common import AsJson, load, output, printable, progress_bar, remarks, show
from affectscope.core.errors import UserError

if TYPE_CHECKING:
    from affectscope.core.checking import Promise

_STYLES = {"kept": "green", "broken": "bold red", "not applicable": "dim"}


def check(
    model: Annotated[
        str,
        typer.Argument(
            help="Name of a checkpoint or of a plugin's model (NAME=PATH for other weights), a checkpoint's path, or a plugin's "
            "file, to check all of its models."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Check that a model keeps its promises: any modalities, any length, absent frames, padding, attention, gradients. The exit
    status is 1 if a promise is broken."""
    from affectscope.core import checking
    from affectscope.core.checking import kept
    from affectscope.core.checkpoints import plugged

    results: dict[str, list[Promise]] = {}
    for name in _of_plugin(Path(model)) if model.endswith(".py") else [model]:
        try:
            checkpoint = load(name)
        except UserError as error:
            # The other models of the file are checked all the same.
            if name.partition("=")[0] not in plugged.known():
                raise
            results[name] = checking.speechless(str(error))
            continue
        with progress_bar() as report:
            results[name] = checking.check(checkpoint, report)
        kept.keep(checkpoint.digest, results[name])
    if as_json:
        show([{"model": name} | asdict(promise) for name, found in results.items() for promise in found], True, "")
    else:
        for name, found in results.items():
            _tell(f"{name}: {checking.summary(found)}", found)
    if any(promise.state == "broken" for found in results.values() for promise in found):
        raise typer.Exit(1)


def _tell(title: str, found: list[Promise]) -> None:
    """A promise and below it what was seen; Text, as names out of files may hold what rich would take for markup."""
    table = Table.grid(padding=(0, 2))
    for promise in found:
        limit = f" At most {promise.tolerance:g} is let pass." if promise.tolerance is not None else ""
        told = Text(f"{printable(promise.title)}\n").append(printable(promise.detail + limit), "dim")
        table.add_row(Text(promise.state, _STYLES[promise.state]), told)
    output.print(Text(printable(title), "bold"))
    output.print(table)


def _of_plugin(file: Path) -> list[str]:
    from affectscope.core.checkpoints import plugged
    from affectscope.core.plugins import loading

    file = file.expanduser().absolute()
    loading.name(str(file))
    for trouble in loading.load():
        if trouble.plugin == str(file):
            raise UserError(trouble.sentence)
        remarks.print(trouble.sentence, markup=False, soft_wrap=True)
    names = [name for name, model in plugged.known().items() if Path(model.file) == file]
    if not names:
        raise UserError(f"{file.name} registers no model: decorate the function that builds it with @affectscope.model.")
    return names
