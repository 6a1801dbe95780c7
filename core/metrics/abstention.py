"""What a model gains by keeping silent where it is least sure: accuracy against the share of clips that it answers."""

from __future__ import annotations

import numpy as np
import pandas as pd


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """The risk-coverage curve (El-Yaniv and Wiener 2010): of the surest clips so many, the share that is answered wrong.

    Answers of one confidence come in no order: each counts with the mean risk of those that share it, so that a model that is
    always as sure has a level curve.

    Args:
        confidence: [N], of each answer, as it is shown; right: [N] bool.

    Returns:
        A row for each number of clips answered, from one to N: ``coverage``, ``risk``, ``accuracy`` = 1 - risk, and
        ``confidence``, the least that is answered.
    """
    order = np.argsort(-np.asarray(confidence, float), kind="stable")
    sure = np.asarray(confidence, float)[order]
    wrong = pd.Series(1.0 - np.asarray(right, float)[order]).groupby(sure).transform("mean").to_numpy()
    count = np.arange(1, len(order) + 1)
    risk = np.cumsum(wrong) / count
    return pd.DataFrame({"coverage": count / max(1, len(order)), "risk": risk, "accuracy": 1 - risk, "confidence": sure})


def aurc(confidence: np.ndarray, right: np.ndarray) -> float:
    """The area under the risk-coverage curve (Geifman and El-Yaniv 2017), the mean of its risks; 0 is best, NaN of no answer."""
    return float(risk_coverage(confidence, right)["risk"].mean())


def surest(confidence: np.ndarray, right: np.ndarray, share: float = 0.5) -> tuple[float, int]:
    """The share of right answers among the surest clips, and how many these are: at least ``share`` of all, NaN and 0 of none."""
    count = int(np.ceil(share * len(confidence)))
    return (float(risk_coverage(confidence, right)["accuracy"].iloc[count - 1]), count) if count else (float("nan"), 0)
