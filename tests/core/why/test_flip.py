"""The smallest change that changes the answer, against trying everything."""

from itertools import combinations
from types import TracebackType
from unittest import mock

import numpy as np
import pytest
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.models.base import ModelOutput
from affectscope.core.streams import Batch
from affectscope.core.why.asking import Question
from affectscope.core.why.flip import smallest_flip
from tests.core.why.small import Config, Small, clip, question


def everything(subject) -> tuple[int, set]:
    """The size of the smallest set of windows that changes the answer, and all sets of that size that do, by trying all."""
    windows = [(m, w) for m in subject.modalities for w in np.flatnonzero(subject.windows(m).any(1))]
    place = subject.checkpoint.spec.labels.index(subject.explained)
    wins = subject.whole[0].argmax() == place
    for size in range(1, len(windows) + 1):
        turned = set()
        for gone in combinations(windows, size):
            stay = {m: subject.present(m)[None].copy() for m in subject.modalities}
            for m, w in gone:
                stay[m] &= ~subject.windows(m)[w]
            if (subject.asked(stay)[0, 0].argmax() == place) != wins:
                turned.add(gone)
        if turned:
            return size, turned
    return 0, set()


@pytest.mark.parametrize("seed", range(8))
def test_no_smaller_set_turns_it(seed):
    subject = question(seed=seed)
    size, turned = everything(subject)
    found = smallest_flip(subject, budget=10_000)
    assert found is not None
    if not 0 < size <= 4:
        # More than half of the eight windows: the answer is steady.
        assert not found.found
        return
    assert len(found.windows) == size
    assert found.windows in turned
    assert found.smallest
    assert found.after.argmax() != found.before.argmax()
    np.testing.assert_allclose(found.before, subject.whole[0])


def test_a_class_that_does_not_win_is_made_to_win():
    for seed in range(6):
        subject = question(seed=seed, target="neutral")
        found = smallest_flip(subject, budget=10_000)
        if subject.whole[0].argmax() != 2 and found is not None and found.found:
            assert found.after.argmax() == 2
            return
    pytest.fail("no clip in which neutral can be made to win")


def test_against_a_class_only_these_two_count():
    subject = question(seed=3, target="joy", against="anger")
    found = smallest_flip(subject, budget=10_000)
    assert found is not None
    assert found.found
    assert (found.before[1] > found.before[0]) != (found.after[1] > found.after[0])


def test_without_a_second_search_nobody_says_that_it_is_the_smallest():
    for seed in range(20):
        subject = question(seed=seed)
        found = smallest_flip(subject, budget=0)
        if found is not None and len(found.windows) > 2:
            assert not found.smallest
            return
    pytest.fail("no clip that takes three windows")


def test_a_clip_of_which_nothing_is_there_has_nothing_to_lose():
    found = smallest_flip(question(frames={"audio": 0, "visual": 0}))
    assert found is not None
    assert not found.found


def test_an_attribute_has_no_other_answer():
    assert smallest_flip(question(Config(task="regression"))) is None


class Pairs(Small):
    """Eight windows of one frame: the first counts most by itself, the second and third only where both are gone."""

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        gone = 1 - batch.completed(self.spec.inputs).present["audio"].float()
        anger = 10 - 3 * gone[:, 0] - gone[:, 1] - gone[:, 2] - 9 * gone[:, 1] * gone[:, 2]
        logits = torch.stack([anger, torch.zeros_like(anger), torch.full_like(anger, -5.0)], 1)
        predictions, evidence = self.answers({"av": logits, "audio": logits}, batch)
        return ModelOutput(predictions, evidence)


def test_two_windows_that_greedy_passes_by():
    config = Config({"audio": 4})
    checkpoint = Checkpoint(Pairs(config), Normaliser(), {"features": {"audio": "llds"}})
    subject = Question(checkpoint, clip(config.dims, {"audio": 8}, 2.0), 2.0)
    # The first goes, then both others: three. The two alone do it.
    greedy = smallest_flip(subject, budget=0)
    assert greedy is not None
    assert greedy.windows == (("audio", 0), ("audio", 1), ("audio", 2))
    assert not greedy.smallest
    found = smallest_flip(subject)
    assert found is not None
    assert found.windows == (("audio", 1), ("audio", 2))
    assert found.smallest
    assert found.after[0] == pytest.approx(1 / (1 + np.exp(1) + np.exp(-4)), abs=1e-6)


def test_the_turn_is_given_back_between_the_questions():
    subject, turn, asked = question(seed=4), Turn(), Question.asked

    def counted(self, stay):
        turn.states[-1] += len(next(iter(stay.values())))
        return asked(self, stay)

    with mock.patch.object(Question, "asked", counted):
        found = smallest_flip(subject, budget=10_000, turn=turn)
    assert found is not None
    assert found.asked > 64
    assert max(turn.states) <= 64
    assert not turn.held


class Turn:
    """How many states were asked about in each turn."""

    def __init__(self) -> None:
        self.states: list[int] = []
        self.held = False

    def __enter__(self) -> None:
        assert not self.held
        self.held = True
        self.states.append(0)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.held = False
