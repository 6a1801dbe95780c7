"""How far a share, or a mean of shares, may lie from what was counted."""

from __future__ import annotations

from collections.abc import Sequence

LEVEL = 0.95


def wilson(right: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share, 95 %; all of 0 to 1 where nothing was counted."""
    from scipy.stats import binomtest

    if count == 0:
        return 0.0, 1.0
    interval = binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def mean_of_shares(counted: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """The interval, 95 %, of a mean of independent shares, such as unweighted recall over its classes' recalls.

    Each share's distance to its Wilson limits is squared and added up (the method of variance estimates recovery, Zou and
    Donner 2008): unlike a bootstrap's, it has a width where a class is always or never right. Clips are taken as independent of
    each other; those of one speaker are so less than those of several.

    Args:
        counted: of each share, how many were right of how many; at least one share, none of them of nothing.

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
