"""Counterfactual: the fewest windows of sound and picture whose removal changes the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from affectscope.core.why.asking import Question

# States that are evaluated, after the greedy search, to see whether a smaller change would do; of models that are given pixels,
# which think a hundred times as long.
BUDGET, _FEW = 400, 60
_PIXELS = 1000
# A prediction that flips only when more than this share of the clip is removed counts as stable.
_PART = 0.5
_CHUNK = 64
Window = tuple[str, int]


@dataclass(frozen=True)
class Flip:
    """The smallest change found that flips the prediction.

    Attributes:
        windows: the removed (modality, window) pairs; empty where removing up to half of all windows does not flip it.
        before, after: the decision's answer with and without them, [outputs].
        smallest: whether every smaller set of windows was tried, and none flips it.
        asked: number of states evaluated.
    """

    windows: tuple[Window, ...]
    before: np.ndarray
    after: np.ndarray
    smallest: bool
    asked: int

    @property
    def found(self) -> bool:
        return bool(self.windows)


def smallest_flip(question: Question, budget: int | None = None, turn: AbstractContextManager[Any] | None = None) -> Flip | None:
    """Search for the fewest windows whose removal flips the decision; None for attributes, which have no other class.

    Flipped means: the explained class no longer wins, or no longer beats ``against``; if it did not win at first, it does. The
    search is greedy, removing the window that moves the decision most, up to half of all windows. Then all smaller sets are
    tried, as far as ``budget`` allows.

    Args:
        budget: number of states in the second search.
        turn: lock held during each batch of states, so that other users of the model can run in between.
    """
    if question.checkpoint.spec.task == "regression":
        return None
    search = _Search(question, turn or nullcontext())
    greedy = search.greedy()
    largest = len(greedy) if greedy else search.most + 1
    if budget is None:
        budget = _FEW if max(question.checkpoint.spec.inputs.values()) > _PIXELS else BUDGET
    best, size, most = greedy, 1, budget + search.asked
    # Greedy has evaluated single windows already.
    while size + 1 < largest and search.asked + comb(len(search.windows), size + 1) <= most:
        size += 1
        if found := search.among(combinations(range(len(search.windows)), size)):
            best = found
            break
    smallest = bool(best) and len(best) <= size + 1
    after = search.answer(best) if best else question.whole[0]
    return Flip(tuple(search.windows[i] for i in best), question.whole[0], after, smallest, search.asked)


class _Search:
    """Sets of removed windows, evaluated in batches."""

    def __init__(self, question: Question, turn: AbstractContextManager[Any]) -> None:
        self.question, self._turn = question, turn
        self.inside = {m: question.windows(m) for m in question.modalities}
        self.windows: list[Window] = [(m, w) for m, rows in self.inside.items() for w in np.flatnonzero(rows.any(1)).tolist()]
        self.sign = 1.0 if self._margin(question.whole[:1])[0] > 0 else -1.0
        self.most = max(1, int(_PART * len(self.windows)))
        self.asked = 0

    def greedy(self) -> tuple[int, ...]:
        gone: list[int] = []
        left = list(range(len(self.windows)))
        while left and len(gone) < self.most:
            margins = self.margins([(*gone, i) for i in left])
            place = int(margins.argmin())
            gone.append(left.pop(place))
            if margins[place] < 0:
                return tuple(sorted(gone))
        return ()

    def among(self, sets: combinations[tuple[int, ...]]) -> tuple[int, ...]:
        """The set that changes the answer furthest, or none."""
        every = list(sets)
        margins = self.margins(every)
        place = int(margins.argmin())
        return every[place] if margins[place] < 0 else ()

    def margins(self, sets: Sequence[tuple[int, ...]]) -> np.ndarray:
        """[G]: the margin before the prediction flips; negative if it has."""
        self.asked += len(sets)
        parts = [self._margin(self._answered(sets[i : i + _CHUNK])) for i in range(0, len(sets), _CHUNK)]
        return self.sign * np.concatenate(parts)

    def answer(self, gone: tuple[int, ...]) -> np.ndarray:
        return self._answered([gone])[0]

    def _answered(self, sets: Sequence[tuple[int, ...]]) -> np.ndarray:
        """[G, outputs]: the decision without each set of windows."""
        found = np.zeros((len(sets), len(self.question.checkpoint.spec.labels)))
        touched = [tuple(sorted({self.windows[i][0] for i in gone})) for gone in sets]
        for modalities in set(touched):
            # A modality of which nothing goes is one clip that is repeated, which models compute once.
            rows = [row for row, own in enumerate(touched) if own == modalities]
            stay = {m: np.repeat(self.question.present(m)[None], len(rows), 0) for m in modalities}
            for place, row in enumerate(rows):
                for m, w in (self.windows[i] for i in sets[row]):
                    stay[m][place] &= ~self.inside[m][w]
            with self._turn:
                found[rows] = self.question.asked(stay)[0]
        return found

    def _margin(self, answers: np.ndarray) -> np.ndarray:
        """[G]: probability of the explained class minus that of its strongest rival, for answers [G, outputs]."""
        labels = self.question.checkpoint.spec.labels
        place = labels.index(self.question.explained)
        if self.question.against:
            return answers[:, place] - answers[:, labels.index(self.question.against)]
        return answers[:, place] - np.delete(answers, place, 1).max(1)
