"""`affectscope new-plugin`: a file to begin with."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from affectscope.core.cli.common import remarks
from affectscope.core.errors import UserError

_TEMPLATE = Path(__file__).parents[1] / "plugins" / "new_plugin.txt"


def new_plugin(
    file: Annotated[Path, typer.Argument(help="Output file, ending in .py; its name becomes the model's name.")],
) -> None:
    """Write a commented plugin with a small network that keeps all promises; replace the network by your own."""
    words = re.findall(r"[a-z0-9]+", file.stem.lower())
    if file.suffix != ".py" or not words or words[0][0].isdigit():
        raise UserError(f"{file.name} cannot be a plugin: call it as a Python module is called, such as my_net.py.")
    if not file.parent.is_dir():
        raise UserError(f"There is no folder {file.parent}: make it first.")
    function = "_".join(words)
    function += "_" if keyword.iskeyword(function) else ""
    text = _TEMPLATE.read_text(encoding="utf-8").format(file=file.name, name="-".join(words), function=function)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise UserError(f"There is already a file {file}: choose another name.") from error
    remarks.print(f"Wrote {file}. Now: affectscope check {file}", markup=False, soft_wrap=True)
