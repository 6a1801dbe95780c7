"""Risk against coverage, and intervals, by hand."""

import numpy as np
import pytest

from affectscope.core.metrics.abstention import aurc, risk_coverage, surest
from affectscope.core.metrics.intervals import mean_of_shares, wilson


def test_aurc_by_hand():
    confidence, right = np.array([0.5, 0.9, 0.7, 0.6]), np.array([True, True, False, True])
    # Surest first: right, wrong, right, right. Risks 0, 1/2, 1/3, 1/4.
    curve = risk_coverage(confidence, right)
    assert curve["coverage"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve["risk"].tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert curve["confidence"].tolist() == [0.9, 0.7, 0.6, 0.5]
    assert aurc(confidence, right) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert surest(confidence, right) == (0.5, 2)
    assert surest(confidence, right, 0.75) == (pytest.approx(2 / 3), 3)


def test_answers_that_are_as_sure_come_in_no_order():
    same = np.full(4, 0.8)
    for right in ([True, True, False, False], [False, True, False, True]):
        assert risk_coverage(same, np.array(right))["risk"].tolist() == [0.5] * 4
    assert np.isnan(surest(np.zeros(0), np.zeros(0, bool))[0])


def test_the_interval_of_a_mean_of_recalls():
    low, high = mean_of_shares([(5, 10), (0, 10)])
    # Zou and Donner: half of the roots of the summed squares of the distances to Wilson's limits.
    limits = wilson(5, 10), wilson(0, 10)
    assert low == pytest.approx(0.25 - np.hypot(0.5 - limits[0][0], 0 - limits[1][0]) / 2)
    assert high == pytest.approx(0.25 + np.hypot(limits[0][1] - 0.5, limits[1][1]) / 2)
    # Of one share it is Wilson's own; always wrong still has a width.
    assert mean_of_shares([(3, 9)]) == pytest.approx(wilson(3, 9))
    assert mean_of_shares([(0, 5), (0, 5)])[1] > 0.2
