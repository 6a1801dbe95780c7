"""The state_dicts of public repositories, turned into ours: one file a family of repositories, one function a layout."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from affectscope.core.checkpoints.layouts.base import LAYOUTS, Layout, add, is_plugins, own, recognise
from affectscope.core.checkpoints.layouts.vavl import VAVL_FILES, VAVL_NEEDED, is_vavl_part, vavl_part

__all__ = ["LAYOUTS", "VAVL_FILES", "VAVL_NEEDED", "Layout", "add", "is_plugins", "is_vavl_part", "own", "recognise", "vavl_part"]

# A file in this folder registers its layouts by its decorators alone.
for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")
