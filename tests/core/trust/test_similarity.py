"""How alike maps are, in numbers worked by hand."""

import numpy as np
import pytest
from captum.metrics import sensitivity_max
from scipy.stats import spearmanr
from torch import Tensor, from_numpy

from affectscope.core.trust.similarity import by_largest, lipschitz, sensitivity, spearman, ssim


def test_rank_correlation_counts_ranks_alone():
    lane = np.array([1.0, 2.0, 3.0, 10.0])
    assert spearman(lane, lane**3) == pytest.approx(1)
    assert spearman(lane, -lane) == pytest.approx(-1)
    # Ranks 1, 2, 3, 4 against 2, 1, 4, 3: 1 - 6 * 4 / (4 * 15).
    assert spearman(lane, np.array([2.0, 1.0, 9.0, 4.0])) == pytest.approx(0.6)


def test_pictures_are_compared_one_by_one():
    chance = np.random.default_rng(0)
    a, b = chance.random((3, 4, 4)), chance.random((3, 4, 4))
    by_hand = np.mean([spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)])
    assert spearman(a, b) == pytest.approx(by_hand, abs=1e-12)
    # That one picture holds ten times more changes nothing.
    assert spearman(a * np.array([1, 10, 100])[:, None, None], b) == pytest.approx(by_hand, abs=1e-12)


def test_an_empty_map_is_like_nothing():
    assert spearman(np.zeros(5), np.arange(5.0)) == 0
    assert np.isnan(sensitivity(np.zeros(5), np.arange(5.0)))


def test_structural_similarity_of_the_same_and_of_the_opposite():
    maps = np.random.default_rng(0).random((2, 16, 16))
    assert ssim(maps, maps) == pytest.approx(1)
    assert ssim(maps, 1 - maps) < 0


def test_sensitivity_and_the_lipschitz_estimate_by_hand():
    before, after = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    # By the largest: (0.75, 1) and (1, 0.75), which are 0.25 √2 apart, of 1.25.
    assert sensitivity(before, after) == pytest.approx(np.sqrt(2) / 5)
    assert lipschitz(before, after, np.array([0.0, 0.0]), np.array([0.3, 0.4])) == pytest.approx(np.sqrt(2) / 2, abs=1e-6)
    # A map that is stronger everywhere is the same map.
    assert sensitivity(before, before * 7) == pytest.approx(0)


def test_max_sensitivity_is_captums():
    chance = np.random.default_rng(0)
    clip = from_numpy(chance.random((1, 5)))
    steps = [from_numpy(chance.normal(0, 0.1, (1, 5))) for _ in range(4)]
    waiting = iter(steps)

    def explain(given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        found = given[0].sin() * given[0]
        return (found / found.abs().max(),)

    theirs = sensitivity_max(explain, clip, perturb_func=lambda given: (given[0] + next(waiting),), n_perturb_samples=4,
                             max_examples_per_batch=1)  # fmt: skip
    ours = max(sensitivity(explain((clip,))[0].numpy(), explain((clip + step,))[0].numpy()) for step in steps)
    assert ours == pytest.approx(theirs.item(), abs=1e-5)


def test_a_map_is_divided_by_its_largest():
    np.testing.assert_allclose(by_largest(np.array([-4.0, 2.0])), [-1, 0.5])
    np.testing.assert_allclose(by_largest(np.zeros(2)), 0)
