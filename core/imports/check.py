"""Validates each row: posteriors, attention over frames, embeddings of one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import entr

from affectscope.core.errors import UserError
from affectscope.core.imports import scales
from affectscope.core.imports.layout import Columns, Layout, Predictions
from affectscope.core.imports.read import Problem, Table
from affectscope.core.imports.scales import Scale, Task
from affectscope.core.inference.table import DECISION
from affectscope.core.text import shown

# Heads taken as the system's decision where none has that name.
_MAIN = ("av", "audio-visual", "audiovisual", "fusion", "fused", "multimodal")


@dataclass(frozen=True)
class Attention:
    """Attention over the frames of each clip.

    Attributes:
        weights: [T] float32 for each of N clips, summing to 1, NaN at absent frames; None where there is none.
        rates: [N] frames per second; NaN where frames are spread evenly over the clip.
    """

    modality: str
    name: str
    weights: list[np.ndarray | None]
    rates: np.ndarray


@dataclass(frozen=True)
class ModelPredictions:
    """The valid predictions of a model.

    Attributes:
        at: [N] indices of its clips in the layout.
        answers: head, including "decision" -> [N, C] posteriors, or attribute values.
        heads: those in the table, without "decision".
        decision: the head used as the system's decision.
        scale: head -> how its numbers were interpreted, in words.
        entropy: [N], how uniform the attention is, 0..1; NaN where there is none.
    """

    classes: tuple[str, ...]
    at: np.ndarray
    answers: Mapping[str, np.ndarray]
    heads: tuple[str, ...]
    decision: str
    scale: Mapping[str, str]
    attention: list[Attention]
    embeddings: dict[str, np.ndarray]
    entropy: np.ndarray
    problems: list[Problem] = field(default_factory=list)
    task: Task = "classification"


def check(
    table: Table, layout: Layout, model: str, usable: np.ndarray, scale: Scale = "auto", main: str = ""
) -> ModelPredictions:
    """Validate one model's predictions.

    Args:
        usable: [R] bool, the layout's rows whose clip is known.
        scale: what its numbers are; "auto" detects it.
        main: the head used as the decision; default: found by name, else the first.

    Raises:
        UserError: when the scale cannot be detected.
    """
    own, bad = layout.models[model], dict[int, str]()
    scale_of, posteriors = {}, {}
    task: Task = "classification"
    for head, predictions in own.heads.items():
        kind = scale if scale != "auto" else _kind(predictions, f"{model}.{head}")
        scale_of[head] = scales.title(kind, predictions.values)
        posteriors[head], faults = _posteriors(predictions, kind)
        task = "regression" if kind == "attributes" else task
        for i, why in faults.items():
            bad.setdefault(i, why if len(own.heads) == 1 and head == DECISION else f"{head}: {why}")
    vectors = {name: table.vectors(columns) for name, columns in own.embeddings.items()}
    for name, rows in vectors.items():
        for i, why in _vector_faults([rows[at] for at in layout.at], usable).items():
            bad.setdefault(i, f"embedding {name}: {why}")
    keep = usable.copy()
    keep[list(bad)] = False
    at = keep.nonzero()[0]
    problems = [Problem(layout.rows[i], why, shown(model)) for i, why in sorted(bad.items()) if usable[i]]
    attention = []
    for (modality, name), (column, rate) in own.attention.items():
        lane, faults = _attention(table, layout, at, modality, name, column, rate)
        attention.append(lane)
        problems += [Problem(layout.rows[i], why, shown(model)) for i, why in faults.items()]
    decision = _decision(own, main, model)
    heads = tuple(head for head in posteriors if head != DECISION)
    answers = {DECISION: posteriors[decision][at]} | {head: posteriors[head][at] for head in heads}
    space = "posteriors" if task == "classification" else "values"
    embeddings = {space if head == DECISION else f"{space}, {head}": values for head, values in answers.items()}
    embeddings.pop(f"{space}, {decision}", None)
    embeddings |= {name: np.stack([rows[layout.at[i]] for i in at]) for name, rows in vectors.items() if len(at)}  # type: ignore[misc]
    classes = next(iter(own.heads.values())).classes
    return ModelPredictions(
        classes, at, answers, heads, decision, scale_of, attention, embeddings, _entropy(attention, len(at)), problems, task
    )


def _kind(predictions: Predictions, column: str) -> Scale:
    """The scale stated in the table, or detected: a column of probabilities may hold percentages."""
    if predictions.scale not in ("auto", "probabilities"):
        return predictions.scale
    try:
        guessed = scales.find(predictions.values, column)
    except UserError:
        if predictions.scale == "auto":
            raise
        return predictions.scale
    return guessed if predictions.scale == "auto" or guessed == "percent" else predictions.scale


def _posteriors(predictions: Predictions, scale: Scale) -> tuple[np.ndarray, dict[int, str]]:
    """[R, C] probabilities or values, and row -> why it has none."""
    made, wrong = scales.posteriors(predictions.values, scale)
    count = predictions.values.shape[1]
    missing = np.isnan(predictions.values).sum(1)
    what = "values" if scale == "attributes" else "classes"
    absent = {int(i): f"{missing[i]} of {count} {what} are missing or NaN" for i in missing.nonzero()[0]}
    return made, {**wrong, **absent, **predictions.faults}


def _decision(own: Columns, main: str, model: str) -> str:
    if main and main not in own.heads:
        raise UserError(f"{shown(model)} has no head {shown(main)}: choose one of {', '.join(map(shown, own.heads))}.")
    if main:
        return main
    return next((head for head in (DECISION, *_MAIN) if head in own.heads), next(iter(own.heads)))


def _vector_faults(rows: list[np.ndarray | None], usable: np.ndarray) -> dict[int, str]:
    """Row -> why its vector is invalid: all must have the most frequent length."""
    sizes = np.array([0 if row is None else len(row) for row in rows])
    there = sizes[usable & (sizes > 0)]
    size = int(np.bincount(there).argmax()) if len(there) else 0
    faults = {}
    for i, row in enumerate(rows):
        if row is None or not len(row):
            faults[i] = "it is missing or no list of numbers"
        elif len(row) != size:
            faults[i] = f"{len(row)} numbers where the others have {size}"
        elif not np.isfinite(row).all():
            faults[i] = "a number that is NaN or infinite"
    return faults


def _attention(
    table: Table, layout: Layout, at: np.ndarray, modality: str, name: str, column: str, rate: str
) -> tuple[Attention, dict[int, str]]:
    cells, rates = list(table.lists(column)), np.full(len(table.rows), np.nan)
    if rate:
        rates = table.numbers(rate)
    weights: list[np.ndarray | None] = []
    faults: dict[int, str] = {}
    own = f"attention {modality}{f' {name}' if name else ''}"
    for i in at:
        cell = cells[layout.at[i]]
        why = "" if cell is None else _no_weights(cell)
        if cell is not None and rate and not (np.isfinite(rates[layout.at[i]]) and rates[layout.at[i]] > 0):
            why = why or "its rate is missing or not above 0"
        if why:
            faults[int(i)] = f"{own}: {why}"
        weights.append(None if cell is None or why else (cell / np.nansum(cell)).astype(np.float32))
    return Attention(modality, name, weights, rates[[layout.at[i] for i in at]]), faults


def _no_weights(cell: np.ndarray) -> str:
    if not len(cell):
        return "no list of numbers"
    if np.isinf(cell).any() or (cell < 0).any():
        return "a weight below 0 or infinite"
    return "" if np.nansum(cell) > 0 else "its weights sum to 0"


def _entropy(attention: list[Attention], count: int) -> np.ndarray:
    """How uniform it is, 0 to 1: the mean over all maps with at least two frames, as in ``core.inference.corpus.entropy``."""
    evenness = np.full((len(attention), count), np.nan)
    for k, lane in enumerate(attention):
        for i, weights in enumerate(lane.weights):
            frames = 0 if weights is None else int((weights > 0).sum())
            if weights is not None and frames > 1:
                evenness[k, i] = np.nansum(entr(weights.astype(float))) / np.log(frames)
    there = np.isfinite(evenness).sum(0)
    return np.where(there > 0, np.nansum(evenness, 0) / np.maximum(there, 1), np.nan)
