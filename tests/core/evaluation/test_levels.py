"""The level of every test is its paper's, and a p that is just above it finds nothing."""

from __future__ import annotations

import pytest

from affectscope.core.evaluation.significance import Significance, fisher_z, matched_pairs, two_tailed


def test_one_tailed_pairs_at_five_percent():
    """goncalves2022robust, 4.4."""
    # Differences 1, 2, 3 and 0: mean 1.5, sd 1.291, t = 2.324 with three degrees of freedom, p = 0.0514.
    close = matched_pairs([2, 4, 6, 1], [1, 2, 3, 1])
    assert (close.alpha, close.significant) == (0.05, False)
    assert close.p == pytest.approx(0.0514, abs=1e-4)
    assert matched_pairs([2, 4, 6, 1], [1, 2, 3, 1], alpha=0.06).significant


def test_two_tails_at_five_percent():
    """goncalves2025versatile, IV-D."""
    # t = sqrt 6 with four degrees of freedom, p = 0.0705.
    even = two_tailed([2, 3, 4], [0, 1, 2])
    assert (even.alpha, even.significant) == (0.05, False)


def test_correlations_at_one_percent():
    """parthasarathy2020detecting, Table 1."""
    # z = 0.143841 / sqrt(2 / 400) = 2.034, p = 0.0419.
    found = fisher_z(0.6, 403, 0.5, 403)
    assert found.p == pytest.approx(0.0419, abs=1e-4)
    assert (found.alpha, found.significant) == (0.01, False)


def test_the_level_itself_is_not_below_it():
    assert not Significance("made up", 1.0, 0.05, 5, 0.05, 0.1).significant
    assert Significance("made up", 1.0, 0.0499, 5, 0.05, 0.1).significant
