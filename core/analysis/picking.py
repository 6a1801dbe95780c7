"""Some clips of a map: those inside a line drawn by hand, or with some values of a column; and how the model does on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score


def unit(points: np.ndarray) -> np.ndarray:
    """The points of a map in a square from -1 to 1, its shape kept: in these a lasso is drawn, here as in the browser."""
    low, high = points.min(0).astype(float), points.max(0).astype(float)
    half = float((high - low).max()) / 2 or 1.0
    return ((points.astype(float) - (low + high) / 2) / half).astype(np.float32)


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which of [N, 2] lie inside a closed line [K, 2], by the even-odd rule: [N] bool. Below three corners nobody does.

    The browser asks in the same way (``inside`` in app/embeddings/points.js): both must name the same clips.
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
    """How the model does on some clips: metric of ``core.metrics`` -> value, those that can be said."""

    clips: int
    scores: Mapping[str, float] = field(default_factory=dict)


def score(table: pd.DataFrame) -> Scores:
    """Score the rows of a prediction table: accuracy and macro-F1 of its answers, or the mean absolute error of its values.

    Macro-F1 is the mean over the classes that occur among labels or answers.
    """
    if "predicted" in table and "label" in table:
        known = table[table["label"].notna()]
        if len(known):
            # Numbers are compared many times faster than names.
            codes = pd.factorize(pd.concat([known["label"], known["predicted"]]).astype(str))[0]
            true, predicted = np.split(codes, 2)
            f1 = float(f1_score(true, predicted, average="macro", zero_division=0))
            return Scores(len(table), {"accuracy": float(accuracy_score(true, predicted)), "macro_f1": f1})
    if "error" in table and table["error"].notna().any():
        return Scores(len(table), {"mae": float(table["error"].mean())})
    return Scores(len(table))


def worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """The wrong answers first, the most confident first; by error where the answers are values."""
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
    """Values as a legend names them: yes and no, whole numbers without a point, and "unknown" where there is none."""
    if column.dropna().isin([True, False]).all() and column.map(lambda value: isinstance(value, bool | np.bool_)).any():
        return column.map(lambda value: "unknown" if pd.isna(value) else "yes" if value else "no").astype(str)
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        return column.map(lambda value: "unknown" if pd.isna(value) else str(int(value))).astype(str)
    return column.map(lambda value: "unknown" if pd.isna(value) else str(value)).astype(str)
