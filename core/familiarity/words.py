"""How close a clip is to the training data, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from affectscope.core.familiarity.familiarity import ABSENT, LIKE, NEVER, UNLIKE

_LIKE, _UNLIKE = "like its training data", "unlike its training data"
_NEVER = {"audio": "never heard anything like it", "visual": "never seen anything like it"}
_NEVER_ANY = "never met anything like it"
_CALLED = {"audio": "sound", "visual": "picture"}
UNKNOWN = "This checkpoint carries no statistics of its training data: how similar a clip is to them is unknown."


@dataclass(frozen=True)
class Familiar:
    """How close a clip is to the training data.

    Attributes:
        known: whether the model has statistics of its training data.
        distances: modality -> the clip's distance, 1 at the 95 % quantile of the development clips; missing modalities are left
            out, as in ``levels``: modality -> LIKE, UNLIKE or NEVER.
        without: the modalities that the decision ignores.
        guessed: modalities on which the model is at chance, here unlike the training data, but the only ones present.
        fits_none: heads for which no class fits.
    """

    known: bool = False
    distances: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    fits_none: tuple[str, ...] = ()

    def of(self, modalities: Sequence[str]) -> str:
        """The remark beside a head that uses these modalities: the level of the farthest; empty if unknown."""
        there = {m: self.levels[m] for m in modalities if m in self.levels}
        if not there:
            return ""
        worst = max(there.values())
        if worst == LIKE:
            return _LIKE
        alike = [m for m, level in there.items() if level == worst]
        words = _UNLIKE if worst == UNLIKE else _NEVER.get(alike[0], _NEVER_ANY) if len(alike) == 1 else _NEVER_ANY
        return words if len(alike) == len(there) or worst == NEVER else f"{words} ({', '.join(map(called, alike))})"

    @property
    def of_decision(self) -> str:
        """The remark beside the decision: the modalities that it ignores; empty if it uses all."""
        return f"without the {' and the '.join(map(called, self.without))}" if self.without else ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """All remarks about the decision."""
        sentences = [
            f"The decision ignores the {called(m)}: it is unlike what the model was trained on, and on recordings of people "
            f"the model does no better than chance from {called(m)} alone."
            for m in self.without
        ]
        sentences += [
            f"The answer is little better than a guess: this {called(m)} is unlike what the model was trained on, and on "
            f"recordings of people the model does no better than chance from {called(m)} alone."
            for m in self.guessed
        ]
        if "decision" in self.fits_none:
            sentences.append("No class stands out as usual: the emotion here may be one that the model has no class for.")
        return tuple(sentences)

    def to_json(self) -> dict[str, Any]:
        """The values with their descriptions, for JSON."""
        return {
            "known": self.known,
            "modalities": {
                m: {"distance": round(self.distances[m], 4), "level": level, "words": self.of([m])}
                for m, level in self.levels.items()
            },
            "decision_without": list(self.without),
            "guessed": list(self.guessed),
            "fits_none": list(self.fits_none),
            "sentences": list(self.sentences) if self.known else [UNKNOWN],
        }

    @classmethod
    def of_json(cls, told: Any) -> Familiar:
        """The inverse of ``to_json``; for invalid input, nothing known."""
        try:
            by_modality = dict(told["modalities"])
            return cls(
                bool(told["known"]),
                {str(m): float(facts["distance"]) for m, facts in by_modality.items()},
                {str(m): int(facts["level"]) for m, facts in by_modality.items()},
                tuple(map(str, told["decision_without"])),
                tuple(map(str, told["guessed"])),
                tuple(map(str, told["fits_none"])),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()


def of_clip(
    distances: Mapping[str, float],
    levels: Mapping[str, int],
    without: Sequence[str],
    guesses: Sequence[str],
    quiet: Sequence[str],
) -> Familiar:
    """For a model with statistics; modalities that the clip lacks are left out.

    Args:
        guesses: the modalities on which the model is at chance; quiet: heads for which no class fits.
    """
    there = {m: level for m, level in levels.items() if level != ABSENT and math.isfinite(distances[m])}
    guessed = tuple(m for m in guesses if there.get(m, LIKE) > LIKE and m not in without) if set(there) <= set(guesses) else ()
    return Familiar(True, {m: float(distances[m]) for m in there}, there, tuple(without), guessed, tuple(quiet))


def called(modality: str) -> str:
    """A modality's display name."""
    return _CALLED.get(modality, modality)
