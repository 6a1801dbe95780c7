"""What in the sound: groups of descriptors, taken away and by exact Shapley values; of a spectrum or samples, by gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from affectscope.core.explain.gradients import integrated
from affectscope.core.explain.road import NoWay
from affectscope.core.explain.sound import SOUND, frequencies, with_sound
from affectscope.core.explain.sound import blank as blank_of
from affectscope.core.features.extractors.descriptors import columns
from affectscope.core.why.asking import Question
from affectscope.core.why.shapley import coalitions, shapley

_CHUNK_FRAMES = 24_000


@dataclass(frozen=True)
class Groups:
    """What each group of descriptors contributes to the explained score, by head, all else as it is.

    A group that is taken away holds the training set's mean, 0 once normalised, in every frame; of a model that carries no such
    mean, the clip's own.

    Attributes:
        names: [N].
        sizes: [N] columns of each.
        scores: [H, 2 ** N], with only a coalition's groups; coalition i holds group j where bit j of i is set.
        stands: what stands in place of a group: "training mean" or "clip mean".
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    scores: np.ndarray
    stands: str

    @property
    def shapley(self) -> np.ndarray:
        """[H, N]; they add up to the whole score less that with every group taken away."""
        return shapley(self.scores)

    @property
    def total(self) -> np.ndarray:
        """[H], what all groups together add to a sound that is the mean in all of them."""
        return self.scores[:, -1] - self.scores[:, 0]

    @property
    def away(self) -> np.ndarray:
        """[H, N], how much the score falls when a group is taken away."""
        last = self.scores.shape[1] - 1
        return self.scores[:, -1:] - self.scores[:, last - (1 << np.arange(len(self.names)))]


@dataclass(frozen=True)
class Spectrum:
    """Integrated gradients of the decision's score on the sound's features, against the training set's mean.

    Attributes:
        times: [T] seconds.
        values: [T, D]; they add up to the score less that of a sound that is the mean throughout, up to ``gap``.
        frequencies: [D] Hz, the middle of each column; empty where columns are no frequencies.
        gap: what the sum misses, of the finite number of steps.
    """

    times: np.ndarray
    values: np.ndarray
    frequencies: np.ndarray
    gap: float


@dataclass(frozen=True)
class Asked:
    """What the heads say with every coalition of descriptor groups, whichever class is explained.

    Attributes:
        answers: [H, 2 ** N, outputs]; the others as of ``Groups``.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    answers: np.ndarray
    stands: str


def by_group(question: Question) -> Groups | None:
    """Ask about every coalition of descriptor groups, 32 of five; None where the sound is absent or is no LLDs."""
    return scored(question, asked(question))


def scored(question: Question, answers: Asked | None) -> Groups | None:
    """What each group contributes to the question's class, of answers that do not depend on it."""
    if answers is None:
        return None
    return Groups(answers.names, answers.sizes, question.score(answers.answers), answers.stands)


def asked(question: Question) -> Asked | None:
    """The answers that ``by_group`` rests on; see there."""
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
    # What belongs to no group stays.
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
    except NoWay:
        return None
    stream = question.streams[SOUND]
    return Spectrum(stream.times, found[: len(stream.times)].numpy(), frequencies(name, values.shape[1]), gap)


def in_windows(question: Question, values: np.ndarray) -> np.ndarray:
    """[W]: values [T, D] added up in each window."""
    inside = question.windows(SOUND)[:, : len(values)]
    return inside.astype(float) @ values.sum(1)


def _own(question: Question) -> tuple[str, Tensor] | None:
    """The feature set of the sound, and its values [T, D] in the batch; None where there is none."""
    if SOUND not in question.modalities or not question.present(SOUND).any():
        return None
    return question.checkpoint.sets[SOUND], question.batch.values[SOUND][0]
