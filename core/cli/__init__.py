"""The same road from a terminal: `affectscope --help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from affectscope.core import __version__
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.cli.card import card
from affectscope.core.cli.checking import check
from affectscope.core.cli.common import printable, remarks
from affectscope.core.cli.convert import convert
from affectscope.core.cli.corpus import corpus_app
from affectscope.core.cli.dashboard import open_app
from affectscope.core.cli.exam import exam
from affectscope.core.cli.experiment import experiment_app
from affectscope.core.cli.features import features_app
from affectscope.core.cli.many import curves, predict
from affectscope.core.cli.models import app
from affectscope.core.cli.predictions import import_predictions
from affectscope.core.cli.starting import new_plugin
from affectscope.core.cli.trust import trust
from affectscope.core.cli.why import why

__all__ = ["app", "import_predictions", "main", "open_app"]

# What needs neither torch nor OpenCV answers seconds sooner without them.
_LIGHT = ("import-predictions", "app", "corpus list", "corpus remove", "new-plugin")
_HELP = frozenset(("--help", "--version", "--install-completion", "--show-completion"))


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"affectscope {__version__}")
        raise typer.Exit


app.command()(card)
app.command()(check)
app.command()(convert)
app.command()(curves)
app.command()(exam)
app.command()(new_plugin)
app.command()(predict)
app.command()(trust)
app.command()(why)
app.add_typer(corpus_app, name="corpus")
app.add_typer(experiment_app, name="experiment")
app.add_typer(features_app, name="features")


@app.callback()
def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_tell_version)] = False,
) -> None:
    pass


def main() -> None:
    """Console entry: a user's error is one sentence."""
    if is_heavy(sys.argv[1:], os.environ):
        from affectscope.core.threads import fit_thread_pools

        fit_thread_pools()
    try:
        app()
    except KeyboardInterrupt:
        remarks.print("Stopped.")
        sys.exit(130)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        remarks.print("[bold red]Error:[/] ", end="")
        remarks.print(printable(sentence), markup=False, soft_wrap=True)
        sys.exit(1)


def is_heavy(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether what is asked for may compute: neither help, nor a completion, nor a command that only lists."""
    asked = " ".join(arguments)
    light = any(asked == command or asked.startswith(f"{command} ") for command in _LIGHT)
    return bool(arguments) and not light and not _HELP & set(arguments) and "_AFFECTSCOPE_COMPLETE" not in environment
