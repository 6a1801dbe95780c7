"""The user's feature settings, shared by app, command line and training: weights, arrays, and the feature sets of models.

Stored in one file of the settings folder, written atomically, with the previous version beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from affectscope.core.cache import sealed
from affectscope.core.cache.disk import locked, say_once
from affectscope.core.cache.roots import config_root
from affectscope.core.errors import UserError


@dataclass(frozen=True)
class ArraySource:
    """A folder or file of arrays for a feature set.

    Attributes:
        path: absolute.
        modality, dim, shape: of a set defined only by these arrays; dim is 0 where the set is one of ours.
        rate: frames per second; 0 for the arrays' own times, or evenly spaced frames.
        key: the array's name inside its file; empty to detect it.
    """

    path: str
    modality: str = ""
    dim: int = 0
    rate: float = 0.0
    key: str = ""
    shape: tuple[int, ...] = ()


def weights() -> dict[str, Path]:
    """Feature set -> path of its weights, as configured.

    Raises:
        UserError: when the settings file is damaged.
    """
    return {name: Path(path) for name, path in _read()["weights"].items()}


def arrays() -> dict[str, ArraySource]:
    """Feature set -> its arrays, as configured.

    Raises:
        UserError: as ``weights``.
    """
    return {name: ArraySource(**{**told, "shape": tuple(told.get("shape", ()))}) for name, told in _read()["arrays"].items()}


def of_model(digest: str) -> dict[str, str]:
    """Modality -> feature set configured for a checkpoint, by the hash of its file.

    Raises:
        UserError: as ``weights``.
    """
    return dict(_read()["models"].get(digest, {}))


def tell_weights(name: str, path: Path | None) -> None:
    """Store the path of a set's weights; None removes it.

    Raises:
        UserError: when it cannot be written.
    """
    _change("weights", name, str(path.expanduser().absolute()) if path else None)


def tell_arrays(name: str, told: ArraySource | None) -> None:
    """Store where a set's arrays are; None removes it.

    Raises:
        UserError: when it cannot be written.
    """
    _change("arrays", name, asdict(told) if told else None)


def tell_model(digest: str, sets: Mapping[str, str]) -> None:
    """Store which sets a checkpoint takes; empty removes it.

    Raises:
        UserError: when it cannot be written.
    """
    _change("models", digest, dict(sets) or None)


def mark() -> object:
    """A token that changes whenever the settings may have changed."""
    return sealed.mark(_file())


def _file() -> Path:
    return config_root() / "features.json"


def _read() -> dict[str, dict[str, Any]]:
    return _parsed(_file(), mark())


@lru_cache(maxsize=4)
def _parsed(path: Path, _: object) -> dict[str, dict[str, Any]]:
    stored, before = sealed.read_kept(path)
    if before:
        say_once(f"{path}, your settings of features, was damaged on the disk: it is read as before its last change.")
    if stored is None and path.exists():
        raise UserError(f"{path}, your settings of features, is damaged: delete it and name weights and arrays again.")
    parts = {kind: (stored or {}).get(kind, {}) for kind in ("weights", "arrays", "models")}
    try:
        for told in parts["arrays"].values():
            ArraySource(**told)
        if all(isinstance(path, str) for path in parts["weights"].values()) and all(map(_is_text, parts["models"].values())):
            return parts
    except (TypeError, AttributeError):
        pass
    raise UserError(f"{path}, your settings of features, cannot be read: delete it and name weights and arrays again.")


def _is_text(told: Mapping[str, str]) -> bool:
    return all(isinstance(part, str) for pair in told.items() for part in pair)


def _change(kind: str, name: str, value: Any) -> None:
    with _alone():
        parts = {part: dict(entries) for part, entries in _read().items()}
        parts[kind].pop(name, None)
        if value is not None:
            parts[kind][name] = value
        sealed.write_kept(_file(), {part: dict(sorted(entries.items())) for part, entries in parts.items()})


@contextmanager
def _alone() -> Iterator[None]:
    """Lock the settings file, and turn write errors into one sentence."""
    try:
        with locked(config_root()):
            yield
    except OSError as error:
        raise UserError(
            f"{_file()} cannot be written ({error.strerror}): make room or name a folder in $AFFECTSCOPE_CONFIG."
        ) from error
