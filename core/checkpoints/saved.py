"""Saves and loads checkpoints, and imports those of public repositories.

A checkpoint is one ``.safetensors`` file: the model's tensors, the normaliser's statistics and, as JSON in the header, the
system, its config and its card. Nothing is ever unpickled: ``.pt`` and ``.pth`` files are read with ``weights_only=True``, and a
file that needs more than that is refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from affectscope.core.cache.stamps import is_stamped, stamp, unchanged
from affectscope.core.cache.store import content_hash, key_of, write_atomically
from affectscope.core.checkpoints import DEFAULT, foreign
from affectscope.core.checkpoints.choices import NO_CHOICES, Choices
from affectscope.core.checkpoints.layouts import LAYOUTS
from affectscope.core.checkpoints.state import LONGEST_LABEL, check_labels, check_sizes, fill, try_out
from affectscope.core.errors import UserError
from affectscope.core.familiarity.familiarity import Familiarity, of_file, to_file
from affectscope.core.files.tensors import read_tensors
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS, AVModel, ModelSpec
from affectscope.core.models.inputs import Normaliser
from affectscope.core.paths import CHECKPOINTS
from affectscope.core.text import shown
from affectscope.core.wrapping.declared import WRAPPED, Declared
from affectscope.core.wrapping.making import make

FORMAT = "affectscope-1"
_DAMAGED = "was damaged on the disk: drop its file in again, or train it again"
# Limits for the header and for sizes in a config, far above what any model needs.
LONGEST_HEADER = 4 << 20
LARGEST = 10**7


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model.

    Attributes:
        card: written by training: data, seed, commit, metrics per head, ``synthetic_training``.
        digest: hash of the file when it was read.
        features: modality -> feature set, the user's choice for this session; overrides all other sources.
        known: statistics of the training data; None where its file has none.
    """

    model: AVModel
    normaliser: Normaliser
    card: Mapping[str, Any]
    path: Path | None = None
    digest: str = ""
    features: Mapping[str, str] = field(default_factory=dict)
    known: Familiarity | None = None

    @property
    def spec(self) -> ModelSpec:
        return self.model.spec

    @property
    def name(self) -> str:
        """Display name: that of its file, or the plugin's."""
        return self.spec.system if self.path is None or "plugin" in self.card else self.path.stem

    @property
    def sets(self) -> dict[str, str]:
        """Modality -> feature set, for every modality read from a clip for this model."""
        # Imports decoders, which the sandboxed process does not need.
        from affectscope.core.features.taken import sets_of

        return sets_of(self.spec, self.card, self.digest, self.features)


def shipped() -> dict[str, Path]:
    """The shipped checkpoints by name, the default first."""
    return {
        path.stem: path for path in sorted(CHECKPOINTS.glob("*.safetensors"), key=lambda path: (path.stem != DEFAULT, path.stem))
    }


def save(path: Path, model: AVModel, normaliser: Normaliser, card: Mapping[str, Any], known: Familiarity | None = None) -> None:
    tensors = {f"model.{k}": v.contiguous().cpu() for k, v in model.state_dict().items()}
    for kind in ("mean", "std"):
        tensors |= {f"normaliser.{kind}.{k}": v.contiguous().cpu() for k, v in getattr(normaliser, kind).items()}
    config = dataclasses.asdict(model.config)  # type: ignore[call-overload]
    header = {"system": model.spec.system, "config": config, "card": dict(card)}
    statistics, facts = to_file(known)
    tensors |= statistics
    header |= {"known": facts} if facts else {}
    metadata = {"format": FORMAT, "affectscope": json.dumps(header)}
    write_atomically(path, lambda temporary: safetensors.torch.save_file(tensors, temporary, metadata))


