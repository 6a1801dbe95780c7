"""What a person probably did not mean by a folder of clips or its table, a sentence each."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from affectscope.core.corpora.tables import columns_of
from affectscope.core.text import shown

_SETS = {
    **dict.fromkeys(("train", "training"), "train"), **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("dev", "val", "valid", "validation", "development"), "development"),
}  # fmt: skip
# Where other tools keep labels, by ending.
_ELSEWHERE = {
    ".json": "JSON", ".jsonl": "JSON", ".ndjson": "JSON", ".xml": "XML", ".eaf": "ELAN's", ".textgrid": "Praat's",
    ".arff": "Weka's", ".scp": "Kaldi's", ".anvil": "ANVIL's", ".gz": "packed", ".parquet": "Parquet", ".pkl": "a pickle",
    ".pickle": "a pickle", ".mat": "MATLAB's", ".srt": "subtitles", ".yaml": "YAML", ".yml": "YAML",
}  # fmt: skip
_SEVERAL = re.compile(r"\s*[\[{(].*|.*[^\s]\s*[;|]\s*[^\s].*")
_RANGED = ("arousal", "valence", "dominance")


def split_of(place: str) -> str:
    """The set that a folder on a file's path names, the outermost; empty where none does."""
    return next(
        (_SETS[part.lower()] for part in Path(place).parts[: None if place.endswith("/") else -1] if part.lower() in _SETS), ""
    )


def unread_labels(root: Path, remarks: list[str]) -> None:
    """Say where labels may be that are not read: tables in folders below, and other tools' files beside the clips."""
    deeper = next((file for near in ("*/*", "*/*/*") for file in sorted(root.glob(near)) if _is_table(file)), None)
    if deeper is not None:
        place = shown(str(deeper.relative_to(root)))
        remarks.append(
            f"Labels may stand in {place}, which is not read from here: add its folder as a corpus, or put one table for all "
            f"into {shown(root.name)}."
        )
        return
    beside = [file for file in sorted(root.iterdir()) if file.is_file() and not file.name.startswith(".")]
    other = next((file for file in beside if file.suffix.lower() in _ELSEWHERE), None)
    if other is not None:
        kind = _ELSEWHERE[other.suffix.lower()]
        remarks.append(f"Labels may stand in {shown(other.name)} ({kind}), which is not read: save them as a CSV, a row a clip.")


def of_several(labels: pd.Series, remarks: list[str]) -> None:
    """Say so where cells hold several labels: each combination is a class of its own then."""
    several = sorted(label for label in labels.unique() if _SEVERAL.fullmatch(label))
    if several:
        count = int(labels.isin(several).sum())
        remarks.append(
            f"{count:,} labels hold a list or several, {shown(several[0])} for one: each is a class of its own. "
            "Write one label a clip."
        )


def beyond_range(table: pd.DataFrame, remarks: list[str]) -> None:
    """Say so where attributes are not in -1..1, as the models here answer."""
    for name in (name for name in _RANGED if name in table):
        least, most = table[name].min(), table[name].max()
        if least < -1 or most > 1:
            remarks.append(
                f"{name} lies between {least:g} and {most:g}, and the models here answer from -1 to 1: rescale it, "
                "or errors mean nothing."
            )


def _is_table(file: Path) -> bool:
    return file.is_file() and file.suffix.lower() in (".csv", ".tsv") and len(columns_of(file)) > 1
