"""When: the contribution of each quarter of a second of each modality, by occluding it and its surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from affectscope.core.why.asking import Question
from affectscope.core.why.modality import Modality

REACH = 0.75
"""Margin removed on either side of a window, in windows. Without it, an answer that depends on half a second hardly falls when
one of its quarters is removed, and falls most at its edge. On planted cues the answer was within 0.15 s of the cue in 67 %
without, 83 % with half a window, 92 % with this margin, and 89 % with a whole window on either side (docs/trust.md)."""
# Adjacent windows form one span while each has this share of the largest.
_HALF = 0.5


@dataclass(frozen=True)
class Moments:
    """Each time window's contribution to the explained score, per head.

    Attributes:
        edges: [W + 1] seconds.
        frames: modality -> [W], number of present frames per window. A window without any contributes 0.
        away: modality -> [H, W], how much the score falls when this window and its surroundings are removed.
        alone: modality -> [H, W], how far the score with only these frames rises above the empty clip's.
    """

    edges: np.ndarray
    frames: Mapping[str, np.ndarray]
    away: Mapping[str, np.ndarray]
    alone: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Asked:
    """The heads' answers without each window that has frames, and with it alone, for any explained class.

    Attributes:
        away, alone: modality -> [H, V, outputs] of its V windows with frames; modalities without frames are missing.
    """

    away: Mapping[str, np.ndarray]
    alone: Mapping[str, np.ndarray]


def by_moment(question: Question, modality: Modality, reach: float = REACH) -> Moments:
    """Evaluate every window, removed and alone, in one batch each per modality.

    Args:
        reach: what is removed around a window on either side, in windows.
    """
    return scored(question, modality, asked(question, reach))


def asked(question: Question, reach: float = REACH) -> Asked:
    """The answers that ``by_moment`` needs."""
    away, alone = {}, {}
    for m in question.modalities:
        there, about = question.windows(m).any(1), question.windows(m, reach)
        if not there.any():
            continue
        away[m] = question.asked({m: question.present(m) & ~about[there]})
        others = {o: question.batch.present[o].shape[1] for o in question.modalities if o != m}
        none = {o: np.zeros((int(there.sum()), length), bool) for o, length in others.items()}
        alone[m] = question.asked({**none, m: about[there]})
    return Asked(away, alone)


def scored(question: Question, modality: Modality, answers: Asked) -> Moments:
    """Each window's contribution to the question's class, from answers that hold for any class."""
    windows = {m: question.windows(m) for m in question.modalities}
    whole, nothing = modality.scores[:, -1:], modality.scores[:, :1]
    away, alone = ({m: np.zeros((len(question.heads), len(inside))) for m, inside in windows.items()} for _ in range(2))
    for m in answers.away:
        there = windows[m].any(1)
        away[m][:, there] = whole - question.score(answers.away[m])
        alone[m][:, there] = question.score(answers.alone[m]) - nothing
    return Moments(question.edges, {m: w.sum(1) for m, w in windows.items()}, away, alone)


def span(edges: np.ndarray, values: np.ndarray) -> tuple[int, int] | None:
    """The contiguous windows [first, last) around the largest value that have at least half of it; None where none is above 0.

    Args:
        values: [W].
    """
    if not len(values) or not values.max() > 0:
        return None
    best = int(values.argmax())
    strong = values >= _HALF * values[best]
    first, last = best, best + 1
    while first > 0 and strong[first - 1]:
        first -= 1
    while last < len(values) and strong[last]:
        last += 1
    return first, last
