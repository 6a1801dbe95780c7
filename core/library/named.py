"""Models by the names that people give: shipped, of a plugin, dropped in, or the path of a file."""

from __future__ import annotations

from pathlib import Path

from affectscope.core.checkpoints import plugged, saved
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.library import dropped


def checkpoint(name: str) -> Checkpoint:
    """A model that is ready to be asked.

    Args:
        name: of a plugin's model, a shipped checkpoint, or one that was dropped in; ``NAME=PATH``, a plugin's model with other
            weights; or the path of a checkpoint.

    Raises:
        UserError: when there is none of that name, or it cannot be used.
    """
    declared = plugged.known()
    if name in declared:
        return plugged.load(declared[name])
    model, equals, path = name.partition("=")
    if equals and model in declared:
        if not declared[model].wants:
            raise UserError(f"{model} takes no weights: its function has neither a path nor a state.")
        return plugged.load(declared[model], Path(path).expanduser())
    shipped = saved.shipped()
    if name in shipped:
        return saved.load(shipped[name])
    file = Path(name).expanduser()
    if not file.exists() and (entry := dropped.entries().get(name)):
        return saved.load(entry.path)
    return saved.load(file)
