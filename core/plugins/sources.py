"""The sources of a plugin: its file and what it imports from its own folder. They are part of its cache keys."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_OURS = "affectscope"
# A bound for plugins among thousands of files, most of which they do not import.
_MOST = 500


@cache
def digest(file: str) -> str:
    """Hash of a plugin's sources, computed once per process, so that it matches the code that was imported."""
    total = hashlib.sha256()
    for path in sources(Path(file)):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def sources(file: Path) -> list[Path]:
    """The file, and every file in its folder that it imports, directly or indirectly."""
    root = _root(file)
    seen, waiting = {file: None}, [file]
    while waiting and len(seen) < _MOST:
        here = waiting.pop()
        for imported in _imported(here, root):
            if imported not in seen:
                seen[imported] = None
                waiting.append(imported)
    return [file, *sorted(seen.keys() - {file})]


def _root(file: Path) -> Path:
    """The folder from which Python resolves the file's imports: its own, or for a file in a package the package's parent."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _imported(file: Path, root: Path) -> Iterator[Path]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base, parts = root, (node.module or "").split(".") if node.module else []
            if node.level:
                base = file.parents[min(node.level, len(file.parents)) - 1]
            yield from _files(base, parts)
            for alias in node.names:
                yield from _files(base, [*parts, alias.name])


def _files(base: Path, parts: list[str]) -> Iterator[Path]:
    if parts[:1] == [_OURS]:
        return
    for depth in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:depth])
        yield from (path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file())
