"""The domain card: a checkpoint's measured performance by head, with intervals. Parsed leniently: it is untrusted JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from affectscope.core.models.base import ModelSpec
from affectscope.core.text import percent, shown

CARD = "domain"
_MOST, _LONGEST = 50, 120


@dataclass(frozen=True)
class Share:
    """A proportion with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def text(self) -> str:
        return f"{percent(self.value)} ({100 * self.low:.0f}\N{EN DASH}{percent(self.high)})"


@dataclass(frozen=True)
class HeadMeasured:
    """One head's performance on the clips of a corpus for which it had evidence.

    Attributes:
        chance: the unweighted recall of a guess: one over the number of classes that occur.
    """

    clips: int
    accuracy: Share
    uar: Share
    chance: float

    @property
    def at_chance(self) -> bool:
        """Whether its unweighted recall is not significantly better than chance."""
        return self.uar.low <= self.chance


@dataclass(frozen=True)
class Measured:
    """A checkpoint's performance on one corpus.

    Attributes:
        synthetic: whether no person was recorded for it.
        modalities: those that any of its clips has.
        heads: including "decision".
        left_out: label that the model lacks -> number of clips.
    """

    name: str
    synthetic: bool
    modalities: tuple[str, ...]
    heads: Mapping[str, HeadMeasured]
    left_out: Mapping[str, int] = field(default_factory=dict)
    date: str = ""


def of_card(card: Mapping[str, Any]) -> tuple[Measured, ...]:
    """The measurements on a checkpoint's card; unreadable ones are left out."""
    rows_told = card.get(CARD)
    rows = rows_told[:_MOST] if isinstance(rows_told, list) else ()
    return tuple(measured for row in rows if isinstance(row, dict) and (measured := _measured(row)) is not None)


def guesses(measured: Sequence[Measured], spec: ModelSpec) -> tuple[str, ...]:
    """The modalities on which the model is at chance, for every measured corpus of recorded people.

    Judged by the head that uses only that modality; without such a head, by the decision on clips with no other modality.
    """
    guessed = []
    for modality in spec.inputs:
        own = next((h for h in spec.heads if set(spec.modalities[h]) == {modality}), "")
        seen = []
        for domain in measured:
            head = own or ("decision" if set(domain.modalities) == {modality} else "")
            if not domain.synthetic and head in domain.heads and domain.heads[head].clips:
                seen.append(domain.heads[head].at_chance)
        if seen and all(seen):
            guessed.append(modality)
    return tuple(guessed)


def _measured(row: Mapping[str, Any]) -> Measured | None:
    name, heads = row.get("name"), row.get("heads")
    if not isinstance(name, str) or not isinstance(heads, dict):
        return None
    own = {shown(str(h), 40): measured for h, told in list(heads.items())[:_MOST] if (measured := _head(told)) is not None}
    modalities = row.get("modalities")
    left_out = row.get("left_out")
    return Measured(
        shown(name, _LONGEST),
        row.get("synthetic") is True,
        tuple(shown(str(m), 40) for m in modalities[:_MOST]) if isinstance(modalities, list) else (),
        own,
        {shown(str(label)): count for label, count in left_out.items() if isinstance(count, int)}
        if isinstance(left_out, dict)
        else {},
        shown(str(row.get("date", "")), 20),
    )


def _head(told: Any) -> HeadMeasured | None:
    if not isinstance(told, dict) or not isinstance(told.get("clips"), int):
        return None
    accuracy, uar, chance = _share(told, "accuracy"), _share(told, "uar"), told.get("chance")
    if accuracy is None or uar is None or chance is None or not _is_share(chance):
        return None
    return HeadMeasured(told["clips"], accuracy, uar, float(chance))


def _share(told: Mapping[str, Any], name: str) -> Share | None:
    value, interval = told.get(name), told.get(f"{name}_interval")
    if not _is_share(value) or not isinstance(interval, list) or len(interval) != 2 or not all(map(_is_share, interval)):
        return None
    return Share(float(value), float(interval[0]), float(interval[1]))  # type: ignore[arg-type]


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1
