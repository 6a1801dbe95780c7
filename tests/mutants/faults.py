"""What a fault is, and where all of them are listed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A change to a source.

    Attributes:
        file: under the repository's root; a module of ``affectscope``.
        text: what stands there once.
        planted: what stands there instead.
        tests: files, or tests in them, that are to fail.
    """

    name: str
    file: str
    text: str
    planted: str
    tests: tuple[str, ...]


def stale(fault: Fault, root: Path) -> str:
    """Why a fault can be planted no longer, or nothing would find it, in one sentence; "" where all is well."""
    path = root / fault.file
    if not path.is_file():
        return f"{fault.name}: {fault.file} is not there."
    source = path.read_text()
    if (count := source.count(fault.text)) != 1:
        return f"{fault.name}: {fault.text!r} stands there {count} times in {fault.file}."
    planted = source.replace(fault.text, fault.planted)
    if planted == source:
        return f"{fault.name}: it changes nothing."
    try:
        ast.parse(planted)
    except SyntaxError as error:
        return f"{fault.name}: {fault.file} is no Python with it: {error}."
    lacking = [test for test in fault.tests if not _there(root, test)]
    return f"{fault.name}: there is no test {', '.join(lacking)}." if lacking else ""


def _there(root: Path, test: str) -> bool:
    """Whether a file, or a test of it by its name, exists; parameters are not looked at."""
    file, _, function = test.partition("::")
    if not (root / file).is_file():
        return False
    tree = ast.parse((root / file).read_text())
    return not function or function.partition("[")[0] in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
