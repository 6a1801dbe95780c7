"""Facts about a checkpoint or a corpus without running anything. Parsed leniently, because cards are untrusted JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from affectscope.core.checkpoints import plugged
from affectscope.core.checkpoints.plugged import Facts
from affectscope.core.checkpoints.saved import Checkpoint, digest, is_ours, knows, peek
from affectscope.core.corpora import Corpus
from affectscope.core.familiarity.domain import Measured, of_card
from affectscope.core.features.taken import lacking, sets_of
from affectscope.core.inference.table import PredictionTable
from affectscope.core.metrics.metrics import classification_metrics, regression_metrics, tabled
from affectscope.core.models.base import ModelSpec
from affectscope.core.models.catalogue import count
from affectscope.core.text import shown
from affectscope.core.wrapping.declared import Declared
from affectscope.core.wrapping.given import MEANINGS
from affectscope.core.wrapping.wrapped import WrappedModel

_LONGEST = 200
_MOST_SENTENCES = 20


@dataclass(frozen=True)
class Card:
    """Facts about a checkpoint, for display.

    Attributes:
        parameters: counted, whatever the card says.
        config: the sizes, field -> value.
        training: written by training, title -> text.
        metrics: head -> metric -> value, on training's held-out clips.
        synthetic: trained on rendered faces.
        layout: the public layout of its file; empty for our own.
        incompatible: one sentence if its features are unavailable; empty if it can be run.
        features: modality -> feature set.
        imported: for predictions without a model, their source, title -> text.
        assumed, answered: what the public layout's file did not say, as assumed by default, or as answered by the user.
        remarks: what else was in the file, or how an imported table was read.
        problems: problems of an imported table, the first ones of ``count``.
        plugin: for a plugin's model, its source, title -> text.
        domain: measurements with intervals.
        knows: whether it has statistics of its training data.
    """

    spec: ModelSpec
    parameters: int
    bytes: int
    config: Mapping[str, str]
    training: Mapping[str, str]
    metrics: Mapping[str, Mapping[str, float]]
    synthetic: bool = False
    layout: str = ""
    incompatible: str = ""
    features: Mapping[str, str] = field(default_factory=dict)
    imported: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    count: int = 0
    assumed: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    plugin: Mapping[str, str] = field(default_factory=dict)
    domain: tuple[Measured, ...] = ()
    knows: bool = False


def held_out(card: Mapping[str, Any]) -> str:
    """The corpus on which a checkpoint was evaluated, from its card."""
    return "Held-out speakers" if card.get("speakers", {}).get("test") else "Held-out clips, speakers not known"


def read_card(path: Path) -> Card:
    """Read a checkpoint's header, without its weights.

    Raises:
        UserError: when the file is missing, damaged or of another kind.
    """
    model, card = peek(path)
    sets = sets_of(model.spec, card, digest(path))
    return Card(
        model.spec,
        count(model),
        path.stat().st_size,
        _config(model.config),
        _training(card),
        _metrics(card.get("metrics")),
        card.get("synthetic_training") is True,
        _text(card.get("layout")),
        lacking(model.spec, sets),
        sets,
        assumed=_sentences(card.get("assumed")),
        answered=_sentences(card.get("answered")),
        remarks=_sentences(card.get("remarks")),
        domain=of_card(card),
        knows=knows(path),
    )


def plugin_card(declared: Declared, facts: Facts | None = None) -> Card:
    """The card of a plugin's model.

    Args:
        facts: if known; otherwise the model is built once to find out.

    Raises:
        UserError: when it cannot be built or run.
    """
    facts = facts or plugged.facts(declared)
    sets = sets_of(facts.spec, {}, plugged.digest(declared))
    weights = plugged.place(declared)
    size = _size(weights) if weights else 0
    told = {"File": _text(declared.file), "Weights": _text(str(weights)) if weights else ""}
    told |= {f"Missing {m} frames": MEANINGS[absence] for m, absence in facts.spec.absence.items() if absence in MEANINGS}
    return Card(
        facts.spec, facts.parameters, size, {}, {}, {}, incompatible=lacking(facts.spec, sets), features=sets,
        remarks=facts.remarks, plugin={title: text for title, text in told.items() if text},
    )  # fmt: skip


def card_of(checkpoint: Checkpoint) -> Card | None:
    """The card of a model in memory; None if it has no metadata."""
    model = checkpoint.model
    if isinstance(model, WrappedModel) and not (checkpoint.path and is_ours(checkpoint.path)):
        return plugin_card(model.declared, plugged.facts_of(checkpoint))
    return read_card(checkpoint.path) if checkpoint.path else None


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size


def measured(prediction_table: PredictionTable) -> dict[str, dict[str, float]]:
    """Head -> metric -> value, over a prediction table's clips with a label that the model knows; empty without any."""
    if prediction_table.task == "regression":
        known = [name for name in prediction_table.outputs if name in prediction_table.table]
        target = torch.full((len(prediction_table.table), len(prediction_table.outputs)), math.nan)
        for i, name in enumerate(prediction_table.outputs):
            if name in known:
                target[:, i] = torch.from_numpy(prediction_table.table[name].astype(float).to_numpy(np.float32, copy=True))
        if not bool(target.isfinite().any()):
            return {}
        return {
            h: _known(regression_metrics(torch.from_numpy(v), target, prediction_table.outputs))
            for h, v in prediction_table.answers.items()
        }
    if "label" not in prediction_table.table:
        return {}
    classes = {name: i for i, name in enumerate(prediction_table.outputs)}
    index = prediction_table.table["label"].map(classes).to_numpy(float)
    there = np.isfinite(index)
    if not there.any():
        return {}
    target = torch.from_numpy(index[there].astype(np.int64))
    return {
        h: _known(classification_metrics(torch.from_numpy(v[there]).log(), target)) for h, v in prediction_table.answers.items()
    }


