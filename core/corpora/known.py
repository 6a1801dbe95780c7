"""The list of added corpora: path, kind and options, stored outside the cache."""

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
        options: only those that were set.
    """

    path: str
    kind: str
    options: dict[str, str] = field(default_factory=dict)


def known() -> dict[str, Known]:
    """All added corpora, by name.

    Raises:
        UserError: when the list on disk is damaged.
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
    """Validate a corpus's name.

    Raises:
        UserError: when it is invalid.
    """
    if not _NAME.fullmatch(name) or name == "demo":
        raise UserError(f"{name!r} cannot be a corpus's name: use letters, digits, full stops and dashes, and not `demo`.")


def remember(name: str, entry: Known) -> None:
    """Add a corpus, or replace the one of that name.

    Raises:
        UserError: when the name is invalid, or the list cannot be written.
    """
    check_name(name)
    with _alone():
        _write(known() | {name: entry})


def forget(name: str) -> None:
    """Remove a corpus from the list; its files are kept.

    Raises:
        UserError: when it is not on it.
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
    """Lock the list, and turn write errors into one sentence."""
    try:
        with locked(data_root()):
            yield
    except OSError as error:
        raise UserError(
            f"{_file()} cannot be written ({error.strerror}): make room or name a folder in $AFFECTSCOPE_DATA."
        ) from error
