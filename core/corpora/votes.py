"""Aggregates raters' votes into one label per clip: plurality, with options for ties."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

TIES = ("drawn", "dropped")


def winners(counts: pd.DataFrame) -> pd.Series:
    """The class with most votes in each row, joined by ":" for ties; "" without votes.

    Args:
        counts: [clips, classes], votes.
    """
    values = counts.to_numpy(float)
    names = np.array(counts.columns, dtype=object)
    top = (values == values.max(1, keepdims=True)) & (values > 0)
    first = names[top.argmax(1)]
    several = top.sum(1) != 1
    first[several] = [":".join(names[row]) for row in top[several]]
    return pd.Series(first, counts.index, dtype=object)


def shares(counts: pd.DataFrame) -> pd.DataFrame:
    """Soft labels: each class's share of a clip's votes. NaN without votes."""
    total = counts.sum(axis=1)
    return counts.div(total.where(total > 0), axis=0)


def settled(winner: pd.Series, ties: str) -> pd.Series:
    """One class for each of ``winners``: ties are drawn by the clip's name, or dropped ("")."""
    several = winner.str.contains(":")
    if ties == "dropped":
        return winner.mask(several, "")
    drawn = [_drawn(str(clip), sorted(names.split(":"))) for clip, names in winner[several].items()]
    settled = winner.copy()
    settled[several] = drawn
    return settled


def _drawn(clip: str, among: Sequence[str]) -> str:
    # Depends on the name only, so it is the same in every subset and everywhere.
    return among[int.from_bytes(hashlib.sha256(clip.encode()).digest()[:8]) % len(among)]
