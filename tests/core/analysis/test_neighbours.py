import numpy as np
import pytest

from affectscope.core.analysis import neighbours

LINE = np.array([[0.0], [1], [3], [10], [11], [13]])


def test_nearest_first_and_never_oneself():
    assert neighbours.nearest(LINE, 1, 3) == [(0, 1.0), (2, 2.0), (3, 9.0)]
    assert neighbours.nearest(LINE[:1], 0) == []
    twins = np.zeros((4, 2))
    assert 2 not in [row for row, _ in neighbours.nearest(twins, 2, 3)]


def test_nearest_to_a_stranger():
    assert neighbours.nearest_to(LINE, np.array([12.4]), 2) == [(5, pytest.approx(0.6)), (4, pytest.approx(1.4))]
    assert neighbours.nearest_to(LINE[:0], np.array([1.0])) == []


def test_of_many_a_part_is_asked(monkeypatch):
    monkeypatch.setattr(neighbours, "ASKED", 3)
    assert neighbours.knn_accuracy(LINE, list("aaabbb"), 2) == 1
    assert neighbours.knn_accuracy(LINE, list("aabbba"), 1) in [0, 1 / 3, 2 / 3, 1]


def test_knn_accuracy_by_hand():
    assert neighbours.knn_accuracy(LINE, list("aaabbb"), 2) == 1
    # With the one nearest: 0-1, 1-0, 3-1, 10-11, 11-10, 13-11. The third and the last are told wrong.
    assert neighbours.knn_accuracy(LINE, list("aabbba"), 1) == pytest.approx(4 / 6)
    # A tie of two goes to the nearer: of 3 to "1" (b), not to "0".
    assert neighbours.knn_accuracy(np.array([[0.0], [1], [3]]), list("abb"), 2) == pytest.approx(1 / 3)
    assert np.isnan(neighbours.knn_accuracy(LINE[:1], ["a"]))


def test_silhouette_by_hand():
    # Two pairs, 1 apart, 10 from each other: a = 1, b = 10.5 outside and 9.5 inside.
    points = np.array([[0.0], [1], [10], [11]])
    assert neighbours.silhouette(points, list("aabb")) == pytest.approx((9.5 / 10.5 + 8.5 / 9.5) / 2)
    assert np.isnan(neighbours.silhouette(points, list("aaaa")))
    assert np.isnan(neighbours.silhouette(points, list("abcd")))
