import math

import numpy as np
import pytest
from scipy import stats

from affectscope.core.errors import UserError
from affectscope.core.evaluation.significance import corrected_pairs, fisher_z, holm, interval, matched_pairs, two_tailed

ALL = [matched_pairs, two_tailed]


def test_matched_pairs_by_hand():
    # Differences 1, 2, 3: mean 2, sd 1, t = 2 / (1 / sqrt 3). With two degrees of freedom P(T > t) = (1 - t / sqrt(t² + 2)) / 2.
    found = matched_pairs([2, 4, 6], [1, 2, 3])
    assert found.statistic == pytest.approx(2 * math.sqrt(3))
    assert found.p == pytest.approx((1 - math.sqrt(12 / 14)) / 2)
    assert (found.n, found.difference, found.significant) == (3, 2.0, True)
    other = matched_pairs([1, 2, 3], [2, 4, 6])
    assert other.p == pytest.approx(1 - found.p)
    assert not other.significant


def test_the_pairs_matter_and_the_spread_between_seeds_does_not():
    """Every seed is a little better, though seeds differ far more among themselves."""
    random = np.random.default_rng(0)
    theirs = random.normal(0.6, 0.1, 20)
    ours = theirs + random.normal(0.01, 0.005, 20)
    found = matched_pairs(ours, theirs)
    reference = stats.ttest_rel(ours, theirs, alternative="greater")
    assert (found.statistic, found.p) == (pytest.approx(reference.statistic), pytest.approx(reference.pvalue))
    assert found.significant
    assert not two_tailed(ours, theirs).significant


def test_two_tailed_by_hand():
    # Means 3 and 1, both variances 1, pooled 1: t = 2 / sqrt(1/3 + 1/3) = sqrt 6 with 4 degrees of freedom: p = 0.0705 (tables:
    # 2.132 at 0.10, 2.776 at 0.05).
    found = two_tailed([2, 3, 4], [0, 1, 2])
    assert found.statistic == pytest.approx(math.sqrt(6))
    assert found.p == pytest.approx(0.0705, abs=5e-5)
    assert (found.n, found.difference, found.significant) == (6, 2.0, False)
    assert two_tailed([0, 1, 2], [2, 3, 4]).p == pytest.approx(found.p)
    assert two_tailed([2, 3, 4], [0, 1, 2], alpha=0.1).significant


def test_two_tailed_takes_samples_of_other_sizes():
    found = two_tailed([0.7, 0.72, 0.71], [0.6, 0.65, 0.62, 0.61, 0.66])
    reference = stats.ttest_ind([0.7, 0.72, 0.71], [0.6, 0.65, 0.62, 0.61, 0.66])
    assert (found.statistic, found.p, found.n) == (pytest.approx(reference.statistic), pytest.approx(reference.pvalue), 8)


def test_fisher_z_by_hand():
    # atanh 0.6 = ln(1.6/0.4)/2 = 0.693147, atanh 0.5 = 0.549306; sd sqrt(2/100) = 0.141421: z = 1.01711, p = 0.3091.
    found = fisher_z(0.6, 103, 0.5, 103)
    assert found.statistic == pytest.approx(1.01711, abs=1e-5)
    assert found.p == pytest.approx(0.3091, abs=5e-5)
    assert (found.n, found.alpha, found.significant) == (206, 0.01, False)
    assert found.difference == pytest.approx(0.1)
    assert fisher_z(0.6, 10_003, 0.5, 10_003).significant
    assert fisher_z(0.5, 103, 0.6, 103).statistic == pytest.approx(-found.statistic)


def test_equal_scores_are_not_significant():
    scores = [0.7, 0.71, 0.69]
    assert (matched_pairs(scores, scores).statistic, matched_pairs(scores, scores).p) == (0.0, 0.5)
    assert (two_tailed(scores, scores).statistic, two_tailed(scores, scores).p) == (0.0, 1.0)
    assert (two_tailed([0.7] * 3, [0.7] * 3).statistic, two_tailed([0.7] * 3, [0.7] * 3).p) == (0.0, 1.0)
    for r in (0.0, 0.4, 1.0, -1.0):
        assert (fisher_z(r, 50, r, 50).statistic, fisher_z(r, 50, r, 50).p) == (0.0, 1.0)


def test_what_rounding_makes_is_no_difference():
    scores = np.array([0.7, 0.71, 0.69])
    assert matched_pairs(scores + 1e-16, scores).p == 0.5
    assert matched_pairs(np.nextafter(scores, 1), scores).p == 0.5
    assert two_tailed([0.1 + 0.2] * 3, [0.3] * 3).p == 1.0


def test_differences_that_never_vary_are_certain():
    assert (matched_pairs([0.8, 0.7], [0.7, 0.6]).statistic, matched_pairs([0.8, 0.7], [0.7, 0.6]).p) == (math.inf, 0.0)
    assert (matched_pairs([0.7, 0.6], [0.8, 0.7]).statistic, matched_pairs([0.7, 0.6], [0.8, 0.7]).p) == (-math.inf, 1.0)
    assert (two_tailed([0.8, 0.8], [0.7, 0.7]).statistic, two_tailed([0.8, 0.8], [0.7, 0.7]).p) == (math.inf, 0.0)
    assert (fisher_z(1.0, 9, 0.5, 9).statistic, fisher_z(1.0, 9, 0.5, 9).p) == (math.inf, 0.0)


