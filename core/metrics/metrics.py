"""Metrics per head, and by the modalities that clips have.

``METRICS`` defines every metric: name, computation, format, direction, and where it is shown. To add one, add an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectscope.core.metrics.answers import Ask, Predictions, collect
from affectscope.core.metrics.calibration import ECE_TITLE, calibration_error
from affectscope.core.models.base import AVModel, Task
from affectscope.core.streams import Batch

Metrics = dict[str, object]


@dataclass(frozen=True)
class ScoredHead:
    """One head's answers and their targets.

    Attributes:
        values: [R, C] logits, or [R] values of one attribute.
        target: [R] class indices, or [R] values.
        recall, f1: [classes] of those that occur among targets or predictions; empty for attributes.
        occurs: [classes] bool, which of these occur among targets.
    """

    values: Tensor
    target: Tensor
    recall: np.ndarray = field(default_factory=lambda: np.empty(0))
    f1: np.ndarray = field(default_factory=lambda: np.empty(0))
    occurs: np.ndarray = field(default_factory=lambda: np.empty(0, bool))

    @property
    def right(self) -> float:
        """Share of the rows whose predicted class is right."""
        return float((self.values.argmax(1).numpy() == self.target.numpy()).mean())


@dataclass(frozen=True)
class Metric:
    """One performance measure.

    Attributes:
        title: short name for columns; long: name for running text.
        task: of the models to which it applies.
        count: computes it from ``ScoredHead``; for attributes it is computed for each, and averaged.
        format: of the number in a table; ``percent``: whether text states it in percent.
        better: which direction is better.
        note: a clause that explains it below a table.
        tabled: whether it is shown for one model; ``compared``: in tables of many models, where space is scarce.
        drawn: whether it can be plotted over missing frames.
        by_attribute: whether papers report it per attribute, not as their mean.
    """

    title: str
    task: Task
    count: Callable[[ScoredHead], float]
    long: str = ""
    format: str = ".3f"
    percent: bool = False
    better: Literal["higher", "lower"] = "higher"
    note: str = ""
    tabled: bool = True
    compared: bool = False
    drawn: bool = True
    by_attribute: bool = False

    def written(self, value: float | None) -> str:
        """The number as formatted in tables; empty if there is none."""
        return "" if value is None else format(value, self.format)

    @property
    def words(self) -> str:
        return self.long or self.title


def concordance(values: Tensor, target: Tensor) -> float:
    """Lin's concordance correlation of [N] and [N]; 0 where either is constant, or N is 1."""
    # Imported late, here and below: torchmetrics takes seconds to import.
    from torchmetrics.functional.regression import concordance_corrcoef

    values, target = values.double(), target.double()
    if len(values) < 2 or bool((values == values[0]).all()) or bool((target == target[0]).all()):
        return 0.0
    return float(concordance_corrcoef(values, target))


def _absolute_error(values: Tensor, target: Tensor) -> float:
    from torchmetrics.functional.regression import mean_absolute_error

    return float(mean_absolute_error(values.double(), target.double()))


# Keys are used in results, cards and files; tables follow this order. Micro-F1 equals accuracy where a clip has one label; papers
# use both names, and no place shows both.
METRICS: dict[str, Metric] = {
    "accuracy": Metric("Accuracy", "classification", lambda a: a.right, percent=True, compared=True, drawn=False),
    "micro_f1": Metric("Micro-F1", "classification", lambda a: a.right, "Micro-F1 (accuracy)", percent=True, tabled=False),
    "macro_f1": Metric("Macro-F1", "classification", lambda a: float(a.f1.mean()), percent=True, compared=True),
    "uar": Metric("UAR", "classification", lambda a: float(a.recall[a.occurs].mean()), "Unweighted recall", percent=True),
    "ece": Metric(
        "ECE", "classification", lambda a: calibration_error(a.values, a.target), "Calibration error", better="lower",
        note=f"{ECE_TITLE} of the answer's confidence",
    ),
    "ccc": Metric("CCC", "regression", lambda a: concordance(a.values, a.target), compared=True, by_attribute=True),
    "mae": Metric(
        "MAE", "regression", lambda a: _absolute_error(a.values, a.target), "Mean absolute error", better="lower", compared=True
    ),
}  # fmt: skip
MAIN: Mapping[Task, str] = {"classification": "macro_f1", "regression": "ccc"}
"""The main metric of a model, where there is space for one."""


