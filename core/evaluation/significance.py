"""The papers' significance tests, on scores per seed or on correlations, and the tests behind our own verdicts.

Seeds draw their splits from the same clips, so the training sets of two seeds overlap, and their scores are not independent: a
plain t-test finds differences too often. ``corrected_pairs`` increases the variance accordingly (C. Nadeau and Y. Bengio,
Inference for the Generalization Error, Machine Learning 52, 2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from affectscope.core.errors import UserError

# Scores of one run summed in another order differ by rounding; a test must not take that for a consistent difference.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Significance:
    """A test's result.

    Attributes:
        test: its name, as in a table's caption.
        statistic: t or z, positive where the first is larger; infinite where all differences are equal and not 0.
        p: never NaN.
        n: pairs of a matched test, else values (or samples under the correlations) of both sides together.
        alpha: the level below which ``p`` is significant.
        difference: the first's mean (or correlation) minus the second's.
    """

    test: str
    statistic: float
    p: float
    n: int
    alpha: float
    difference: float

    @property
    def significant(self) -> bool:
        return self.p < self.alpha


def matched_pairs(ours: Sequence[float], theirs: Sequence[float], alpha: float = 0.05) -> Significance:
    """Is ``ours`` better? One-tailed matched-pair t-test.

    goncalves2022robust, section 4.4, and goncalves2022auxformer, section 5: scores of 20 seeds, p < 0.05.

    Args:
        ours, theirs: a score per seed, larger is better, the same seeds in the same order. Equal scores give p = 0.5.

    Raises:
        UserError: with fewer than two pairs, unpaired scores, or scores that are not numbers.
    """
    a, b = _pairs(ours, theirs)
    difference = _rounded(a - b, a, b)
    name, mean = "one-tailed matched-pair t-test", float(difference.mean())
    if float(np.ptp(difference)) <= _ROUNDING * _scale(a, b):
        return Significance(name, _certain(mean), 0.5 if mean == 0 else float(mean < 0), len(a), alpha, mean)
    result = stats.ttest_1samp(difference, 0.0, alternative="greater")
    return Significance(name, float(result.statistic), float(result.pvalue), len(a), alpha, mean)


def corrected_pairs(
    ours: Sequence[float], theirs: Sequence[float], ratio: float, margin: float = 0.0, alpha: float = 0.05
) -> Significance:
    """Is ``ours`` better than ``theirs`` minus ``margin``? One-tailed corrected resampled t-test over overlapping splits.

    The variance of the mean of k differences is (1 / k + ``ratio``) times that of the differences (Nadeau and Bengio 2003), with
    k - 1 degrees of freedom. With a margin above 0 this is a non-inferiority test: it is significant where ``ours`` is less than
    the margin worse.

    Args:
        ours, theirs: a score per split, larger is better, the same splits in the same order.
        ratio: test clips per training clip; 0 gives the plain matched-pair test.

    Raises:
        UserError: with fewer than two pairs, unpaired scores, or scores that are not numbers.
    """
    difference, mean, error = _paired(ours, theirs, ratio)
    name = "one-tailed corrected resampled t-test" + (", non-inferiority" if margin else "")
    if error == 0:
        over = mean + margin
        return Significance(name, _certain(over), 0.5 if over == 0 else float(over < 0), len(difference), alpha, mean)
    statistic = (mean + margin) / error
    return Significance(name, statistic, float(stats.t.sf(statistic, len(difference) - 1)), len(difference), alpha, mean)


def interval(ours: Sequence[float], theirs: Sequence[float], ratio: float, level: float = 0.95) -> tuple[float, float]:
    """The two-sided confidence interval of the mean difference that matches ``corrected_pairs``.

    Raises:
        UserError: as ``corrected_pairs`` does.
    """
    difference, mean, error = _paired(ours, theirs, ratio)
    reach = error * float(stats.t.isf((1 - level) / 2, len(difference) - 1))
    return mean - reach, mean + reach


def holm(values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values of a family, which keep the chance of any false positive in it below alpha (S. Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1; none is below a smaller one's, and none exceeds 1.
    """
    adjusted, least = [1.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = least
    return adjusted


def _paired(ours: Sequence[float], theirs: Sequence[float], ratio: float) -> tuple[np.ndarray, float, float]:
    """The differences, their mean and its corrected standard error, 0 where they are constant."""
    a, b = _pairs(ours, theirs)
    difference = _rounded(a - b, a, b)
    mean = float(difference.mean())
    if float(np.ptp(difference)) <= _ROUNDING * _scale(a, b):
        return difference, mean, 0.0
    return difference, mean, float(difference.std(ddof=1) * math.sqrt(1 / len(difference) + ratio))


def two_tailed(ours: Sequence[float], theirs: Sequence[float], alpha: float = 0.05) -> Significance:
    """Do the means differ, either way? Two-tailed t-test of two independent samples.

    goncalves2025versatile, section IV-D: five runs, p < 0.05. It mentions neither pairs nor unequal variances, so this is
    Student's test, which pools the variance. Where both used the same seeds, ``matched_pairs`` has more power. Equal scores give
    p = 1.

    Raises:
        UserError: with fewer than two scores on either side, or scores that are not numbers.
    """
    a, b = _scores(ours, theirs)
    name, mean = "two-tailed t-test", float(a.mean() - b.mean())
    if max(float(np.ptp(a)), float(np.ptp(b))) <= _ROUNDING * _scale(a, b):
        mean = float(_rounded(np.array([mean]), a[:1], b[:1])[0])
        return Significance(name, _certain(mean), float(mean == 0), len(a) + len(b), alpha, mean)
    # From the moments, because scipy warns where one side is constant, which is fine here.
    result = stats.ttest_ind_from_stats(a.mean(), a.std(ddof=1), len(a), b.mean(), b.std(ddof=1), len(b))
    return Significance(name, float(result.statistic), float(result.pvalue), len(a) + len(b), alpha, mean)


def fisher_z(r: float, n: int, other: float, other_n: int, alpha: float = 0.01) -> Significance:
    """Do two correlations differ? Fisher's z transformation, two-tailed.

    parthasarathy2020detecting, Table 1: CCCs on Aff-Wild2, p < 0.01. The test assumes Pearson correlations of independent
    samples. That paper uses it for CCCs of two models on the same frames, and does not state n. Frames of one clip are similar,
    so with n frames almost any difference is significant. The number of test clips of one split is the conservative choice; over
    all splits the same clips would be counted several times. Equal correlations give p = 1.

    Raises:
        UserError: for a correlation outside -1..1, or with fewer than four samples on either side.
    """
    if not (abs(r) <= 1 and abs(other) <= 1):
        raise UserError(f"A correlation is between -1 and 1, which {r if not abs(r) <= 1 else other} is not.")
    if min(n, other_n) < 4:
        raise UserError(f"Not enough to test: Fisher's z needs four samples or more for each correlation, not {min(n, other_n)}.")
    name, difference = "Fisher's z transformation", float(r - other)
    if abs(difference) <= _ROUNDING:
        return Significance(name, 0.0, 1.0, n + other_n, alpha, 0.0)
    with np.errstate(divide="ignore"):
        z = float((np.arctanh(r) - np.arctanh(other)) / math.sqrt(1 / (n - 3) + 1 / (other_n - 3)))
    return Significance(name, z, float(2 * stats.norm.sf(abs(z))), n + other_n, alpha, difference)


def _pairs(ours: Sequence[float], theirs: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    a, b = _scores(ours, theirs)
    if len(a) != len(b):
        raise UserError(f"A matched test needs the same seeds for both: one has {len(a)} scores, the other {len(b)}.")
    return a, b


def _scores(ours: Sequence[float], theirs: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if min(len(a), len(b)) < 2:
        raise UserError(f"Not enough to test: a t-test needs two scores or more on either side, not {min(len(a), len(b))}.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UserError("Some scores are not numbers: a run failed; run it again before testing.")
    return a, b


def _scale(a: np.ndarray, b: np.ndarray) -> float:
    return float(max(np.abs(a).max(), np.abs(b).max()))


def _rounded(difference: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Set differences that rounding can explain to 0."""
    return np.where(np.abs(difference) <= _ROUNDING * _scale(a, b), 0.0, difference)


def _certain(mean: float) -> float:
    """The statistic of constant differences."""
    return 0.0 if mean == 0 else math.copysign(math.inf, mean)
