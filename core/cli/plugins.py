"""`--plugin`, which every command takes, before its name and after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from affectscope.core.cli.common import printable, remarks
from affectscope.core.plugins import loading

_HELP = "A plugin: a Python file or module with your models, features, layouts or corpora; may be repeated."
# What computes nothing answers seconds sooner without plugins, which bring torch.
_LIGHT = ("app", "import-predictions", "corpus list", "corpus remove", "new-plugin")


class WithPlugins(TyperGroup):
    """A group of commands, each of which takes ``--plugin``; what was named is imported before a command runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_option(_before))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if isinstance(found, TyperCommand) and all(option.name != "plugin" for option in found.params):
            found.params.append(_option(_after))
        return found


def _named(given: list[str] | None) -> None:
    # Paths in the environment become absolute too: the server that the command becomes stands in another folder.
    for path in given or ("",):
        loading.name(path)


def _imported(ctx: typer.Context, given: list[str] | None) -> None:
    _named(given)
    if ctx.resilient_parsing or _path(ctx) in _LIGHT:
        return
    for trouble in loading.load():
        remarks.print(printable(trouble.sentence), markup=False, soft_wrap=True)


def _path(ctx: Any) -> str:
    """``corpus list``: the command, however the program was called."""
    return "" if ctx.parent is None else f"{_path(ctx.parent)} {ctx.info_name}".strip()


_SAID = {"metavar": "FILE|MODULE", "help": _HELP, "expose_value": False}
_BEFORE = Annotated[list[str] | None, typer.Option("--plugin", callback=_named, **_SAID)]
_AFTER = Annotated[list[str] | None, typer.Option("--plugin", callback=_imported, **_SAID)]


def _before(plugin: _BEFORE = None) -> None: ...


def _after(plugin: _AFTER = None) -> None: ...


def _option(of: Callable[..., None]) -> Any:
    """The option of a function, as Typer makes it of a command."""
    alone = typer.Typer(add_completion=False)
    alone.command()(of)
    return next(option for option in get_command(alone).params if option.name == "plugin")
