"""Plugins' models as checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, content_hash, key_of
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.checkpoints.state import check_labels
from affectscope.core.errors import UserError
from affectscope.core.models.base import AttentionSpec, ModelSpec
from affectscope.core.models.catalogue import count
from affectscope.core.models.inputs import Normaliser
from affectscope.core.plugins import loading
from affectscope.core.text import shown
from affectscope.core.wrapping.declared import WRAPPED, Declared
from affectscope.core.wrapping.making import Made, make, read_state

# Part of every digest: raise it whenever a wrapped network comes to answer otherwise.
WRAPPING_VERSION = 2


def card_of(made: Made) -> dict[str, Any]:
    """The card of a plugin's model."""
    spec, file = made.model.spec, Path(made.model.declared.file)
    return {
        "system": spec.system,
        "parameters": count(made.model),
        "task": spec.task,
        "labels": list(spec.labels),
        "plugin": str(file) if file.is_file() else "",
        "remarks": list(made.remarks),
    }


@dataclass(frozen=True)
class Facts:
    """Facts about a plugin's model, available without its weights in memory.

    Attributes:
        parameters: their number.
        remarks: from the first forward pass, a sentence each.
    """

    spec: ModelSpec
    parameters: int
    remarks: tuple[str, ...]


def known() -> dict[str, Declared]:
    """The models that plugins declare, by name, in the order in which plugins were named."""
    loading.load()
    return {name: WRAPPED[name] for name in WRAPPED.in_order()}


def check_takes_weights(model: str) -> None:
    """Check that weights can be given for a model.

    Raises:
        UserError: when no plugin declares a model of this name, or it takes no weights.
    """
    declared = known()
    if model not in declared:
        told = f"those of plugins are {', '.join(map(shown, declared))}" if declared else "name its plugin with --plugin"
        raise UserError(f"No plugin declares a model {shown(model)} that takes weights: {told}.")
    if not declared[model].wants:
        raise UserError(f"{shown(model)} takes no weights: its function has neither a path nor a state.")


def check_trained_here(model: str) -> None:
    """
    Raises:
        UserError: when the model is a plugin's, which knows what its network learns by and does not tell.
    """
    if model in known():
        raise UserError(
            f"{shown(model)} is a plugin's network, and only AffectScope's own systems are trained here: train it with your own "
            f"code, and name the weights that it leaves with weights= in its plugin, or as {shown(model)}=PATH."
        )


def place(declared: Declared, weights: Path | None = None) -> Path | None:
    """Path of a model's weights; None where its builder takes none, or finds them itself."""
    return (weights or declared.weights) if declared.wants else None


def digest(declared: Declared, weights: Path | None = None) -> str:
    """Hash of a model's sources and weights; empty without source files, in which case nothing can be cached.

    Raises:
        UserError: when its weights are missing.
    """
    path = place(declared, weights)
    try:
        content = "" if path is None else _folder_hash(path) if path.is_dir() else content_hash(path)
    except OSError as error:
        called = shown(str(path), 300)
        raise UserError(f"The weights of {declared.name} cannot be read from {called}: check the path.") from error
    return key_of("plugin", WRAPPING_VERSION, declared.name, declared.digest, content) if declared.digest else ""


def load(declared: Declared, weights: Path | None = None) -> Checkpoint:
    """Load a plugin's model.

    Args:
        weights: a path from the user; default: the plugin's own.

    Raises:
        UserError: when it cannot be built or run.
    """
    told = digest(declared, weights)
    made = make(declared, weights)
    check_labels(made.model.spec.labels, declared.name)
    check_labels(made.model.spec.heads, declared.name)
    return Checkpoint(made.model, Normaliser(), card_of(made), place(declared, weights) or Path(declared.file), told)


def facts(declared: Declared) -> Facts:
    """A model's facts. It is built once to find out, and the result is cached.

    Raises:
        UserError: as ``load``.
    """
    place = cache_root() / "plugins" / f"{digest(declared)}.json"
    if declared.digest and (told := sealed.read_json(place)):
        return Facts(_spec(told["spec"]), told["parameters"], tuple(told["remarks"]))
    return facts_of(load(declared))


def facts_of(checkpoint: Checkpoint) -> Facts:
    """As ``facts``, for a model in memory."""
    card = checkpoint.card
    spec_facts = Facts(checkpoint.spec, card["parameters"], tuple(card["remarks"]))
    if checkpoint.digest:
        sealed.write_cached_json(cache_root() / "plugins" / f"{checkpoint.digest}.json", asdict(spec_facts))
    return spec_facts


def _spec(told: Mapping[str, Any]) -> ModelSpec:
    """A spec from JSON, which has no tuples."""
    lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
    return ModelSpec(**{
        **told, **lists,
        "modalities": {head: tuple(modalities) for head, modalities in told["modalities"].items()},
        "attention": tuple(AttentionSpec(**entry) for entry in told["attention"]),
        "shared": tuple((audio, visual) for audio, visual in told["shared"]),
    })  # fmt: skip


def recognise(source: Path) -> Made | None:
    """The plugin's model that fits a file's keys, among those whose builder takes a ``state``.

    An uploaded file is never passed to a plugin as a path.

    Raises:
        UserError: when the file cannot be read.
    """
    able = [declared for declared in known().values() if declared.wants == "state"]
    if not able or not source.is_file():
        return None
    state = read_state(source)
    for declared in able:
        try:
            made = make(declared, state=state)
        except UserError:
            continue
        if made.model.network.state_dict().keys() == state.keys():
            return made
    return None


def _folder_hash(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return key_of(*((str(path.relative_to(folder)), content_hash(path)) for path in files))
