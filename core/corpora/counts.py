"""Counts of clips and speakers by part of a corpus's own split."""

from __future__ import annotations

from typing import Any

import pandas as pd

PARTS = ("train", "development", "test", "none")


def speakers(table: pd.DataFrame) -> int:
    """The number of known speakers."""
    return int(table["speaker"].replace("", pd.NA).nunique())


def parts(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Part of the split -> its clips and speakers; "none" for clips outside the split."""
    words = table["split"].astype(str).replace("", "none")
    groups = {str(part): group for part, group in table.groupby(words.to_numpy(), sort=False)}
    order = [part for part in PARTS if part in groups] + [part for part in groups if part not in PARTS]
    return {part: {"clips": len(groups[part]), "speakers": speakers(groups[part])} for part in order}


def crossings(table: pd.DataFrame) -> dict[str, Any]:
    """How many speakers are in two parts of the split; empty where no speaker is known."""
    inside = table[~table["split"].isin(["", "none"]) & (table["speaker"] != "")]
    if inside.empty:
        return {}
    count = int((inside.groupby("speaker")["split"].nunique() > 1).sum())
    return {"speakers_in_two_sets": count, "no_speaker_in_two_sets": count == 0}
