"""The definition of a layout, and recognising a file's."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.files.weights import is_bookkeeping, plain, prefixes, unwrapped
from affectscope.core.registry import Registry

State = dict[str, Tensor]
# A state_dict in the layout's keys -> our model's config and state.
Convert = Callable[[State], tuple[Any, State]]


@dataclass(frozen=True)
class Layout:
    """A public repository's names of weights.

    Attributes:
        convert: converts its tensors to ours.
        marks: key prefixes that every file of the layout has. If two layouts match, the one with more marks wins.
        known: pattern for the start of each of its keys; other keys in a file are not part of the model.
        plugins: whether a plugin defined it. Its config is complete, so no questions are asked.
    """

    convert: Convert
    marks: tuple[str, ...]
    known: str
    plugins: bool = False


LAYOUTS: Registry[Layout] = Registry("layout")


def layout(name: str, marks: Collection[str], known: str) -> Callable[[Convert], Convert]:
    """Decorator: register a function as a layout; see ``Layout``."""

    def register(convert: Convert) -> Convert:
        LAYOUTS.register(name)(Layout(convert, tuple(marks), known))
        return convert

    return register


def add(name: str, marks: Collection[str], known: str, convert: Convert) -> None:
    """Register a plugin's layout; it replaces an earlier one of the same file.

    Args:
        marks, known: see ``Layout``.

    Raises:
        UserError: when the name is taken, or there are no marks.
    """
    if name in list(LAYOUTS) and not (is_plugins(name) and _file(LAYOUTS[name].convert) == _file(convert)):
        raise UserError(f"There is already a layout called {name}: choose another name.")
    if not marks:
        raise UserError(f"The layout {name} needs marks: the beginnings of keys that every file of it has.")
    LAYOUTS.replace(name, Layout(convert, tuple(marks), known, plugins=True))


def is_plugins(name: str) -> bool:
    """Whether a plugin defined a layout."""
    return LAYOUTS[name].plugins


def _file(convert: Convert) -> str:
    return getattr(getattr(convert, "__code__", None), "co_filename", "")


def recognise(keys: Collection[str]) -> str | None:
    """The layout of a file's keys, ignoring prefixes; None if unknown.

    Plugins' layouts take precedence.
    """
    keys = {plain(key) for key in keys}
    fitting = [name for name in reversed(LAYOUTS.in_order()) if prefixes(keys, LAYOUTS[name].marks)]
    return max(fitting, key=lambda name: (LAYOUTS[name].plugins, len(LAYOUTS[name].marks)), default=None)


def own(name: str, state: Mapping[str, Tensor]) -> tuple[State, list[str], list[str]]:
    """A file's tensors under the layout's keys, without prefixes.

    Returns:
        The tensors; keys that are not part of the layout; and the prefixes of further copies of the weights in the file, such as
        moving averages.
    """
    named = {plain(key): key for key in state}
    before = prefixes(named, LAYOUTS[name].marks)
    if before:
        bare = {key.removeprefix(before[0]): state[old] for key, old in named.items() if key.startswith(before[0])}
    else:
        bare = unwrapped({key: state[old] for key, old in named.items()})
    known = re.compile(LAYOUTS[name].known)
    mine = {key: value for key, value in bare.items() if known.match(key) and not is_bookkeeping(key)}
    taken = {f"{before[0] if before else ''}{key}" for key in bare if known.match(key) or is_bookkeeping(key)}
    left_out = [old for key, old in named.items() if before and key not in taken and not is_bookkeeping(key)]
    return mine, left_out, before[1:]
