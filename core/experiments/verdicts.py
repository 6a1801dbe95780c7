"""Comparisons judged: borne out, contradicted, or not shown.

Scores are compared seed by seed with the corrected resampled t-test (``evaluation.significance.corrected_pairs``): seeds are
splits of the same speakers, and share most of their training clips.

- "better" is borne out where the first is better, and contradicted where the second is.
- "no worse" is borne out where the first is not worse by the margin or more (a test of non-inferiority), else contradicted where
  the second is better, else not shown: that no harm was found shows nothing.

p-values are Holm's within a claim's family: all its comparisons, those not yet measured among them, and each direction for
itself. So a claim's chance of any part wrongly borne out is 5 % at most, and of any wrongly contradicted 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from affectscope.core.evaluation.significance import corrected_pairs, holm, interval

ALPHA = 0.05
# Five seeds decide little: what they leave open is worth so many.
ENOUGH = 10
Verdict = Literal["borne out", "contradicted", "not shown", "not measured"]
VERDICTS: tuple[Verdict, ...] = ("borne out", "contradicted", "not shown", "not measured")

# Test clips for each training clip of one split, by ``TrainConfig.split``; folds are ten. The authors' own split is the same for
# all seeds: what varies is training alone, and the test then speaks of that.
_RATIOS = {"speaker": 15 / 70, "folds": 1 / 8, "official": 0.0}


def ratio(split: str) -> float:
    """What ``corrected_pairs`` takes for splits made in this way; unknown ways are taken for those by speaker."""
    return _RATIOS.get(split, _RATIOS["speaker"])


@dataclass(frozen=True)
class Scores:
    """What a comparison rests on: a score a seed on either side, the same seeds in the same order, at least two.

    Attributes:
        margin: above 0 where the first is to be no worse.
        ratio: test clips for each training clip.
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
        difference, low, high: mean of first less second, and its 95 % interval.
        p: of what is claimed, Holm's within the family.
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
    """The comparisons of a claim; None where it is not measured, which counts in the family all the same.

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
    """One word for a claim of several parts: all of them have to be borne out, and one that is contradicted suffices."""
    if not verdicts:
        return "described"
    if "contradicted" in verdicts:
        return "contradicted"
    if set(verdicts) == {"not measured"}:
        return "not measured"
    if "not shown" in verdicts:
        return "not shown"
    return "not measured in full" if "not measured" in verdicts else "borne out"
