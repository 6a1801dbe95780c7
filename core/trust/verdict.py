"""A verdict in three levels with reasons, from the measures alone; docs/trust.md justifies the thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from affectscope.core.text import shown
from affectscope.core.trust.curves import Curves
from affectscope.core.trust.measure import Measured

Level = Literal["high", "medium", "low"]
LEVELS: tuple[Level, ...] = ("high", "medium", "low")

# A measure is good up to the first, bad from the second; for stability the other way round.
P_GOOD, P_BAD = 0.05, 0.5
RANDOM_GOOD, RANDOM_BAD = 0.5, 0.8
STABLE_GOOD, STABLE_BAD = 0.7, 0.4
# Similar maps for other classes do not make one untrue, but less specific to this question.
CLASS_GOOD = 0.9


@dataclass(frozen=True)
class Verdict:
    """How far a map can be trusted.

    Attributes:
        reasons: one or two sentences, supported by numbers in ``Measured``.
        grades: measure -> good, fair or bad; missing measures are left out.
    """

    level: Level
    reasons: str
    grades: dict[str, str]


def verdict(measured: Measured) -> Verdict:
    """High where every measure is good, low where one is bad, medium between."""
    grades = {
        "matters": _matters_grade(measured.curves),
        "weights": _weights_grade(measured),
        "stable": _grade(-measured.stable, -STABLE_GOOD, -STABLE_BAD),
        "class": _grade(measured.any_class, CLASS_GOOD, np.inf),
    }
    grades = {name: grade for name, grade in grades.items() if grade}
    if "bad" in grades.values():
        level: Level = "low"
    elif "fair" in grades.values() or len(grades) < 3:
        level = "medium"
    else:
        level = "high"
    return Verdict(level, _reasons(measured, grades), grades)


def _matters_grade(found: Curves) -> str:
    """Also bad where other places of the same size would have done better."""
    if len(found.areas) and found.areas.mean() <= 0:
        return "bad"
    return _grade(found.p, P_GOOD, P_BAD)


def _weights_grade(measured: Measured) -> str:
    """Also bad where it is as similar to maps of random weights as these are to each other, if that is much."""
    alike, chance = measured.random_weights, measured.untrained_chance
    return _grade(alike, RANDOM_GOOD, max(RANDOM_GOOD, min(RANDOM_BAD, chance if np.isfinite(chance) else np.inf)))


def _grade(value: float, good: float, bad: float) -> str:
    if not np.isfinite(value):
        return ""
    return "good" if value <= good + 1e-9 else "bad" if value >= bad - 1e-9 else "fair"


def _reasons(measured: Measured, grades: dict[str, str]) -> str:
    others = [_others(measured, name, grade) for name, grade in grades.items() if name != "matters"]
    worst = next((g for g in ("bad", "fair", "good") if g in {grade for _, grade in others}), "good")
    texts = [text for text, grade in others if grade == worst]
    second = _and(texts)
    return f"{_matters(measured)} {second[:1].upper()}{second[1:]}." if second else _matters(measured)


def _matters(measured: Measured) -> str:
    found, what = measured.curves, f"What it marks matters to {shown(measured.target)}"
    beaten, count, untaught = found.beaten, len(found.areas), len(found.learnt)
    if not count or not untaught:
        return "The clip is too short to compare its marks with others."
    learnt = f"{int((found.learnt > 0).sum())} of {untaught} maps of random weights"
    if found.areas.mean() <= 0:
        return f"{what} no more than other places of the same size (more than {beaten} of {count})."
    if found.p >= P_BAD:
        return f"{what} no more than what random weights mark (more than {learnt})."
    return f"{what} more than {beaten} of {count} other places of the same size, and than {learnt}."


def _others(measured: Measured, name: str, grade: str) -> tuple[str, str]:
    if name == "weights":
        value = f"(rank correlation {measured.random_weights:.2f})"
        good = f"with random weights it is a different map {value}"
        fair = f"with random weights much of it stays {value}"
        text = {"good": good, "fair": fair, "bad": f"random weights give much the same map {value}"}
    elif name == "stable":
        value = f"({measured.stable:.2f})"
        text = {
            "good": f"it stays when the clip changes a little {value}",
            "fair": f"it shifts when the clip changes a little {value}",
            "bad": f"it is a different map when the clip changes a little {value}",
        }
    else:
        value = f"({measured.any_class:.2f})"
        text = {"good": f"other classes have other maps {value}", "fair": f"other classes have nearly the same map {value}"}
    return text[grade], grade


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}" if parts else ""
