"""Write the pages and pictures of the docs that follow from the code: ``python -m docs.generate``."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.main import get_command

from affectscope.core.cli import app
from docs.deviations import page
from tests.rooms import picture

_HERE = Path(__file__).parent
_HEAD = """# Command line

Written by `make docs` from the commands themselves. Every command that prints a table takes `--json`.
"""


def commands() -> str:
    """All commands with their arguments and options, as Markdown."""
    parts = [_HEAD]
    root = get_command(app)
    context = typer.Context(root, info_name="affectscope")
    for name in root.list_commands(context):  # type: ignore[attr-defined]
        parts += _command(root.get_command(context, name), f"affectscope {name}")  # type: ignore[attr-defined]
    return "\n".join(parts).rstrip() + "\n"


def _command(command: object, name: str) -> list[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        return [line for part, child in inner.items() for line in _command(child, f"{name} {part}")]
    rows = []
    for parameter in command.params:  # type: ignore[attr-defined]
        if parameter.name == "help" or getattr(parameter, "hidden", False):
            continue
        shown = (
            ", ".join((*parameter.opts, *parameter.secondary_opts))
            if parameter.param_type_name == "option"
            else str(parameter.name).upper()
        )
        rows.append(f"| `{shown}` | {_plain(getattr(parameter, 'help', '') or '')}{_default(parameter)} |")
    table = ["| | |", "|---|---|", *rows, ""] if rows else []
    return [f"## {name}", "", _plain(command.help or ""), "", *table]  # type: ignore[attr-defined]


def _default(parameter: object) -> str:
    value = parameter.default  # type: ignore[attr-defined]
    if value is None or callable(value) or isinstance(value, bool | list | tuple) or str(value).startswith("/"):
        return ""
    return f" Default: `{value}`." if str(value) else ""


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    (_HERE / "command-line.md").write_text(commands(), encoding="utf-8")
    (_HERE / "deviations.md").write_text(page(), encoding="utf-8")
    (_HERE / "images" / "rooms.svg").write_text(picture(), encoding="utf-8")
