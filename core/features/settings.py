"""What a person said once about features, for the page, the terminal and training alike: weights, arrays, and what models take.

It lies in one file of the settings folder, written whole or not at all, with the version before beside it.
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
class Told:
    """A folder or file of arrays for a feature set.

    Attributes:
        path: absolute.
        modality, dim, shape: of a set that has no other; dim is 0 where the set is one of ours.
        rate: frames a second; 0 where frames lie evenly over the clip, or the arrays have times of their own.
        key: the array's name inside its file; empty to find it.
    """

    path: str
    modality: str = ""
    dim: int = 0
    rate: float = 0.0
    key: str = ""
    shape: tuple[int, ...] = ()


def weights() -> dict[str, Path]:
    """Feature set -> where its weights are, as a person said.

    Raises:
        UserError: when the file on disk is damaged.
    """
    return {name: Path(path) for name, path in _read()["weights"].items()}


def arrays() -> dict[str, Told]:
    """Feature set -> its arrays, as a person said.

    Raises:
        UserError: as ``weights``.
    """
    return {name: Told(**{**told, "shape": tuple(told.get("shape", ()))}) for name, told in _read()["arrays"].items()}


def of_model(digest: str) -> dict[str, str]:
    """Modality -> feature set that a person said a checkpoint takes, by the hash of its file.

    Raises:
        UserError: as ``weights``.
    """
    return dict(_read()["models"].get(digest, {}))


def tell_weights(name: str, path: Path | None) -> None:
    """Write down where the weights of a set are; None to forget it.

    Raises:
        UserError: when it cannot be written.
    """
    _change("weights", name, str(path.expanduser().absolute()) if path else None)


def tell_arrays(name: str, told: Told | None) -> None:
    """Write down where the arrays of a set are; None to forget it.

    Raises:
        UserError: when it cannot be written.
    """
    _change("arrays", name, asdict(told) if told else None)


def tell_model(digest: str, sets: Mapping[str, str]) -> None:
    """Write down which sets a checkpoint takes; empty to forget it.

    Raises:
        UserError: when it cannot be written.
    """
    _change("models", digest, dict(sets) or None)


def mark() -> object:
    """Something else whenever what was said may have changed."""
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
            Told(**told)
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
    """Nobody else changes the file meanwhile, and what the disk refuses is one sentence."""
    try:
        with locked(config_root()):
            yield
    except OSError as error:
        raise UserError(
            f"{_file()} cannot be written ({error.strerror}): make room or name a folder in $AFFECTSCOPE_CONFIG."
        ) from error
