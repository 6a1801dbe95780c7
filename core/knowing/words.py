"""How near one clip is to what a model knows, as people read it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from affectscope.core.knowing.knowing import ABSENT, LIKE, NEVER, UNLIKE

_LIKE, _UNLIKE = "like its training data", "unlike its training data"
_NEVER = {"audio": "never heard anything like it", "visual": "never seen anything like it"}
_NEVER_ANY = "never met anything like it"
_CALLED = {"audio": "sound", "visual": "picture"}
UNKNOWN = "This checkpoint carries no statistics of its training data: how similar a clip is to them is unknown."


@dataclass(frozen=True)
class Familiar:
    """How near a clip is.

    Attributes:
        known: whether the model carries statistics of its training.
        distances: modality -> how far the clip's lies, 1 where 95 % of the development clips are nearer; those it does not have
            are left out, as ``levels``: modality -> LIKE, UNLIKE or NEVER.
        without: the modalities that the decision goes without.
        guessed: those that the model is proven to guess from, here not like training, and all that there is.
        fits_none: heads of which no class speaks as one does on development clips.
    """

    known: bool = False
    distances: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    fits_none: tuple[str, ...] = ()

    def of(self, modalities: Sequence[str]) -> str:
        """What is said beside a head that draws on these modalities: how near the farthest is; empty where nobody knows."""
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
        """What is said beside the decision: what it goes without; empty where it takes all that there is."""
        return f"without the {' and the '.join(map(called, self.without))}" if self.without else ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What there is to say of the decision."""
        sentences = [
            f"The decision goes without the {called(m)}: it is unlike what the model was trained on, and on recordings of people "
            f"the model does no better than chance from {called(m)} alone."
            for m in self.without
        ]
        sentences += [
            f"The answer is hardly more than a guess: this {called(m)} is unlike what the model was trained on, and on "
            f"recordings of people the model does no better than chance from {called(m)} alone."
            for m in self.guessed
        ]
        if "decision" in self.fits_none:
            sentences.append("No class stands out as usual: the emotion here may be one that the model has no class for.")
        return tuple(sentences)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the words beside the numbers."""
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
        """As ``to_json`` wrote it; nothing known where it is none."""
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
    """Of a model with statistics; modalities that the clip does not have are left out.

    Args:
        guesses: the modalities that the model is proven to guess from; quiet: heads of which no class speaks.
    """
    there = {m: level for m, level in levels.items() if level != ABSENT and math.isfinite(distances[m])}
    guessed = tuple(m for m in guesses if there.get(m, LIKE) > LIKE and m not in without) if set(there) <= set(guesses) else ()
    return Familiar(True, {m: float(distances[m]) for m in there}, there, tuple(without), guessed, tuple(quiet))


def called(modality: str) -> str:
    """What people call a modality."""
    return _CALLED.get(modality, modality)