@pytest.mark.parametrize("test", ALL)
def test_no_answer_is_ever_nan(test):
    random = np.random.default_rng(1)
    for _ in range(200):
        a, b = (random.choice([0.0, 0.5, 0.7, 1.0, 1e-9, 1e9], random.integers(2, 4)) for _ in range(2))
        size = min(len(a), len(b))
        found = test(a[:size], b[:size])
        assert 0 <= found.p <= 1
        assert not math.isnan(found.statistic)


@pytest.mark.parametrize("test", ALL)
@pytest.mark.parametrize(
    ("ours", "theirs", "says"),
    [([0.5], [0.6], "Not enough"), ([], [], "Not enough"), ([0.5, math.nan], [0.1, 0.2], "not numbers")],
)
def test_what_cannot_be_tested_is_one_sentence(test, ours, theirs, says):
    with pytest.raises(UserError, match=says):
        test(ours, theirs)


def test_pairs_and_correlations_are_checked():
    with pytest.raises(UserError, match="one has 3 scores, the other 2"):
        matched_pairs([1, 2, 3], [1, 2])
    with pytest.raises(UserError, match="four samples"):
        fisher_z(0.5, 3, 0.4, 100)
    for wrong in (1.2, math.nan):
        with pytest.raises(UserError, match="between -1 and 1"):
            fisher_z(0.4, 10, wrong, 10)


def test_overlapping_splits_widen_the_error():
    # Differences 1, 2, 3: mean 2, variance 1. A fifth as many test as training clips: error sqrt(1/3 + 1/5) = sqrt(8/15), so
    # t = 2 / sqrt(8/15) = 2.7386, where the plain test has 3.4641. Tails at two degrees of freedom as above.
    found = corrected_pairs([2, 4, 6], [1, 2, 3], 0.2)
    assert found.statistic == pytest.approx(2 / math.sqrt(8 / 15))
    assert found.p == pytest.approx((1 - math.sqrt(7.5 / 9.5)) / 2)
    assert found.p == pytest.approx(0.0557, abs=5e-5)
    assert (found.significant, matched_pairs([2, 4, 6], [1, 2, 3]).significant) == (False, True)
    # Nothing shared: the plain test.
    assert corrected_pairs([2, 4, 6], [1, 2, 3], 0).p == pytest.approx(matched_pairs([2, 4, 6], [1, 2, 3]).p)
    assert corrected_pairs([1, 2, 3], [2, 4, 6], 0.2).p == pytest.approx(1 - found.p)


def test_no_worse_by_a_margin_by_hand():
    # Differences -0.01, 0, 0.01: mean 0, sd 0.01, error 0.01 / sqrt 3. Margin 0.02: t = 2 sqrt 3, as of differences 1, 2, 3.
    ours, theirs = [0.69, 0.70, 0.71], [0.70, 0.70, 0.70]
    found = corrected_pairs(ours, theirs, 0, margin=0.02)
    assert found.statistic == pytest.approx(2 * math.sqrt(3))
    assert (found.difference, found.significant) == (pytest.approx(0, abs=1e-12), True)
    assert "non-inferiority" in found.test
    reference = stats.ttest_1samp(np.subtract(ours, theirs), -0.02, alternative="greater")
    assert found.p == pytest.approx(reference.pvalue)
    # Worse by the margin itself is not within it.
    assert corrected_pairs([0.68, 0.68], [0.70, 0.70], 0.2, margin=0.01).p == 1
    assert corrected_pairs([0.69, 0.69], [0.70, 0.70], 0.2, margin=0.02).p == 0


def test_the_interval_is_that_of_the_corrected_test():
    # Mean 2, error sqrt(8/15) = 0.7303; t at 0.975 with two degrees of freedom is 4.3027: 2 -+ 3.1423.
    low, high = interval([2, 4, 6], [1, 2, 3], 0.2)
    assert (low, high) == (pytest.approx(-1.1423, abs=1e-4), pytest.approx(5.1423, abs=1e-4))
    plain = stats.ttest_rel([2, 4, 6], [1, 2, 3]).confidence_interval(0.95)
    assert interval([2, 4, 6], [1, 2, 3], 0) == (pytest.approx(plain.low), pytest.approx(plain.high))
    assert interval([0.8, 0.7], [0.7, 0.6], 0.2) == (pytest.approx(0.1), pytest.approx(0.1))


def test_holm_by_hand():
    # 0.01 * 4, 0.02 * 3, 0.03 * 2 = 0.06, which may not be below 0.06, and 0.5.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    # The second would be 0.045 * 1, below the first's 0.08; nothing exceeds 1.
    assert holm([0.04, 0.045]) == pytest.approx([0.08, 0.08])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert (holm([0.03]), holm([])) == ([0.03], [])


@pytest.mark.parametrize("test", [lambda a, b: corrected_pairs(a, b, 0.2), lambda a, b: interval(a, b, 0.2)])
def test_a_corrected_test_wants_pairs_that_are_numbers(test):
    with pytest.raises(UserError, match="one has 3 scores, the other 2"):
        test([1, 2, 3], [1, 2])
    with pytest.raises(UserError, match="not numbers"):
        test([1, math.nan], [1, 2])
