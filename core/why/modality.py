"""Which modality: exact Shapley values of sound and picture, and their interaction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affectscope.core.errors import UserError
from affectscope.core.why.asking import Question
from affectscope.core.why.shapley import coalitions, dividends, shapley

MOST = 4
"""Modalities whose coalitions are all evaluated, 16 of them."""


@dataclass(frozen=True)
class Modality:
    """Each modality's contribution to the explained score, per head.

    H heads, the decision first; N modalities; coalition i contains modality j where bit j of i is set.

    Attributes:
        names: [N].
        present: [N] whether the clip has any frame of it.
        answers: [H, 2 ** N, outputs] each head's answer with only the coalition's modalities: probabilities, or values.
        scores: [H, 2 ** N], their explained score.
    """

    names: tuple[str, ...]
    present: tuple[bool, ...]
    answers: np.ndarray
    scores: np.ndarray

    @property
    def shapley(self) -> np.ndarray:
        """[H, N]; they sum to the whole clip's score minus the empty clip's."""
        return shapley(self.scores)

    @property
    def alone(self) -> np.ndarray:
        """[H, N]: the score with this modality only, minus the empty clip's."""
        return self.scores[:, 1 << np.arange(len(self.names))] - self.scores[:, :1]

    @property
    def together(self) -> dict[tuple[str, ...], np.ndarray]:
        """Two or more modalities -> [H], their interaction (Harsanyi dividend); with ``alone`` these sum to the same total."""
        worth, members = dividends(self.scores), coalitions(len(self.names))
        return {
            tuple(n for n, there in zip(self.names, row, strict=True) if there): worth[:, i]
            for i, row in enumerate(members)
            if row.sum() > 1
        }

    @property
    def shares(self) -> np.ndarray:
        """[H, N]: each modality's share of the sum of absolute Shapley values; NaN where all are 0."""
        size = np.abs(self.shapley)
        total = size.sum(1, keepdims=True)
        return np.divide(size, total, out=np.full_like(size, np.nan), where=total > 0)

    def without(self, name: str) -> int:
        """The index of the coalition of all others."""
        return len(self.scores[0]) - 1 - (1 << self.names.index(name))

    def only(self, name: str) -> int:
        """The index of the coalition of this one."""
        return 1 << self.names.index(name)


def by_modality(question: Question) -> Modality:
    """Evaluate every coalition of modalities: four of two.

    Raises:
        UserError: when there are more than four modalities.
    """
    names = question.modalities
    if len(names) > MOST:
        raise UserError(f"Shapley values are computed for at most {MOST} modalities, and this model takes {len(names)}.")
    present = {m: question.present(m) for m in names}
    members = coalitions(len(names))
    answers = question.asked({m: members[:, j, None] & present[m] for j, m in enumerate(names)})
    return Modality(names, tuple(bool(present[m].any()) for m in names), answers, question.score(answers))
