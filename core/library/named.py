"""Finds models by name: shipped, of a plugin, uploaded, or by path."""

from __future__ import annotations

from pathlib import Path

from affectscope.core.checkpoints import plugged, saved
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.library import dropped
from affectscope.core.plugins import loading
from affectscope.core.text import shown


def checkpoint(name: str) -> Checkpoint:
    """Load a model.

    Args:
        name: of a plugin's model, a shipped or an uploaded checkpoint; ``NAME=PATH`` for a plugin's model with other weights; or
            the path of a checkpoint.

    Raises:
        UserError: when there is none of that name, or it cannot be used.
    """
    declared = plugged.known()
    if name in declared:
        return plugged.load(declared[name])
    model, equals, path = name.partition("=")
    if equals and model in declared:
        plugged.check_takes_weights(model)
        return plugged.load(declared[model], Path(path).expanduser())
    shipped = saved.shipped()
    if name in shipped:
        return saved.load(shipped[name])
    file = Path(name).expanduser()
    if not file.exists() and (entry := dropped.entries().get(name)):
        return saved.load(entry.path)
    if not file.exists():
        raise UserError(f"There is no model {shown(name)}, and no file: {_known(list(declared))}.")
    return saved.load(file)


def _known(declared: list[str]) -> str:
    """The available names, for an error message."""
    shipped = f"those shipped are {', '.join(saved.shipped())}"
    if not declared and not loading.named():
        return f"{shipped}; of a plugin, name its file with --plugin, or import it"
    told = f"those of plugins are {', '.join(map(shown, declared))}" if declared else "the plugins that were named declare none"
    return f"{told}; {shipped}"
