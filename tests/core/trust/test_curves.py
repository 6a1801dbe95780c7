"""Deletion and insertion where the answer is a sum of known places."""

import numpy as np
import pytest

from affectscope.core.trust.curves import SHARES, area, curves, interval, moved, moves, ranks

WORTH = np.array([5.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0])


def total(states: np.ndarray) -> np.ndarray:
    """The answer: what the places that stay are worth, of ten."""
    return states @ WORTH / 10


def test_a_map_that_is_right_loses_most_first():
    found = curves(WORTH, total, 19)
    # Of ten places 1, 3 and 6 go: 5, then 5, 4 and 1 of ten.
    np.testing.assert_allclose(found.shares, [0, 0.1, 0.3, 0.6, 1])
    np.testing.assert_allclose(found.deletion, [1, 0.5, 0, 0, 0])
    np.testing.assert_allclose(found.insertion, [0, 0.5, 1, 1, 1])
    # 0.075 + 0.05 of deletion and 0.025 + 0.15 + 0.7 of insertion.
    assert area(found.shares, found.deletion) == pytest.approx(0.125)
    assert area(found.shares, found.insertion) == pytest.approx(0.875)
    assert found.beaten == 19


def test_what_comes_mirrors_what_goes_where_places_add_up():
    found = curves(WORTH, total, 5)
    np.testing.assert_allclose(found.deletion + found.insertion, 1)
    np.testing.assert_allclose(found.deletion_areas, found.insertion_areas)


def test_a_map_that_is_wrong_has_a_negative_area():
    found = curves(-WORTH, total, 19)
    assert found.areas.mean() < -0.2
    assert found.beaten == 0


def test_p_counts_the_maps_of_random_weights_that_do_as_well():
    same, worse = WORTH.copy(), -WORTH
    found = curves(WORTH, total, 3, untrained=[worse, same, worse])
    # One of three does as well, and the map itself is one more: 2 of 4.
    assert found.p == pytest.approx(2 / 4)
    assert found.learnt[1] == pytest.approx(0)
    assert found.learnt[0] > 0.5
    assert curves(WORTH, total, 3).p == 1


def test_by_chance_p_is_spread_evenly():
    """A map that knows nothing is at or below 0.05 once in twenty times, and its areas are about 0."""
    chance = np.random.default_rng(0)
    drawn = [curves(chance.random(10), total, 19, seed, untrained=list(chance.random((19, 10)))) for seed in range(200)]
    p = np.array([curve.p for curve in drawn])
    assert 0.01 <= np.mean(p <= 0.05) <= 0.1
    assert 0.42 <= p.mean() <= 0.62
    for areas in (np.array([curve.areas.mean() for curve in drawn]), np.array([curve.learnt.mean() for curve in drawn])):
        low, high = interval(areas)
        assert low < 0 < high


def test_random_marks_are_the_maps_own_elsewhere():
    chance = np.random.default_rng(0)
    values = chance.random((2, 4, 6))
    rank = ranks(values, chance)
    assert sorted(rank[0].ravel()) == list(range(24))
    assert rank[0].ravel()[values[0].argmax()] == 0
    drawn = moves(values.shape, 100, chance)
    assert len(set(drawn)) == len(drawn) == 47
    assert ((0, 0), False) not in drawn
    for move in drawn[:5]:
        there = moved(rank, move)
        np.testing.assert_array_equal(np.sort(there, axis=None), np.sort(rank, axis=None))
        assert not np.array_equal(there, rank)


def test_marks_move_alike_in_every_picture():
    rank = np.arange(12).reshape(1, 3, 4).repeat(2, 0)
    np.testing.assert_array_equal(moved(rank, ((1, 0), False))[0], np.roll(rank[0], 1, 0))
    there = moved(rank, ((1, 2), True))
    np.testing.assert_array_equal(there[0], there[1])


def test_ties_fall_by_chance_and_not_to_the_left():
    firsts = {int(ranks(np.zeros(8), np.random.default_rng(seed)).argmin()) for seed in range(30)}
    assert len(firsts) > 4


def test_a_short_lane_has_few_places():
    found = curves(np.array([1.0, 0.0]), lambda states: states[:, 0].astype(float), 19)
    assert len(found.areas) == 3
    # A lane of two, once round and mirrored, is itself again.
    assert found.beaten == 2
    assert len(SHARES) == 3


def test_an_interval_holds_the_mean():
    values = np.array([0.1, 0.2, 0.3, 0.4, np.nan])
    low, high = interval(values)
    assert 0.1 <= low < 0.25 < high <= 0.4
    assert all(np.isnan(interval(np.array([]))))
