"""Selective prediction: accuracy against the share of clips that a model answers when it abstains on the least confident ones."""

from __future__ import annotations

import numpy as np
import pandas as pd


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """The risk-coverage curve (El-Yaniv and Wiener 2010): the error rate among the most confident clips.

    Ties in confidence have no order: each counts with their mean risk, so that a model of constant confidence has a flat curve.

    Args:
        confidence: [N], of each answer, as displayed; right: [N] bool.

    Returns:
        A row for each number of answered clips, from one to N: ``coverage``, ``risk``, ``accuracy`` = 1 - risk, and
            ``confidence``, the lowest one answered.
    """
    order = np.argsort(-np.asarray(confidence, float), kind="stable")
    sure = np.asarray(confidence, float)[order]
    wrong = pd.Series(1.0 - np.asarray(right, float)[order]).groupby(sure).transform("mean").to_numpy()
    count = np.arange(1, len(order) + 1)
    risk = np.cumsum(wrong) / count
    return pd.DataFrame({"coverage": count / max(1, len(order)), "risk": risk, "accuracy": 1 - risk, "confidence": sure})


def aurc(confidence: np.ndarray, right: np.ndarray) -> float:
    """Area under the risk-coverage curve (Geifman and El-Yaniv 2017), the mean of its risks; 0 is best, NaN without answers."""
    return float(risk_coverage(confidence, right)["risk"].mean())


def surest(confidence: np.ndarray, right: np.ndarray, share: float = 0.5) -> tuple[float, int]:
    """Accuracy on the most confident clips, and their number: at least ``share`` of all; NaN and 0 without any."""
    count = int(np.ceil(share * len(confidence)))
    return (float(risk_coverage(confidence, right)["accuracy"].iloc[count - 1]), count) if count else (float("nan"), 0)
