"""What a check finds: a promise, and whether a model keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["kept", "broken", "not applicable"]


@dataclass(frozen=True)
class Promise:
    """One of the promises that pages rely on, and what became of it.

    Attributes:
        name: what the promise is called in JSON and in code.
        title: the promise itself, one sentence.
        detail: what was seen, one sentence.
        measured: the number that decided, where there is one.
        tolerance: what it may be at most.
    """

    name: str
    title: str
    state: State
    detail: str
    measured: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Found:
    """What one promise's check saw."""

    detail: str
    measured: float | None = None
    tolerance: float | None = None
    broken: bool = False


class NotApplicable(Exception):
    """Raised by a check of what a model does not have; its text is one sentence."""


def within(measured: float, tolerance: float, what: str) -> Found:
    """Kept where a number is within its tolerance; ``what`` is a clause with a place {} for the number."""
    return Found(f"{what.format(written(measured))}.", measured, tolerance, not measured <= tolerance)


def broken(detail: str) -> Found:
    return Found(detail, broken=True)


def written(number: float) -> str:
    """A difference as shown to users."""
    return "something that is no number" if number == float("inf") else f"{number:.2g}"


def counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
