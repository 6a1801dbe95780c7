"""The models of plugins, as checkpoints."""

from __future__ import annotations

from pathlib import Path

from affectscope.core.cache.store import content_hash, key_of
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.checkpoints.state import check_labels
from affectscope.core.errors import UserError
from affectscope.core.models.catalogue import count
from affectscope.core.models.inputs import Normaliser
from affectscope.core.plugins import loading
from affectscope.core.text import shown
from affectscope.core.wrapping.declared import WRAPPED, Declared
from affectscope.core.wrapping.making import make


def known() -> dict[str, Declared]:
    """The models that plugins declare, by name."""
    loading.load()
    return {name: WRAPPED[name] for name in WRAPPED}


def place(declared: Declared, weights: Path | None = None) -> Path | None:
    """Where a model's weights lie; None where its builder takes none, or finds them by itself."""
    return (weights or declared.weights) if declared.wants else None


def digest(declared: Declared, weights: Path | None = None) -> str:
    """Hash of a model's sources and weights; empty where its sources are no file, and nothing can be kept.

    Raises:
        UserError: when its weights are not there.
    """
    path = place(declared, weights)
    try:
        content = "" if path is None else _folder_hash(path) if path.is_dir() else content_hash(path)
    except OSError as error:
        called = shown(str(path), 300)
        raise UserError(f"The weights of {declared.name} cannot be read from {called}: check the path.") from error
    return key_of("plugin", declared.name, declared.digest, content) if declared.digest else ""


def load(declared: Declared, weights: Path | None = None) -> Checkpoint:
    """A plugin's model, ready to be asked.

    Args:
        weights: a path that a person has named; what the plugin names if left out.

    Raises:
        UserError: when it cannot be built or asked.
    """
    told = digest(declared, weights)
    made = make(declared, weights)
    check_labels(made.model.spec.labels, declared.name)
    check_labels(made.model.spec.heads, declared.name)
    file = Path(declared.file)
    card = {
        "system": declared.name,
        "parameters": count(made.model),
        "task": made.model.spec.task,
        "labels": list(made.model.spec.labels),
        "plugin": str(file) if file.is_file() else "",
        "remarks": list(made.remarks),
    }
    return Checkpoint(made.model, Normaliser(), card, place(declared, weights) or file, told)


def _folder_hash(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return key_of(*((str(path.relative_to(folder)), content_hash(path)) for path in files))