def named(task: Task) -> dict[str, Metric]:
    """The metrics for a task."""
    return {name: metric for name, metric in METRICS.items() if metric.task == task}


def tabled(heads: Iterable[Mapping[str, object]]) -> dict[str, Metric]:
    """The columns of a table of metrics: those that any of its heads has."""
    rows = list(heads)
    return {name: metric for name, metric in METRICS.items() if metric.tabled and any(name in row for row in rows)}


def classification_metrics(logits: Tensor, target: Tensor) -> Metrics:
    """Classification metrics and the confusion matrix.

    Macro-F1 is the mean over the classes that occur among targets or predictions, unweighted recall over those among targets: a
    class missing from a split has no effect.

    Args:
        logits: [N, C]; target: [N].
    """
    # Imported late: it takes seconds, and cards use this module without calling it.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted, true = logits.argmax(1).numpy(), target.numpy()
    _, recall, f1, support = precision_recall_fscore_support(true, predicted, zero_division=0)
    answered = ScoredHead(logits, target, recall, f1, support > 0)
    return {
        "clips": len(true),
        **{name: metric.count(answered) for name, metric in named("classification").items()},
        "confusion": confusion_matrix(true, predicted, labels=range(logits.shape[1])).tolist(),
    }


def regression_metrics(values: Tensor, target: Tensor, names: Sequence[str]) -> Metrics:
    """Regression metrics: their mean over attributes, and each attribute's.

    These include CCC (goncalves2025versatile, Eq. 3; parthasarathy2020detecting, Eq. 2) and mean absolute error
    (goncalves2025versatile, Eq. 4).

    Args:
        values: [R, attributes]; target: the same, NaN where unlabelled. A row is a clip, or a frame of any clip: the CCC of
            per-frame predictions is over all frames together, as in Aff-Wild2's published figures.
        names: of the attributes. One without any label is left out.
    """
    labelled = target.isfinite()
    rows = {
        name: ScoredHead(values[labelled[:, i], i], target[labelled[:, i], i])
        for i, name in enumerate(names)
        if bool(labelled[:, i].any())
    }
    each = {
        kind: {name: metric.count(answered) for name, answered in rows.items()} for kind, metric in named("regression").items()
    }
    own = {f"{kind}_{name}": value for kind, by_name in each.items() for name, value in by_name.items()}
    return {**{kind: sum(by_name.values()) / len(by_name) for kind, by_name in each.items()}, **own}


def by_head(answers: Predictions) -> dict[str, Metrics]:
    """Metrics per head, and for the system's "decision", over all clips; heads without evidence return the prior."""
    return {head: _of_head(answers, head) for head in answers.predictions}


def by_presence(answers: Predictions) -> dict[str, dict[str, Metrics]]:
    """Metrics by the modalities that a clip has ("audio+visual", "audio", "visual", "none"), and by head.

    Groups without clips are left out, and so are heads without evidence in a group.
    """
    there = torch.stack(list(answers.present.values()), 1)
    groups = {}
    for has in product((True, False), repeat=len(answers.present)):
        chosen = (there == torch.tensor(has)).all(1)
        if not bool(chosen[answers.clip].any()):
            continue
        part = answers.of(chosen)
        heads = [head for head in part.predictions if head == "decision" or bool(part.evidence[head].any())]
        name = "+".join(modality for modality, is_there in zip(answers.present, has, strict=True) if is_there) or "none"
        groups[name] = {head: _of_head(part, head) for head in heads}
    return groups


def _of_head(answers: Predictions, head: str) -> Metrics:
    if answers.spec.task == "classification":
        counted = classification_metrics(answers.predictions[head], answers.target)
    else:
        counted = regression_metrics(answers.predictions[head], answers.target, answers.spec.labels)
    clips = int((answers.clip.bincount() > 0).sum())
    # A model that answers by frame is measured by clip where clips have one label.
    size = {"clips": clips} | ({"frames": len(answers.clip)} if answers.spec.reference and len(answers.clip) > clips else {})
    return size | {k: v for k, v in counted.items() if k not in size}


def evaluate(
    model: AVModel, batches: Iterable[tuple[Batch, Tensor]], without: str | None = None, ask: Ask | None = None
) -> dict[str, Metrics]:
    """Metrics per head and for the system's decision; see ``collect``."""
    return by_head(collect(model, batches, without, ask=ask))