def change_card(path: Path, out: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Copy one of our checkpoints with another card; everything else is byte-identical.

    Raises:
        UserError: as ``load``, and when it cannot be written.
    """
    load(path)
    tensors, metadata = read_tensors(path)
    header = json.loads(metadata["affectscope"])
    header["card"] = change(dict(header["card"]))
    told = metadata | {"affectscope": json.dumps(header)}
    try:
        watched = is_stamped(out)
        write_atomically(out, lambda temporary: safetensors.torch.save_file(tensors, temporary, told))
        if watched:
            stamp(out)
    except OSError as error:
        raise UserError(
            f"{shown(out.name)} cannot be written ({error.strerror or error}): name another place with --out."
        ) from error


def load(path: Path) -> Checkpoint:
    """Load one of our checkpoints.

    Raises:
        UserError: when the file is missing, damaged, of another kind, does not fit its model, or contains NaN.
    """
    tensors, metadata = read_tensors(path)
    name = shown(Path(path).name)
    if not unchanged(Path(path)):
        raise UserError(f"{name} {_DAMAGED}.")
    state = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    if (declared := _of_plugin(metadata)) is not None:
        return _wrapped(declared, state, _header(metadata)["card"], Path(path))
    model, card = _described(name, metadata, len(tensors))
    fill(model, state, name)
    stats = {
        kind: {k.split(".", 2)[2]: v for k, v in tensors.items() if k.startswith(f"normaliser.{kind}.")}
        for kind in ("mean", "std")
    }
    for modality, dim in model.spec.inputs.items():
        known = [stats[kind][modality] for kind in stats if modality in stats[kind]]
        if any(stat.shape != (dim,) or not torch.isfinite(stat).all() for stat in known) or (known and not (known[-1] > 0).all()):
            raise UserError(f"{name} carries statistics that do not fit its model's {modality} input: export it again.")
    # For inference only: explanations need no gradients of weights.
    model.requires_grad_(False)
    normaliser = Normaliser(stats["mean"], stats["std"])
    try_out(model, name, normaliser)
    statistics = of_file(tensors, _header(metadata).get("known"), model.spec, name)
    return Checkpoint(model, normaliser, card, Path(path), content_hash(Path(path)), known=statistics)


def digest(path: Path) -> str:
    """Identifies a checkpoint: a hash of its content and, for a plugin's model, of the plugin's sources.

    Raises:
        OSError: when the file cannot be read.
    """
    return _digest(path, content_hash(path))


@lru_cache(maxsize=1000)
def _digest(path: Path, content: str) -> str:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            declared = _of_plugin(file.metadata() or {})
    except (safetensors.SafetensorError, OSError):
        return content
    return content if declared is None else key_of(content, declared.digest)


def load_foreign(path: Path, layout: str, choices: Choices = NO_CHOICES) -> AVModel:
    """Load a public repository's state_dict, or a folder of them: a model in evaluation mode with the same outputs.

    Args:
        layout: one of ``core.checkpoints.layouts.LAYOUTS``.
        choices: what the state_dict does not say.

    Raises:
        UserError: as ``load``.
    """
    return foreign.read(path, layout, choices).model


def is_ours(path: Path) -> bool:
    """Whether a file claims to be one of our checkpoints, valid or not."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (safetensors.SafetensorError, OSError):
        return False


def knows(path: Path) -> bool:
    """Whether one of our checkpoints contains statistics of its training data."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return bool(_header(file.metadata() or {}).get("known"))
    except (safetensors.SafetensorError, OSError):
        return False


def peek(path: Path) -> tuple[AVModel, dict[str, Any]]:
    """A checkpoint's model on the meta device, and its card, without reading weights.

    Raises:
        UserError: when the file is missing, damaged or of another kind.
    """
    path = Path(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata, count = file.metadata() or {}, len(file.keys())
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{shown(path.name)} is damaged or no checkpoint: copy it again from where it was made.") from error
    if not unchanged(path, header=True):
        raise UserError(f"{shown(path.name)} {_DAMAGED}.")
    if _of_plugin(metadata) is not None:
        # A wrapped network's spec is only known after a forward pass.
        whole = load(path)
        return whole.model, dict(whole.card)
    return _described(shown(path.name), metadata, count)


def _of_plugin(metadata: Mapping[str, str]) -> Declared | None:
    """The plugin's model that a checkpoint contains, if that plugin is loaded."""
    system = _header(metadata).get("system")
    return WRAPPED[system] if isinstance(system, str) and system in list(WRAPPED) else None


def _header(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        header = json.loads(metadata.get("affectscope", "{}")[:LONGEST_HEADER])
    # Deeply nested JSON exceeds the parser's recursion limit.
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _wrapped(declared: Declared, state: Mapping[str, Tensor], card: Any, path: Path) -> Checkpoint:
    own = {k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")}
    made = make(declared, state=own)
    check_labels(made.model.spec.labels, declared.name)
    return Checkpoint(made.model, Normaliser(), dict(card) if isinstance(card, dict) else {}, path, digest(path))


def _described(name: str, metadata: Mapping[str, str], tensors: int) -> tuple[AVModel, dict[str, Any]]:
    if metadata.get("format") != FORMAT:
        raise UserError(
            f"{name} is no AffectScope checkpoint: name the public layout it has, one of {', '.join(LAYOUTS)}; or, of a network "
            "of your own, name the plugin that wraps it with --plugin, and the file as MODEL=PATH."
        )
    try:
        if len(metadata["affectscope"]) > LONGEST_HEADER:
            raise ValueError("the header is too long")
        header = json.loads(metadata["affectscope"])
        if header["config"] == {"name": header["system"]}:
            called = shown(str(header["system"]))
            raise UserError(f"it is of the plugin's model {called}, which is not here: name that plugin with --plugin.")
        model, card = _build(header["system"], header["config"], tensors), dict(header["card"])
    except UserError as error:
        raise UserError(f"{name} cannot be used: {error}") from error
    # A malformed header can make a model's constructor raise anything.
    except Exception as error:
        raise UserError(f"{name} describes its model in a way that cannot be read: export it again.") from error
    check_labels(model.spec.labels, name)
    check_labels(model.spec.heads, name)
    # The former name of the strategy, also on shipped cards.
    if "regime" in card:
        card.setdefault("strategy", card.pop("regime"))
    return model, card


def _build(system: str, config: Mapping[str, Any], most_layers: int) -> AVModel:
    """A model on the meta device: sizes in an untrusted header are checked before memory is allocated."""
    if not isinstance(system, str) or len(system) > LONGEST_LABEL:
        raise ValueError("the system is no name")
    kind = MODELS[system]
    hints = get_type_hints(kind.config_type)
    values = {k: _as_tuple(v) for k, v in config.items() if k in {f.name for f in dataclasses.fields(kind.config_type)}}
    wrong = [k for k, v in values.items() if not _fits(v, hints[k])]
    if wrong:
        raise UserError(f"its config has {wrong[0]} = {shown(repr(values[wrong[0]]), 40)}, and no model has such a value there.")
    if any(isinstance(v, int) and v > most_layers for k, v in values.items() if "layers" in k):
        raise UserError("its header asks for more layers than it holds, so it is damaged or hostile.")
    check_sizes(values)
    with torch.device("meta"):
        return kind(kind.config_type(**values))  # type: ignore[call-arg]


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list) else value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value fits a config field's type; a bool is not a number, and numbers are finite."""
    kinds = get_args(hint)
    if get_origin(hint) is Literal:
        return value in kinds
    if get_origin(hint) is tuple and isinstance(value, tuple):
        kinds = (kinds[0],) * len(value) if kinds[-1] is Ellipsis else kinds
        return len(kinds) == len(value) and all(map(_fits, value, kinds))
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, kind) for kind in kinds)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    return isinstance(hint, type) and isinstance(value, hint)
