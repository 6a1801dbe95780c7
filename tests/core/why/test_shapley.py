"""Shapley values and dividends: worked by hand, by all orders, by their axioms, and against Captum."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectscope.core.why.shapley import coalitions, dividends, sampled, shapley

VALUE = st.floats(-50, 50)


@st.composite
def games(draw, most=5):
    players = draw(st.integers(1, most))
    return draw(arrays(float, 2**players, elements=VALUE))


def by_orders(values: np.ndarray) -> np.ndarray:
    """Every order in which the players may come."""
    players = len(values).bit_length() - 1
    gains = np.zeros(players)
    orders = list(permutations(range(players)))
    for order in orders:
        inside = 0
        for player in order:
            gains[player] += values[inside | 1 << player] - values[inside]
            inside |= 1 << player
    return gains / len(orders)


def test_two_players_by_hand():
    # Nobody 1, the first alone 3, the second alone 4, both 10.
    values = np.array([1.0, 3.0, 4.0, 10.0])
    np.testing.assert_allclose(dividends(values), [1, 2, 3, 4])
    np.testing.assert_allclose(shapley(values), [4, 5])


@given(games())
def test_all_orders_say_the_same(values):
    np.testing.assert_allclose(shapley(values), by_orders(values), atol=1e-6)


@given(games())
def test_they_add_up(values):
    assert shapley(values).sum() == pytest.approx(values[-1] - values[0], abs=1e-6)
    assert dividends(values).sum() == pytest.approx(values[-1], abs=1e-6)


@given(games(4), st.data())
def test_who_adds_nothing_gets_nothing(values, data):
    players = len(values).bit_length() - 1
    null = data.draw(st.integers(0, players - 1))
    index = np.arange(len(values))
    values = values[index & ~(1 << null)]
    assert shapley(values)[null] == pytest.approx(0, abs=1e-9)
    worth = dividends(values)
    np.testing.assert_allclose(worth[index >> null & 1 == 1], 0, atol=1e-9)


@given(games(4), st.data())
def test_who_is_alike_gets_alike(values, data):
    players = len(values).bit_length() - 1
    a, b = data.draw(st.lists(st.integers(0, players - 1), min_size=2, max_size=2))
    index = np.arange(len(values))
    bit_a, bit_b = index >> a & 1, index >> b & 1
    swapped = index & ~(1 << a) & ~(1 << b) | bit_b << a | bit_a << b
    found = shapley((values + values[swapped]) / 2)
    assert found[a] == pytest.approx(found[b], abs=1e-6)


@given(games(3), st.floats(-3, 3))
def test_games_that_are_added_are_shared_apart(values, scale):
    other = np.sin(np.arange(len(values)))
    np.testing.assert_allclose(shapley(values + scale * other), shapley(values) + scale * shapley(other), atol=1e-6)


def test_leading_axes_are_games_of_their_own():
    both = np.array([[1.0, 3.0, 4.0, 10.0], [0.0, 1.0, 1.0, 2.0]])
    np.testing.assert_allclose(shapley(both), [[4, 5], [1, 1]])


def test_what_is_no_game_is_refused():
    with pytest.raises(ValueError, match="all coalitions"):
        shapley(np.zeros(3))
    with pytest.raises(ValueError, match="at most"):
        coalitions(13)


def test_captum_says_the_same():
    captum = pytest.importorskip("captum.attr")
    chance = np.random.default_rng(3)
    values = chance.standard_normal(2**4)

    def worth(rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(values)[(rows.long() << torch.arange(4)).sum(1)]

    theirs = captum.ShapleyValues(worth).attribute(torch.ones(1, 4))
    np.testing.assert_allclose(shapley(values), theirs[0].numpy(), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(arrays(float, 2**4, elements=VALUE), st.integers(0, 99))
def test_random_orders_add_up_too(values, seed):
    found, _ = sampled(lambda rows: values[None, (rows << np.arange(4)).sum(1)], 4, 3, seed)
    assert found.sum() == pytest.approx(values[-1] - values[0], abs=1e-6)


def test_random_orders_come_close():
    chance = np.random.default_rng(0)
    values = chance.standard_normal(2**5)
    found, spread = sampled(lambda rows: values[None, (rows << np.arange(5)).sum(1)], 5, 400, 7)
    assert (np.abs(found[0] - shapley(values)) < 4 * spread[0] + 1e-9).all()
    assert spread.max() < 0.1
