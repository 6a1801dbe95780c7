"""Checks the promises that pages rely on: each is kept, broken or not applicable for a model, with numbers.

A model is only accessed through its contract (``core.models.base``): its spec and its output for synthetic clips. So wrapped
networks are checked like ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from affectscope.core.checking import looking, promises
from affectscope.core.checking.aside import aside
from affectscope.core.checking.findings import Found, NotApplicable, Promise
from affectscope.core.checking.questions import Subject
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.wrapping.asking import settings_kept

__all__ = ["CHECKING_VERSION", "PROMISES", "Promise", "check", "speechless", "summary"]

# Part of every kept result's key: raise it whenever a promise is checked otherwise.
CHECKING_VERSION = 2


@dataclass(frozen=True)
class Line:
    """A promise's check; ``compares``: it compares outputs, which requires a deterministic model."""

    title: str
    look: Callable[[Subject], Found]
    compares: bool = False


PROMISES: dict[str, Line] = {
    "answers": Line("It answers as it declares", promises.answers),
    "repeat": Line("The same question gets the same answer", promises.repeat),
    "aside": Line("A question changes nothing but the answer", aside),
    "subsets": Line("Any subset of the modalities is answered", promises.subsets, compares=True),
    "nothing": Line("Without evidence it says so", promises.nothing),
    "lengths": Line("Clips of any length are answered", promises.lengths),
    "absent": Line("Absent frames cannot move an answer", promises.absent, compares=True),
    "padding": Line("Padding cannot move an answer", promises.padding, compares=True),
    "company": Line("The other clips of a batch cannot move an answer", promises.company, compares=True),
    "order": Line("The order of a batch cannot move an answer", promises.order, compares=True),
    "sums": Line("Attention rows sum to one", looking.sums),
    "attended": Line("Absent frames get no attention", looking.attended),
    "asked": Line("Asking for attention does not change the answer", looking.asked, compares=True),
    "finite": Line("Silence and black get finite answers", promises.finite),
    "elsewhere": Line("CPU and GPU give the same answer", promises.elsewhere, compares=True),
    "gradients": Line("Gradients reach the pixels", looking.gradients, compares=True),
}
"""Name -> the promise, in display order."""
_FAILS = "It fails: "
_SPEECHLESS = "It does not answer an ordinary clip."
_FICKLE = "The same question gets different answers, so there is nothing to compare."


def check(checkpoint: Checkpoint, progress: Callable[[str, float], None] = lambda stage, share: None) -> list[Promise]:
    """Check every promise of a model on the CPU. A broken one only hides those that depend on it.

    Args:
        progress: called with a promise and the share done, 0..1.
    """
    with settings_kept():
        return _checked_in_order(Subject(checkpoint), progress)


def _checked_in_order(subject: Subject, progress: Callable[[str, float], None]) -> list[Promise]:
    results, why = dict[str, Promise](), ""
    for name, line in PROMISES.items():
        progress(line.title, len(results) / len(PROMISES))
        if why == _SPEECHLESS or (why and line.compares):
            results[name] = Promise(name, line.title, "not applicable", why)
            continue
        results[name] = _checked(subject, name, line)
        if results[name].state == "broken" and name in ("answers", "repeat"):
            why = _FICKLE if name == "repeat" else _SPEECHLESS if results[name].detail.startswith(_FAILS) else ""
    progress("Done", 1.0)
    return list(results.values())


def speechless(why: str) -> list[Promise]:
    """Of a model that could not even be made, because it cannot answer the first clip that it is asked about: that, and that
    nothing else can be said.

    Args:
        why: a sentence.
    """
    first, *others = PROMISES.items()
    told = [Promise(first[0], first[1].title, "broken", why)]
    return told + [Promise(name, line.title, "not applicable", _SPEECHLESS) for name, line in others]


def summary(results: Sequence[Promise]) -> str:
    """A summary of all promises in a few words."""
    counts = {state: sum(promise.state == state for promise in results) for state in ("kept", "broken", "not applicable")}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _checked(subject: Subject, name: str, line: Line) -> Promise:
    try:
        seen = line.look(subject)
    except NotApplicable as error:
        return Promise(name, line.title, "not applicable", str(error))
    # Whatever a user's network raises is a finding.
    except Exception as error:
        return Promise(name, line.title, "broken", f"{_FAILS}{promises.reason(error)}")
    # Infinity is not valid JSON; the sentence mentions it.
    measured = seen.measured if seen.measured is not None and math.isfinite(seen.measured) else None
    return Promise(name, line.title, "broken" if seen.broken else "kept", seen.detail, measured, seen.tolerance)
