"""Which files browsers may fetch: a server-side table of ids, so that no URL ever becomes a path."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import quote

from core.features import sealed

Shelf = Literal["clips", "pictures", "timelines", "grids", "maps", "strips", "lists"]

_LENT: dict[tuple[str, str], Path] = {}


def lend(shelf: Shelf, name: str, path: Path) -> str:
    """Let browsers fetch ``path`` and return its URL."""
    _LENT[shelf, name] = path
    return f"/{shelf}/{quote(name, safe='')}"


def content(shelf: Shelf, name: str) -> bytes | None:
    """What a browser is sent of a file that we made ourselves; None where it is gone, or damaged."""
    path = _LENT.get((shelf, name))
    return sealed.read(path) if path is not None else None


def find(shelf: Shelf, name: str) -> Path | None:
    path = _LENT.get((shelf, name))
    return path if path is not None and path.is_file() else None
