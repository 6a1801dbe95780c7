"""What in the sound: groups of descriptors, by removal and exact Shapley values; a spectrum or samples, by gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from affectscope.core.explain.gradients import integrated
from affectscope.core.explain.paths import NotApplicable
from affectscope.core.explain.sound import SOUND, frequencies, with_sound
from affectscope.core.explain.sound import blank as blank_of
from affectscope.core.features.extractors.descriptors import columns
from affectscope.core.why.asking import Question
from affectscope.core.why.shapley import coalitions, shapley

_CHUNK_FRAMES = 24_000


@dataclass(frozen=True)
class Groups:
    """Each descriptor group's contribution to the explained score, per head, with all else unchanged.

    A removed group is set to the training set's mean (0 once normalised) in every frame, or to the clip's own mean if the model
    has no statistics.

    Attributes:
        names: [N].
        sizes: [N] columns of each.
        scores: [H, 2 ** N], with only a coalition's groups; coalition i contains group j where bit j of i is set.
        stands: what replaces a group: "training mean" or "clip mean".
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    scores: np.ndarray
    stands: str

    @property
    def shapley(self) -> np.ndarray:
        """[H, N]; they sum to the whole score minus that with every group removed."""
        return shapley(self.scores)

    @property
    def total(self) -> np.ndarray:
        """[H], all groups' contribution together, compared with a sound that is the mean throughout."""
        return self.scores[:, -1] - self.scores[:, 0]

    @property
    def away(self) -> np.ndarray:
        """[H, N], how much the score falls when a group is removed."""
        last = self.scores.shape[1] - 1
        return self.scores[:, -1:] - self.scores[:, last - (1 << np.arange(len(self.names)))]


@dataclass(frozen=True)
class Spectrum:
    """Integrated gradients of the decision's score on the sound's features; the baseline is the training set's mean.

    Attributes:
        times: [T] seconds.
        values: [T, D]; they sum to the score minus the baseline's, up to ``gap``.
        frequencies: [D] Hz, centre of each column; empty where columns are not frequencies.
        gap: the error of that sum, from the finite number of steps.
    """

    times: np.ndarray
    values: np.ndarray
    frequencies: np.ndarray
    gap: float


@dataclass(frozen=True)
class Asked:
    """The heads' answers with every coalition of descriptor groups, for any explained class.

    Attributes:
        answers: [H, 2 ** N, outputs]; the others as in ``Groups``.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    answers: np.ndarray
    stands: str


def by_group(question: Question) -> Groups | None:
    """Evaluate every coalition of descriptor groups, 32 of five; None where the sound is absent or not LLDs."""
    return scored(question, asked(question))


def scored(question: Question, answers: Asked | None) -> Groups | None:
    """Each group's contribution to the question's class, from answers that hold for any class."""
    if answers is None:
        return None
    return Groups(answers.names, answers.sizes, question.score(answers.answers), answers.stands)


def asked(question: Question) -> Asked | None:
    """The answers that ``by_group`` needs."""
    own = _own(question)
    if own is None:
        return None
    name, values = own
    places = columns(name, values.shape[1])
    if not places:
        return None
    blank = blank_of(question.checkpoint, question.batch)
    stands = "training mean" if SOUND in question.checkpoint.normaliser.mean else "clip mean"
    members = coalitions(len(places))
    keep = torch.zeros(len(members), values.shape[1], dtype=torch.bool)
    # Columns outside the groups are kept.
    keep[:, np.setdiff1d(np.arange(values.shape[1]), np.concatenate(list(places.values())))] = True
    for number, columns_of in enumerate(places.values()):
        keep[:, columns_of] = torch.from_numpy(members[:, number, None])
    size = question.batch.copies_at_once(_CHUNK_FRAMES)
    parts = [with_sound(question.batch, torch.where(part[:, None], values, blank)) for part in keep.split(size)]
    answers = np.concatenate([question.answers(part) for part in parts], 1)
    return Asked(tuple(places), tuple(len(columns_of) for columns_of in places.values()), answers, stands)


def by_frequency(question: Question, steps: int = 32) -> Spectrum | None:
    """Integrated gradients over time and column; None where the sound is absent, or no gradient reaches it."""
    own = _own(question)
    if own is None:
        return None
    name, values = own
    blank = blank_of(question.checkpoint, question.batch)
    there = question.batch.present[SOUND][0]
    start = torch.where(there[:, None], blank, torch.zeros(()))

    def score(rows: Tensor) -> Tensor:
        batch = with_sound(question.batch, rows)
        output = question.checkpoint.model(batch.to(question.checkpoint.model.prior.device))
        return question.score_of(question.readable(output, batch)["decision"])

    size = max(1, question.batch.copies_at_once(_CHUNK_FRAMES) // 4)
    try:
        found, gap = integrated(score, values, start, steps, size)
    except NotApplicable:
        return None
    stream = question.streams[SOUND]
    return Spectrum(stream.times, found[: len(stream.times)].numpy(), frequencies(name, values.shape[1]), gap)


def in_windows(question: Question, values: np.ndarray) -> np.ndarray:
    """[W]: values [T, D] summed in each window."""
    inside = question.windows(SOUND)[:, : len(values)]
    return inside.astype(float) @ values.sum(1)


def _own(question: Question) -> tuple[str, Tensor] | None:
    """The feature set of the sound, and its values [T, D] in the batch; None where there is none."""
    if SOUND not in question.modalities or not question.present(SOUND).any():
        return None
    return question.checkpoint.sets[SOUND], question.batch.values[SOUND][0]
