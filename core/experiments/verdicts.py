"""Verdicts on comparisons: borne out, contradicted, or not shown.

Scores are compared seed by seed with the corrected resampled t-test (``evaluation.significance.corrected_pairs``): seeds are
splits of the same speakers, and share most of their training clips.

- "better" is borne out where the first is better, and contradicted where the second is.
- "no worse" is borne out where the first is less than the margin worse (a non-inferiority test), else contradicted where the
  second is better, else not shown: the absence of a significant loss shows nothing.

p-values are Holm-adjusted within a claim's family: all its comparisons, including those not yet measured, separately for each
direction. So the probability that any part of a claim is wrongly borne out is 5 % at most, and likewise for contradicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from affectscope.core.evaluation.significance import corrected_pairs, holm, interval

ALPHA = 0.05
# With fewer seeds, an undecided comparison deserves more of them.
ENOUGH = 10
Verdict = Literal["borne out", "contradicted", "not shown", "not measured"]
VERDICTS: tuple[Verdict, ...] = ("borne out", "contradicted", "not shown", "not measured")

# Ratio of test to training clips of one split, by ``TrainConfig.split``; there are ten folds. The authors' split is the same for
# all seeds: only training varies, and the test is about that.
_RATIOS = {"speaker": 15 / 70, "folds": 1 / 8, "official": 0.0}


def ratio(split: str) -> float:
    """The ratio for ``corrected_pairs``; unknown kinds of splits are treated as "speaker"."""
    return _RATIOS.get(split, _RATIOS["speaker"])


@dataclass(frozen=True)
class Scores:
    """The data of a comparison: a score per seed on either side, the same seeds in the same order, at least two.

    Attributes:
        margin: above 0 for "no worse".
        ratio: test clips per training clip.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    ratio: float
    margin: float = 0.0
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A comparison's verdict and its numbers.

    Attributes:
        difference, low, high: mean of first minus second, and its 95 % interval.
        p: of the claim, Holm-adjusted within the family.
        harm: p of the second being better, likewise.
    """

    scores: Scores
    difference: float
    low: float
    high: float
    p: float
    harm: float
    verdict: Verdict


def judge(family: Sequence[Scores | None]) -> list[Judged | None]:
    """The verdicts of a claim's comparisons. None marks unmeasured ones, which still count in the family.

    Raises:
        UserError: with fewer than two seeds.
    """
    claimed, harmed = [1.0] * len(family), [1.0] * len(family)
    for place, scores in enumerate(family):
        if scores is not None:
            claimed[place] = corrected_pairs(scores.first, scores.second, scores.ratio, scores.margin).p
            harmed[place] = corrected_pairs(scores.second, scores.first, scores.ratio).p
    return [
        None if scores is None else _judged(scores, p, harm)
        for scores, p, harm in zip(family, holm(claimed), holm(harmed), strict=True)
    ]


def _judged(scores: Scores, p: float, harm: float) -> Judged:
    verdict: Verdict = "borne out" if p < ALPHA else "contradicted" if harm < ALPHA else "not shown"
    low, high = interval(scores.first, scores.second, scores.ratio)
    difference = float(np.mean(np.subtract(scores.first, scores.second)))
    return Judged(scores, difference, low, high, p, harm, verdict)


def overall(verdicts: Sequence[Verdict]) -> str:
    """The verdict on a claim of several parts: borne out if all are, contradicted if any is."""
    if not verdicts:
        return "described"
    if "contradicted" in verdicts:
        return "contradicted"
    if set(verdicts) == {"not measured"}:
        return "not measured"
    if "not shown" in verdicts:
        return "not shown"
    return "not measured in full" if "not measured" in verdicts else "borne out"
