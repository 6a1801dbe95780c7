"""Confidence intervals of proportions, and of means of proportions."""

from __future__ import annotations

from collections.abc import Sequence

LEVEL = 0.95


def wilson(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion; 0 to 1 for a count of 0."""
    from scipy.stats import binomtest

    if count == 0:
        return 0.0, 1.0
    interval = binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def mean_of_shares(counted: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """The 95 % interval of a mean of independent proportions, such as unweighted recall over classes.

    Each proportion's distances to its Wilson limits are squared and summed (the method of variance estimates recovery, Zou and
    Donner 2008). Unlike the bootstrap's, it has a width where a class is always or never right. Clips are assumed independent;
    those of one speaker are less so than those of several.

    Args:
        counted: (right, count) of each proportion; at least one, and no count of 0.

    >>> low, high = mean_of_shares([(5, 10), (0, 10)])
    >>> round(low, 3), round(high, 3)
    (0.118, 0.441)
    """
    many = len(counted)
    mean = sum(right / count for right, count in counted) / many
    limits = [(right / count, *wilson(right, count)) for right, count in counted]
    down = sum((share - low) ** 2 for share, low, _ in limits) ** 0.5 / many
    up = sum((high - share) ** 2 for share, _, high in limits) ** 0.5 / many
    return max(0.0, mean - down), min(1.0, mean + up)
