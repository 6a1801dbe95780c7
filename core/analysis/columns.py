"""What a map can be coloured by: a prediction table's columns, as classes or as a scale, packed for the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from affectscope.core.analysis.picking import as_text

# Columns with more values identify clips rather than classes.
MOST_CLASSES = 250
_AT_MOST_AS_CLASSES = 12  # Columns with more distinct numbers are a scale.
_FIRST = ("label", "predicted", "correct", "confidence", "speaker", "modality", "intensity", "sex", "margin", "disagreement")
_TITLES = {"correct": "correctness", "attention_entropy": "attention entropy", "modality": "modalities present"}
_HIDDEN = {"path", "split"}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        names: the classes, in the order of a legend; empty for a scale.
        values: [N], indices into ``names`` (uint16), or numbers (float32, NaN where unknown).
    """

    name: str
    title: str
    names: tuple[str, ...]
    values: np.ndarray

    @property
    def classes(self) -> bool:
        return bool(self.names)


def modalities(present: Mapping[str, np.ndarray]) -> list[str]:
    """Each clip's modalities: "audio + visual", "audio only", "none"."""
    names = list(present)
    there = np.stack([present[name] for name in names], 1) if names else np.zeros((0, 0), bool)

    def in_words(row: np.ndarray) -> str:
        has = [name for name, is_there in zip(names, row, strict=True) if is_there]
        return "none" if not has else f"{has[0]} only" if len(has) == 1 and len(names) > 1 else " + ".join(has)

    return [in_words(row) for row in there]


def columns(table: pd.DataFrame, outputs: Sequence[str] = ()) -> list[Column]:
    """The columns that a map can show, the most useful first.

    Args:
        outputs: the label space, whose order its columns keep.
    """
    wanted = [name for name in _FIRST if name in table] + [str(name) for name in table if name not in _FIRST]
    made = [_column(name, table[name], outputs) for name in wanted if name not in _HIDDEN]
    return [column for column in made if column is not None]


def _column(name: str, values: pd.Series, outputs: Sequence[str]) -> Column | None:
    title = _TITLES.get(name, name.replace("_", " "))
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if number and (values.nunique() > _AT_MOST_AS_CLASSES or pd.api.types.is_float_dtype(values)):
        return Column(name, title, (), values.to_numpy(np.float32)) if values.notna().any() else None
    text = as_text(values)
    different = set(text.unique())
    if len(different) > min(MOST_CLASSES, max(2, len(values) - 1)):
        return None
    names = [output for output in outputs if output in different]
    names += sorted(different - set(names) - {"unknown"}, key=_natural) + (["unknown"] if "unknown" in different else [])
    return Column(name, title, tuple(names), text.map({name: i for i, name in enumerate(names)}).to_numpy(np.uint16))


def _natural(text: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)]


def pack(ids: Sequence[str], of: Sequence[Column]) -> bytes:
    """Pack columns for app/embeddings/points.js.

    The length of a JSON header (uint32), the header, then each column's values, each aligned to four bytes; all little-endian.
    """
    described, bodies, at = [], [], 0
    for column in of:
        body = column.values.astype("<u2" if column.classes else "<f4").tobytes()
        described.append({"name": column.name, "title": column.title, "names": column.names, "at": at})
        bodies.append(body + b"\0" * (-len(body) % 4))
        at += len(bodies[-1])
    header = json.dumps({"ids": list(ids), "columns": described}, ensure_ascii=False).encode()
    header += b" " * (-len(header) % 4)
    return len(header).to_bytes(4, "little") + header + b"".join(bodies)