def strange(prediction_table: PredictionTable) -> int:
    """Number of clips with a label that the model does not know, and cannot predict."""
    if prediction_table.task != "classification" or "label" not in prediction_table.table:
        return 0
    labels = prediction_table.table["label"].dropna()
    return int((~labels.isin(prediction_table.outputs)).sum())


def classes(corpus: Corpus, durations: Mapping[str, float] | None = None) -> pd.DataFrame:
    """A corpus by label: clips, speakers, and mean duration if ``durations`` (clip id -> seconds) are given."""
    table = corpus.table.assign(seconds=pd.Series(dict(durations or {}), dtype=float).reindex(corpus.table.index))
    order = [label for label in corpus.labels if label in set(table["label"])]
    order += sorted(set(table["label"]) - set(order))
    by_label = table.groupby("label").agg(clips=("speaker", "size"), speakers=("speaker", "nunique"), seconds=("seconds", "mean"))
    return by_label.loc[order]


def _config(config: Any) -> dict[str, str]:
    return {name: _text(value) for name, value in vars(config).items() if name != "labels"}


def _training(card: Mapping[str, Any]) -> dict[str, str]:
    config = card["config"] if isinstance(card.get("config"), dict) else {}
    clips = card["clips"] if isinstance(card.get("clips"), dict) else {}
    speakers = card["speakers"] if isinstance(card.get("speakers"), dict) else {}
    sizes = [
        f"{part} {_text(number)}" + (f" ({len(speakers[part])} speakers)" if isinstance(speakers.get(part), list) else "")
        for part, number in clips.items()
    ]
    epochs = " of ".join(_text(n) for n in (card.get("epochs_run"), config.get("epochs")) if n is not None)
    facts = {
        "Corpus": card.get("corpus"), "Clips": ", ".join(sizes), "Strategy": card.get("strategy"), "Epochs": epochs,
        "Seed": config.get("seed"), "Learning rate": config.get("learning_rate"), "Batch": config.get("batch_size"),
        "Preset": card.get("preset"), "Commit": card.get("commit"), "Date": card.get("date"), "Device": card.get("device"),
    }  # fmt: skip
    return {name: text for name, value in facts.items() if (text := _text(value))}


def _metrics(metrics: Any) -> dict[str, dict[str, float]]:
    heads = metrics.items() if isinstance(metrics, dict) else ()
    return {shown(head, 40): _known(values) for head, values in heads if isinstance(values, dict)}


def _sentences(lines: Any) -> tuple[str, ...]:
    return (
        tuple(shown(line, 2 * _LONGEST) for line in lines[:_MOST_SENTENCES] if isinstance(line, str))
        if isinstance(lines, list)
        else ()
    )


def _known(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(values[name])
        for name in tabled([values])
        if isinstance(values[name], int | float) and math.isfinite(values[name])
    }


def _text(value: Any) -> str:
    """A card's value as one line; empty for nested values."""
    if isinstance(value, tuple | list):
        return shown(", ".join(map(_text, value[:20])), _LONGEST)
    if isinstance(value, float):
        return f"{value:g}"
    return shown(str(value), _LONGEST) if isinstance(value, str | int) else ""
