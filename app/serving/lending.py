"""Files that browsers may fetch: a server-side table of ids, so that no URL ever becomes a path."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import quote

from affectscope.app.gate.terms import base
from affectscope.core.cache import sealed

Kind = Literal["clips", "pictures", "timelines", "grids", "maps", "strips", "lists"]
# URL segments that differ from the kind's name.
_ROUTES = {"pictures": "thumbs"}

# Kind and id -> file, and its owners; "" means every admitted visitor.
_LENT: dict[tuple[str, str], tuple[Path, frozenset[str]]] = {}


def lend(kind: Kind, name: str, path: Path, owner: str = "") -> str:
    """Let browsers fetch ``path`` and return its URL.

    Args:
        owner: the only visitor who may; default: everybody. If several own the same content, each may fetch it.
    """
    before, owners = _LENT.get((kind, name), (path, frozenset()))
    _LENT[kind, name] = (path, owners | {owner} if before == path else frozenset({owner}))
    return f"{base()}/{_ROUTES.get(kind, kind)}/{quote(name, safe='')}"


def find(kind: Kind, name: str, visitor: str = "") -> Path | None:
    """The file of that id, if this visitor may have it.

    Args:
        visitor: as in ``app.gate.visitors``; "" where only this machine can connect.
    """
    path, owners = _LENT.get((kind, name), (None, frozenset()))
    mine = not visitor or "" in owners or visitor in owners
    return path if mine and path is not None and path.is_file() else None


def content(kind: Kind, name: str, visitor: str = "") -> bytes | None:
    """The content of a generated file; None where it is gone, damaged, or not this visitor's."""
    path = find(kind, name, visitor)
    return sealed.read(path) if path is not None else None
