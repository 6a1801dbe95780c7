"""The result of a check: a promise, and whether a model keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["kept", "broken", "not applicable"]


@dataclass(frozen=True)
class Promise:
    """A promise that pages rely on, and its result.

    Attributes:
        name: identifier in JSON and in code.
        title: the promise itself, one sentence.
        detail: what was observed, one sentence.
        measured: the number that decided, if any.
        tolerance: its maximum.
    """

    name: str
    title: str
    state: State
    detail: str
    measured: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Found:
    """The observation of one check."""

    detail: str
    measured: float | None = None
    tolerance: float | None = None
    broken: bool = False


class NotApplicable(Exception):
    """Raised by a check of something that a model does not have; the message is one sentence."""


def within(measured: float, tolerance: float, what: str) -> Found:
    """Kept if a number is within its tolerance; ``what`` is a clause with {} for the number."""
    return Found(f"{what.format(written(measured))}.", measured, tolerance, not measured <= tolerance)


def broken(detail: str) -> Found:
    return Found(detail, broken=True)


def written(number: float) -> str:
    """A difference formatted for display."""
    return "something that is no number" if number == float("inf") else f"{number:.2g}"


def counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
