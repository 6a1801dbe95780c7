"""A small registry: names for models, strategies, layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from affectscope.core.errors import UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names for things of one kind.

    >>> shapes = Registry("shape")
    >>> @shapes.register("square")
    ... class Square: ...
    >>> shapes["square"] is Square
    True
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        def add(entry: T) -> T:
            if self._entries.setdefault(name, entry) is not entry:
                raise ValueError(f"there is already a {self.kind} called {name}")
            return entry

        return add

    def replace(self, name: str, entry: T) -> None:
        """Register an entry, replacing one of the same name: a plugin may be imported again."""
        self._entries[name] = entry

    def in_order(self) -> list[str]:
        """The names in order of registration."""
        return list(self._entries)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise UserError(f"There is no {self.kind} called {name!r}; choose one of {', '.join(sorted(self._entries))}.")
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))
