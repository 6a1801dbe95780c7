"""Which files browsers may fetch: a server-side table of ids, so that no URL ever becomes a path."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import quote

from affectscope.app.gate.terms import base
from affectscope.core.cache import sealed

Kind = Literal["clips", "pictures", "timelines", "grids", "maps", "strips", "lists"]
# Where browsers find them, where that is not the kind's own name.
_ROUTES = {"pictures": "thumbs"}

# Kind and id -> file, and whose it is; "" among those for everybody who was let in.
_LENT: dict[tuple[str, str], tuple[Path, frozenset[str]]] = {}


def lend(kind: Kind, name: str, path: Path, owner: str = "") -> str:
    """Let browsers fetch ``path`` and return its URL.

    Args:
        owner: whose browser alone may; everybody's if left out. What several have of the same content, each of them may fetch.
    """
    before, owners = _LENT.get((kind, name), (path, frozenset()))
    _LENT[kind, name] = (path, owners | {owner} if before == path else frozenset({owner}))
    return f"{base()}/{_ROUTES.get(kind, kind)}/{quote(name, safe='')}"


def find(kind: Kind, name: str, visitor: str = "") -> Path | None:
    """The file of that id, where there is one that this visitor may have.

    Args:
        visitor: as ``app.gate.visitors`` names browsers; "" where only this machine's own come.
    """
    path, owners = _LENT.get((kind, name), (None, frozenset()))
    mine = not visitor or "" in owners or visitor in owners
    return path if mine and path is not None and path.is_file() else None


def content(kind: Kind, name: str, visitor: str = "") -> bytes | None:
    """What a browser is sent of a file that we made ourselves; None where it is gone, or damaged, or not this visitor's."""
    path = find(kind, name, visitor)
    return sealed.read(path) if path is not None else None
