"""The added corpora: path, kind and options, by name. They are not part of the cache."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from affectscope.core.cache import sealed
from affectscope.core.cache.disk import locked, say_once
from affectscope.core.cache.roots import data_root
from affectscope.core.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Known:
    """An added corpus.

    Attributes:
        path: absolute.
        options: only those that were given.
    """

    path: str
    kind: str
    options: dict[str, str] = field(default_factory=dict)


def known() -> dict[str, Known]:
    """All added corpora, by name.

    Raises:
        UserError: if the list on disk is damaged.
    """
    if not _file().exists():
        return {}
    listed, before = sealed.read_kept(_file())
    if before:
        say_once(f"{_file()}, the list of added corpora, was damaged on the disk: it is read as before its last change.")
    try:
        if listed is not None:
            return {name: Known(**entry) for name, entry in listed.items()}
    except TypeError:
        pass
    raise UserError(f"{_file()}, the list of added corpora, is damaged: delete it and add them again.")


def check_name(name: str) -> None:
    """Raises:
    UserError: if the name is not allowed for a corpus."""
    if not _NAME.fullmatch(name) or name == "demo":
        raise UserError(f"{name!r} cannot be a corpus's name: use letters, digits, full stops and dashes, and not `demo`.")


def remember(name: str, entry: Known) -> None:
    """Add a corpus, or replace the one of the same name.

    Raises:
        UserError: if the name is not allowed, or the list can't be written.
    """
    check_name(name)
    with _alone():
        _write(known() | {name: entry})


def forget(name: str) -> None:
    """Remove a corpus from the list; its files are kept.

    Raises:
        UserError: if it is not in the list.
    """
    with _alone():
        listed = known()
        if name not in listed:
            raise UserError(f"No corpus was added by the name {name!r}: `affectscope corpus list` names them.")
        _write({other: entry for other, entry in listed.items() if other != name})


def _file() -> Path:
    return data_root() / "corpora.json"


def _write(listed: dict[str, Known]) -> None:
    sealed.write_kept(_file(), {name: asdict(entry) for name, entry in sorted(listed.items())})


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else changes the list meanwhile, and what the disk refuses is one sentence."""
    try:
        with locked(data_root()):
            yield
    except OSError as error:
        raise UserError(
            f"{_file()} cannot be written ({error.strerror}): make room or name a folder in $AFFECTSCOPE_DATA."
        ) from error
