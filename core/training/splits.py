"""Speaker-independent splits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.errors import UserError

SPLITS = ("train", "development", "test")


def by_speaker(table: pd.DataFrame, seed: int, shares: tuple[float, float, float] = (0.70, 0.15, 0.15)) -> pd.Series:
    """Give each clip a split so that no speaker is in two (000, section 4.3; 002, section 5.1).

    Returns:
        "train", "development" or "test" for each row of ``table``.

    Raises:
        UserError: with fewer than three speakers.
    """
    speakers = np.sort(table["speaker"].unique())
    if len(speakers) < len(SPLITS):
        raise UserError(f"A speaker-independent split needs three speakers or more; the corpus has {len(speakers)}.")
    order = np.random.default_rng(seed).permutation(speakers)
    held = [max(1, round(share * len(speakers))) for share in shares[1:]]
    bounds = (len(speakers) - sum(held), len(speakers) - held[1])
    split = dict(zip(order, np.repeat(SPLITS, [bounds[0], *held]), strict=True))
    return table["speaker"].map(split)
