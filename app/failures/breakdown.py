"""Cached computations on a prediction table for the Failures page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
import torch

from affectscope.app import services
from affectscope.core.evaluation import failures, slices
from affectscope.core.inference.table import DECISION, PredictionTable
from affectscope.core.metrics.calibration import calibration_error, reliability

LABEL = "emotion"


def key(model: str) -> str:
    """The cache key of a prediction table."""
    return services.prediction_table_id(model)


@st.cache_data(max_entries=32, show_spinner=False)
def cases(key: str, head: str, modalities: dict[str, tuple[str, ...]], _prediction_table: PredictionTable) -> pd.DataFrame:
    return failures.cases(_prediction_table, head, modalities)


@st.cache_data(max_entries=32, show_spinner=False)
def groups(
    key: str, head: str, modalities: dict[str, tuple[str, ...]], _prediction_table: PredictionTable
) -> dict[str, tuple[str, np.ndarray]]:
    return failures.groups(_prediction_table, head, modalities)


@st.cache_data(max_entries=32, show_spinner=False)
def parts(key: str, known: tuple[str, ...], _prediction_table: PredictionTable) -> pd.DataFrame:
    """The corpus's columns (``columns``) that define subgroups, including the true label and the duration."""
    own = {"path", *_prediction_table.outputs} if _prediction_table.task == "regression" else {"path"}
    columns = [name for name in known if name not in own]
    table = _prediction_table.table.rename(columns={"label": LABEL})
    columns = [LABEL if name == "label" else name for name in columns]
    return slices.parts(table, list(dict.fromkeys([*columns, "duration"])))


def columns(model: str) -> tuple[str, ...]:
    """The columns of the corpus of a model's clips."""
    return tuple(map(str, services.clips_of(model).columns))


@st.cache_data(max_entries=32, show_spinner=False)
def by_part(
    key: str,
    known: tuple[str, ...],
    head: str,
    attribute: str,
    modalities: dict[str, tuple[str, ...]],
    _prediction_table: PredictionTable,
) -> pd.DataFrame:
    """Accuracy, or CCC and MAE of an attribute, in every subgroup."""
    part = parts(key, known, _prediction_table)
    if attribute:
        found = failures.errors(_prediction_table, head, attribute)
        return slices.agreement(part.loc[found.index], found["truth"], found["predicted"])
    scored = cases(key, head, modalities, _prediction_table)
    scored = scored[scored["truth"].notna()]
    return slices.accuracy(part.loc[scored.index], scored["correct"])


@st.cache_data(max_entries=32, show_spinner=False)
def bins(key: str, head: str, _prediction_table: PredictionTable) -> tuple[pd.DataFrame, float]:
    """The reliability diagram's bins with Wilson's intervals, and the ECE."""
    truth = _prediction_table.table["label"].map({name: i for i, name in enumerate(_prediction_table.outputs)})
    known = truth.notna().to_numpy()
    logits = torch.from_numpy(_prediction_table.answers[head][known]).log()
    target = torch.tensor(truth[known].tolist()).long()
    table = reliability(logits, target)
    right = (table["accuracy"] * table["count"]).round().astype(int)
    spread = [slices.wilson(r, n) for r, n in zip(right, table["count"], strict=True)]
    table["accuracy_low"], table["accuracy_high"] = zip(*spread, strict=True)
    return table, calibration_error(logits, target)


__all__ = ["DECISION", "LABEL", "bins", "by_part", "cases", "columns", "groups", "key", "parts"]
