"""Plugins: Python files and modules that the user names, imported once in each of the product's processes.

Only the user can name one: by ``--plugin`` on the command line, the environment variable ``AFFECTSCOPE_PLUGINS``, or an installed
package's entry point in ``affectscope.plugins``. Files dropped in a browser never get here.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import zlib
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata, util
from pathlib import Path
from types import ModuleType

from affectscope.core.errors import UserError
from affectscope.core.plugins.places import place_of
from affectscope.core.text import shown

NAMED = "AFFECTSCOPE_PLUGINS"
ENTRY_POINTS = "affectscope.plugins"
_LONGEST = 300


@dataclass(frozen=True)
class Trouble:
    """A plugin that could not be imported, and why, in one sentence with file and line."""

    plugin: str
    sentence: str


_LOCK = threading.RLock()
# Import results in this process, by name; None means success.
_TRIED: dict[str, Trouble | None] = {}


def name(plugin: str = "") -> None:
    """Add a plugin for this process and its children. Paths become absolute, because children run in other folders.

    Args:
        plugin: a file, a package's folder, or a module's dotted name. If empty, only existing paths are made absolute.
    """
    settled = dict.fromkeys(map(_settled, [*named(), *([plugin] if plugin else [])]))
    if settled:
        os.environ[NAMED] = os.pathsep.join(settled)


def named() -> list[str]:
    """The plugins added by ``name`` or in the environment."""
    return [file for file in os.environ.get(NAMED, "").split(os.pathsep) if file]


def load() -> tuple[Trouble, ...]:
    """Import the plugins that are not imported yet. One that fails is reported, and the others are still imported.

    Returns:
        All failures in this process, now or before.
    """
    with _LOCK:
        name()
        for plugin in [*named(), *_installed()]:
            if plugin not in _TRIED:
                # Set before the import: a plugin may itself load models, which loads plugins.
                _TRIED[plugin] = None
                _TRIED[plugin] = _import(plugin)
        return troubles()


def troubles() -> tuple[Trouble, ...]:
    """The plugins that failed to import in this process."""
    return tuple(trouble for trouble in _TRIED.values() if trouble is not None)


def loaded() -> tuple[str, ...]:
    """The plugins that were imported in this process."""
    return tuple(plugin for plugin, trouble in _TRIED.items() if trouble is None)


def _settled(plugin: str) -> str:
    return str(Path(plugin).expanduser().absolute()) if _is_path(plugin) else plugin


def _is_path(plugin: str) -> bool:
    return plugin.endswith(".py") or os.sep in plugin or (os.altsep or os.sep) in plugin


@cache
def _installed() -> tuple[str, ...]:
    return tuple(point.module for point in metadata.entry_points(group=ENTRY_POINTS))


def _import(plugin: str) -> Trouble | None:
    # Its prints must not mix with a command's JSON lines.
    try:
        with redirect_stdout(sys.stderr):
            if _is_path(plugin):
                _import_path(Path(plugin))
            else:
                _import_module(plugin)
    except KeyboardInterrupt:
        raise
    # User code may raise any error when it is imported.
    except BaseException as error:
        return Trouble(plugin, _sentence(plugin, error))
    return None


def _import_path(path: Path) -> ModuleType:
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        what = f"{path} is a folder without an __init__.py" if path.is_dir() else f"There is no file {path}"
        raise UserError(f"{what}: name a plugin's Python file.")
    # Appended, so that files beside the plugin cannot shadow the standard library's modules or ours.
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    called = f"affectscope_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}_{zlib.crc32(str(file).encode()):08x}"
    inner = [str(path)] if path.is_dir() else None
    spec = util.spec_from_file_location(called, file, submodule_search_locations=inner)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is no Python file: a plugin's name ends in .py.")
    module = util.module_from_spec(spec)
    # Pickling and dataclasses look up a class's module here.
    sys.modules[called] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[called]
        raise
    return module


def _import_module(dotted: str) -> ModuleType:
    try:
        return import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{dotted}.".startswith(f"{error.name}."):
            raise
        near = Path(f"{dotted.replace('.', '/')}.py")
        todo = f"name the file {near}" if near.is_file() else "name its file, or install it here"
        raise UserError(f"There is no module {shown(dotted)}: {todo}.") from error


def _sentence(plugin: str, error: BaseException) -> str:
    called = shown(Path(plugin).name if _is_path(plugin) else plugin)
    why = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {_first_line(error)}"
    return f"The plugin {called} was left out: {why.rstrip('.')}{place_of(error)}; mend it, and start again."


def _first_line(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return shown((text.splitlines() or [""])[0], _LONGEST)
