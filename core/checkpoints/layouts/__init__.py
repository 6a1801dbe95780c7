"""Converts the state_dicts of public repositories: a file per family of repositories, a function per layout."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from affectscope.core.checkpoints.layouts.base import LAYOUTS, Layout, add, is_plugins, own, recognise
from affectscope.core.checkpoints.layouts.vavl import VAVL_FILES, VAVL_NEEDED, is_vavl_part, vavl_part

__all__ = ["LAYOUTS", "VAVL_FILES", "VAVL_NEEDED", "Layout", "add", "is_plugins", "is_vavl_part", "own", "recognise", "vavl_part"]

# Importing the files of this folder registers their layouts.
for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")
