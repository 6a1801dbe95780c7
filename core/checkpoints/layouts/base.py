"""What a layout is, and which one a file is of."""

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
# A state_dict whose keys are the layout's own -> our model's config, and its state as our model has it.
Convert = Callable[[State], tuple[Any, State]]


@dataclass(frozen=True)
class Layout:
    """How a public repository names its weights.

    Attributes:
        convert: what turns its tensors into ours.
        marks: how keys begin, all of which every file of it has. Of two layouts that fit a file, the one with more is it.
        known: a pattern that each of its keys begins with; what else stands beside them in a file is no part of the model.
        plugins: whether a person's own: its config is whole, so that nothing is asked of whoever reads a file.
    """

    convert: Convert
    marks: tuple[str, ...]
    known: str
    plugins: bool = False


LAYOUTS: Registry[Layout] = Registry("layout")


def layout(name: str, marks: Collection[str], known: str) -> Callable[[Convert], Convert]:
    """Register a function of this package as a layout; see ``Layout``."""

    def register(convert: Convert) -> Convert:
        LAYOUTS.register(name)(Layout(convert, tuple(marks), known))
        return convert

    return register


def add(name: str, marks: Collection[str], known: str, convert: Convert) -> None:
    """Register a layout of a plugin's; one of the same file from before is replaced.

    Args:
        marks, known: see ``Layout``.

    Raises:
        UserError: when the name is another's, or there is no mark.
    """
    if name in list(LAYOUTS) and not (is_plugins(name) and _file(LAYOUTS[name].convert) == _file(convert)):
        raise UserError(f"There is already a layout called {name}: choose another name.")
    if not marks:
        raise UserError(f"The layout {name} needs marks: the beginnings of keys that every file of it has.")
    LAYOUTS.replace(name, Layout(convert, tuple(marks), known, plugins=True))


def is_plugins(name: str) -> bool:
    """Whether a layout is a plugin's."""
    return LAYOUTS[name].plugins


def _file(convert: Convert) -> str:
    return getattr(getattr(convert, "__code__", None), "co_filename", "")


def recognise(keys: Collection[str]) -> str | None:
    """The layout that a file's keys are of, whatever stands before them; None where they are of none that is known.

    A person's own go before ours.
    """
    keys = {plain(key) for key in keys}
    fitting = [name for name in reversed(LAYOUTS.in_order()) if prefixes(keys, LAYOUTS[name].marks)]
    return max(fitting, key=lambda name: (LAYOUTS[name].plugins, len(LAYOUTS[name].marks)), default=None)


def own(name: str, state: Mapping[str, Tensor]) -> tuple[State, list[str], list[str]]:
    """A file's tensors by the keys that the layout has for them.

    Returns:
        The tensors; keys of the file that are no part of the layout; and what stands before other weights of it in the file,
        as an average's.
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
