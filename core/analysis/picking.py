"""Selections on a map: clips inside a lasso, or with some values of a column; and the model's scores on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score


def unit(points: np.ndarray) -> np.ndarray:
    """A map's points scaled to a square from -1 to 1, keeping proportions: the lasso's coordinates, here and in the browser."""
    low, high = points.min(0).astype(float), points.max(0).astype(float)
    half = float((high - low).max()) / 2 or 1.0
    return ((points.astype(float) - (low + high) / 2) / half).astype(np.float32)


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which of [N, 2] are inside a polygon [K, 2], by the even-odd rule: [N] bool. None with fewer than three corners.

    The browser computes the same (``inside`` in app/embeddings/points.js): both must agree.
    """
    within = np.zeros(len(points), bool)
    if len(polygon) < 3:
        return within
    points, polygon = points.astype(float), polygon.astype(float)
    near = ((points >= polygon.min(0)) & (points <= polygon.max(0))).all(1).nonzero()[0]
    x, y = points[near].T
    crossed = np.zeros(len(near), bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, 1, 0), strict=True):
        if ay != by:
            crossed ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    within[near] = crossed
    return within


@dataclass(frozen=True)
class Scores:
    """A model's scores on some clips: metric of ``core.metrics`` -> value, where defined."""

    clips: int
    scores: Mapping[str, float] = field(default_factory=dict)


def score(table: pd.DataFrame) -> Scores:
    """Scores of a prediction table's rows: accuracy and macro-F1, or mean absolute error.

    Macro-F1 is the mean over the classes that occur among labels or predictions.
    """
    if "predicted" in table and "label" in table:
        known = table[table["label"].notna()]
        if len(known):
            # Comparing numbers is many times faster than comparing names.
            codes = pd.factorize(pd.concat([known["label"], known["predicted"]]).astype(str))[0]
            true, predicted = np.split(codes, 2)
            f1 = float(f1_score(true, predicted, average="macro", zero_division=0))
            return Scores(len(table), {"accuracy": float(accuracy_score(true, predicted)), "macro_f1": f1})
    if "error" in table and table["error"].notna().any():
        return Scores(len(table), {"mae": float(table["error"].mean())})
    return Scores(len(table))


def worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """Errors first, most confident first; for values, by absolute error."""
    if "error" in table:
        return table.sort_values("error", ascending=False, kind="stable")
    if "correct" in table and "confidence" in table:
        order = np.where(table["correct"].eq(False), 1.0, -1.0) * (table["confidence"].to_numpy() + 1e-9)
        return table.iloc[np.argsort(-order, kind="stable")]
    return table


def named(table: pd.DataFrame, column: str, values: Sequence[str]) -> np.ndarray:
    """Which rows have one of these values, as text: [N] bool."""
    return as_text(table[column]).isin(list(values)).to_numpy() if column in table else np.zeros(len(table), bool)


def as_text(column: pd.Series) -> pd.Series:
    """Values as in a legend: yes and no, integers without a point, and "unknown" if missing."""
    if column.dropna().isin([True, False]).all() and column.map(lambda value: isinstance(value, bool | np.bool_)).any():
        return column.map(lambda value: "unknown" if pd.isna(value) else "yes" if value else "no").astype(str)
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        return column.map(lambda value: "unknown" if pd.isna(value) else str(int(value))).astype(str)
    return column.map(lambda value: "unknown" if pd.isna(value) else str(value)).astype(str)
