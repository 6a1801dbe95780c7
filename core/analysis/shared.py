"""Distance of sound and picture of a corpus's clips after each shared layer (goncalves2025versatile, Fig. 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from affectscope.core.analysis.distance import by_stage
from affectscope.core.inference.table import PredictionTable


def distances(predictions: PredictionTable, seed: int = 0) -> pd.DataFrame:
    """A row for each stage and clip that has both sound and picture.

    Returns:
        ``stage``, ``clip`` (id), ``distance`` (cosine, 0 to 2), ``mismatched`` (the clip's sound with another clip's picture),
        and for a classifier on a labelled corpus ``label``, ``predicted`` and ``outcome``: "right", "wrong" or "unlabelled".

    Raises:
        UserError: when the model has no shared layers.
    """
    both = np.all(list(predictions.present.values()), axis=0) if predictions.present else np.ones(len(predictions.table), bool)
    vectors = {name: values[both] for name, values in predictions.embeddings.items()}
    table = by_stage(vectors, predictions.shared, seed)
    own = predictions.table[both]
    place = table["clip"].to_numpy()
    table["clip"] = own.index.to_numpy()[place]
    for name in ("label", "predicted"):
        if name in own:
            table[name] = own[name].to_numpy()[place]
    if "correct" in own:
        table["outcome"] = own["correct"].map({True: "right", False: "wrong"}).fillna("unlabelled").to_numpy()[place]
    return table


def summary(table: pd.DataFrame, by: str = "") -> pd.DataFrame:
    """Means by stage, and by a column within it.

    Returns:
        ``stage``, ``group``, ``clips``, ``mean`` with its 95 % interval ``low`` and ``high`` (Student's t; NaN for one clip),
        ``sd`` (standard deviation), ``mismatched`` (its mean), and ``nearer``: the share of clips whose own picture is closer
        than another clip's; 0.5 by chance.
    """
    rows = []
    for stage in dict.fromkeys(table["stage"]):
        part = table[table["stage"] == stage]
        groups = part.groupby(by, observed=True) if by else [("all", part)]
        rows += [_row(str(stage), str(name), group) for name, group in groups]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Closeness:
    """How much closer sound and picture of one clip are than those of different clips, after one stage.

    Attributes:
        clips: number with both distances.
        matched, mismatched: mean distances.
        nearer: mismatched minus matched, with its 95 % interval ``low`` to ``high``; NaN below two clips.
    """

    clips: int
    matched: float
    mismatched: float
    nearer: float
    low: float
    high: float

    @property
    def verdict(self) -> int:
        """1 closer than chance, -1 farther than chance, 0 if the interval includes 0."""
        return int(self.low > 0) - int(self.high < 0)


def closeness(table: pd.DataFrame, stage: str) -> Closeness:
    """Matched against mismatched distances of the same clips: Student's t interval of the paired differences.

    Each picture is used once matched and once mismatched, so the differences of two clips are at most negatively correlated: the
    interval is, if anything, too wide.
    """
    pairs = table.loc[table["stage"] == stage, ["distance", "mismatched"]].dropna()
    own, other = pairs["distance"].to_numpy(float), pairs["mismatched"].to_numpy(float)
    if len(pairs) < 2:
        return Closeness(len(pairs), *(float(v.mean()) if len(v) else float("nan") for v in (own, other)), *[float("nan")] * 3)
    difference = other - own
    half = float(stats.t.ppf(0.975, len(pairs) - 1)) * float(difference.std(ddof=1)) / np.sqrt(len(pairs))
    mean = float(difference.mean())
    return Closeness(len(pairs), float(own.mean()), float(other.mean()), mean, mean - half, mean + half)


def outliers(table: pd.DataFrame, stage: str, count: int = 6) -> pd.DataFrame:
    """The clips with the largest distance after a stage, largest first, and then those with the smallest."""
    part = table[(table["stage"] == stage) & table["distance"].notna()].sort_values("distance", ascending=False, kind="stable")
    if len(part) <= 2 * count:
        return part
    return pd.concat([part.head(count), part.tail(count)])


def _row(stage: str, group: str, part: pd.DataFrame) -> dict[str, object]:
    known = part["distance"].dropna()
    mean, spread, count = float(known.mean()), float(known.std()), len(known)
    half = float(stats.t.ppf(0.975, count - 1)) * spread / np.sqrt(count) if count > 1 else float("nan")
    pairs = part[["distance", "mismatched"]].dropna()
    nearer = float((pairs["distance"] < pairs["mismatched"]).mean()) if len(pairs) else float("nan")
    return {
        "stage": stage, "group": group, "clips": count, "mean": mean, "low": mean - half, "high": mean + half, "sd": spread,
        "mismatched": float(part["mismatched"].mean()), "nearer": nearer,
    }  # fmt: skip
