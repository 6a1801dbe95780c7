"""Where the project's own files lie, and how it starts processes of its own."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

# Beside it lie the pages, the shipped checkpoints and the papers' experiments: in a checkout and in an installed package alike.
ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "checkpoints"
# Where Python looks for the package itself.
_HOME = Path(__file__).parents[2]


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a Python of its own. What lies in the folder that it is run in is not imported."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(**more: str) -> dict[str, str]:
    """The environment of such a process: it finds the package where this one found it."""
    paths = [os.environ.get("PYTHONPATH", "")]
    # Installed packages are found anyway, and must not come before Python's own.
    if str(_HOME) != sysconfig.get_path("purelib"):
        paths.insert(0, str(_HOME))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | more
