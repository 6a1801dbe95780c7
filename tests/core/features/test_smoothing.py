"""Boxes at rest stay at rest, and go with a head that moves."""

import numpy as np
import pytest

from affectscope.core.features.extractors.smoothing import smooth

LOOKS, FRAMES = np.arange(0, 6, 0.1), np.arange(0, 5.9, 0.04)


def noisy(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Squares of side 100, with the detector's noise: 1 % of the side, 2 % in size."""
    random = np.random.default_rng(seed)
    return np.stack([x, 0 * x + 80, 0 * x + 50], 1) + random.normal(0, 1, (len(x), 3))


def second_differences(values: np.ndarray) -> float:
    return float(np.diff(values, 2, axis=0).std())


def test_a_head_at_rest_gets_a_box_at_rest():
    squares = smooth(LOOKS, noisy(0 * LOOKS + 120), FRAMES)
    assert second_differences(squares) < 0.02
    assert np.abs(squares - (120, 80, 50)).max() < 0.8


@pytest.mark.parametrize(("frequency", "far"), [(0.5, 1.5), (1.0, 2.0), (2.0, 4.0)])
def test_a_head_that_moves_is_followed_and_nothing_lags(frequency, far):
    way = 30 * np.sin(2 * np.pi * frequency * LOOKS)
    found = smooth(LOOKS, noisy(way), FRAMES)[:, 0]
    true = 30 * np.sin(2 * np.pi * frequency * FRAMES)
    assert np.sqrt(((found - true) ** 2).mean()) < far
    lags = [np.corrcoef(found[25:-25], true[25 + k : len(true) - 25 + k])[0, 1] for k in range(-5, 6)]
    assert np.argmax(lags) == 5


def test_one_fast_move_in_a_long_rest_is_followed_and_the_rest_stays_calm():
    def step(t):
        return 60 * np.clip((t - 3) / 0.3, 0, 1)

    found = smooth(LOOKS, noisy(step(LOOKS)), FRAMES)[:, 0]
    assert np.abs(found - step(FRAMES)).max() < 6
    assert second_differences(found[FRAMES < 2]) < 0.05


def test_few_looks_are_taken_as_they_are_and_the_ends_hold_on():
    squares = np.array([[0.0, 0, 10], [10, 0, 10]])
    np.testing.assert_allclose(smooth(np.array([1.0, 2.0]), squares, np.array([0.0, 1.5, 9.0]))[:, 0], [0, 5, 10])
    constant = np.tile([5.0, 6, 7], (20, 1))
    np.testing.assert_allclose(smooth(LOOKS[:20], constant, np.array([-1.0, 0.55, 5.0])), constant[:3], atol=1e-6)
