"""Paths of the project's own files, and commands for its own processes."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

# The folder that also contains the pages, the shipped checkpoints and the experiments, in a checkout and in an installed package.
ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "checkpoints"
# The entry of the module search path that contains the package.
_HOME = Path(__file__).parents[2]


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a new Python. Modules in the current folder are not importable."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(**more: str) -> dict[str, str]:
    """The environment of such a process, in which the package can be imported."""
    paths = [os.environ.get("PYTHONPATH", "")]
    # site-packages is searched anyway, and must not come before the standard library.
    if str(_HOME) != sysconfig.get_path("purelib"):
        paths.insert(0, str(_HOME))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | more
