"""How good a model is: by head, and by the modalities that clips have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.functional.regression import concordance_corrcoef, mean_absolute_error

from core.errors import UserError
from core.models.base import AVModel, ModelSpec
from core.streams import Batch

Metrics = dict[str, object]


def classification_metrics(logits: Tensor, target: Tensor) -> Metrics:
    """Accuracy, micro- and macro-F1, unweighted average recall, ECE and confusion.

    Micro-F1 is accuracy where a clip has one label; both names are here because papers use both. Macro-F1 is the mean over the
    classes that occur among targets or answers, unweighted recall over those among targets: a class that a split happens not to
    hold neither helps nor hurts.

    Args:
        logits: [N, C]; target: [N].
    """
    classes = logits.shape[1]
    predicted, true = logits.argmax(1).numpy(), target.numpy()
    right = float((predicted == true).mean())
    _, recall, f1, support = precision_recall_fscore_support(true, predicted, zero_division=0)
    return {
        "clips": len(true),
        "accuracy": right,
        "micro_f1": right,
        "macro_f1": float(f1.mean()),
        "uar": float(recall[support > 0].mean()),
        "ece": float(multiclass_calibration_error(logits.softmax(1), target, classes, n_bins=15)),
        "confusion": confusion_matrix(true, predicted, labels=range(classes)).tolist(),
    }


def regression_metrics(values: Tensor, target: Tensor, names: Sequence[str]) -> Metrics:
    """CCC (001, Eq. 3; 003, Eq. 2) and mean absolute error (001, Eq. 4): their mean over attributes, and each attribute's.

    Args:
        values: [R, attributes]; target: the same, NaN where nobody labelled. A row is a clip, or a frame of any clip: the CCC
            of answers by frame is that of all frames together, as Aff-Wild2's published figures are.
        names: of the attributes. One that nobody labelled in any row is left out.
    """
    ccc, mae = {}, {}
    for i, name in enumerate(names):
        said = target[:, i].isfinite()
        if not said.any():
            continue
        ccc[name] = concordance(values[said, i], target[said, i])
        mae[name] = float(mean_absolute_error(values[said, i].double(), target[said, i].double()))
    own = {f"{kind}_{name}": value for kind, by_name in (("ccc", ccc), ("mae", mae)) for name, value in by_name.items()}
    return {"ccc": sum(ccc.values()) / len(ccc), "mae": sum(mae.values()) / len(mae), **own}


def concordance(values: Tensor, target: Tensor) -> float:
    """Lin's concordance correlation of [N] and [N]; 0 where either never changes, or there is only one."""
    values, target = values.double(), target.double()
    if len(values) < 2 or bool((values == values[0]).all()) or bool((target == target[0]).all()):
        return 0.0
    return float(concordance_corrcoef(values, target))


@dataclass(frozen=True)
class Answers:
    """What a model said of a set of clips. A row is a clip's answer; for a model with a clock, that of a labelled frame.

    Attributes:
        predictions: head -> [R, outputs], "decision" among them.
        target: [R] class indices, or [R, outputs] values, NaN where nobody labelled.
        clip: [R], which of the N clips a row belongs to.
        evidence: head -> [N] bool, see ``ModelOutput``.
        present: modality -> [N] bool, whether the clip has a frame of it.
        embeddings: name -> [N, D], empty unless asked for.
    """

    spec: ModelSpec
    predictions: Mapping[str, Tensor]
    target: Tensor
    clip: Tensor
    evidence: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)

    def of(self, chosen: Tensor) -> Answers:
        """Those of the clips where ``chosen`` [N] is True."""
        rows = chosen[self.clip]
        place = chosen.cumsum(0) - 1
        return Answers(
            self.spec,
            {head: values[rows] for head, values in self.predictions.items()},
            self.target[rows],
            place[self.clip[rows]],
            {head: seen[chosen] for head, seen in self.evidence.items()},
            {modality: there[chosen] for modality, there in self.present.items()},
            {name: vectors[chosen] for name, vectors in self.embeddings.items()},
        )

    def metrics(self, head: str) -> Metrics:
        """Of one head, over all clips; one without evidence has answered with the prior."""
        if self.spec.task == "classification":
            counted = classification_metrics(self.predictions[head], self.target)
        else:
            counted = regression_metrics(self.predictions[head], self.target, self.spec.labels)
        size = {"clips": len(self.clip.unique())} | ({"frames": len(self.clip)} if self.spec.clock else {})
        return size | {k: v for k, v in counted.items() if k not in size}

    def by_head(self) -> dict[str, Metrics]:
        """Metrics by head, and for the system's "decision"."""
        return {head: self.metrics(head) for head in self.predictions}

    def by_presence(self) -> dict[str, dict[str, Metrics]]:
        """Metrics by the modalities that a clip has ("audio+visual", "audio", "visual", "none"), and by head.

        Groups without a clip are left out, and so are heads that have no evidence in a group.
        """
        there = torch.stack(list(self.present.values()), 1)
        groups = {}
        for has in product((True, False), repeat=len(self.present)):
            chosen = (there == torch.tensor(has)).all(1)
            if not bool(chosen[self.clip].any()):
                continue
            part = self.of(chosen)
            heads = [head for head in part.predictions if head == "decision" or bool(part.evidence[head].any())]
            name = "+".join(modality for modality, one in zip(self.present, has, strict=True) if one) or "none"
            groups[name] = {head: part.metrics(head) for head in heads}
        return groups


@torch.inference_mode()
def collect(
    model: AVModel, batches: Iterable[tuple[Batch, Tensor]], without: str | None = None, embeddings: bool = False
) -> Answers:
    """Ask the model about every clip.

    Args:
        batches: each with its targets: [B] class indices, [B, outputs] values, or by frame [B, T, outputs] ([B, T] class
            indices, negative where nobody labelled). NaN is a value that nobody gave; a row without any is not asked about.
        without: the modality to take away.
        embeddings: whether to keep the embeddings that the spec declares.

    Raises:
        UserError: when there is nothing to ask about.
    """
    model.eval()
    predictions: dict[str, list[Tensor]] = {}
    evidence: dict[str, list[Tensor]] = {}
    present: dict[str, list[Tensor]] = {}
    vectors: dict[str, list[Tensor]] = {}
    targets, clips, count = [], [], 0
    for batch, target in batches:
        batch = batch.to(model.prior.device).completed(model.spec.inputs)
        batch = batch.without(without) if without else batch
        output = model(batch)
        said = _labelled(target, by_frame=model.spec.clock is not None)
        targets.append(target[said].cpu())
        clips.append(said.nonzero()[:, 0].cpu() + count)
        count += len(batch)
        for head, answer in {**output.predictions, "decision": model.decide(output)}.items():
            predictions.setdefault(head, []).append(_rows(answer.cpu(), said))
        for head, seen in output.evidence.items():
            evidence.setdefault(head, []).append(seen.cpu())
        for name in model.spec.embeddings if embeddings else ():
            vectors.setdefault(name, []).append(output.embeddings[name].cpu())
        for name in model.spec.inputs:
            present.setdefault(name, []).append(batch.present[name].any(1).cpu())
    if not sum(map(len, targets)):
        raise UserError("There is no labelled clip to evaluate: choose a corpus, or a part of it, that has some.")
    heads, seen, there, embedded = (
        {k: torch.cat(v) for k, v in by_name.items()} for by_name in (predictions, evidence, present, vectors)
    )
    return Answers(model.spec, heads, torch.cat(targets), torch.cat(clips), seen, there, embedded)


def predict(
    model: AVModel, batches: Iterable[tuple[Batch, Tensor]], without: str | None = None
) -> tuple[dict[str, Tensor], Tensor]:
    """Logits or values [R, outputs] by head, "decision" among them, and the targets [R] or [R, outputs]; see ``collect``."""
    answers = collect(model, batches, without)
    return dict(answers.predictions), answers.target


def evaluate(model: AVModel, batches: Iterable[tuple[Batch, Tensor]], without: str | None = None) -> dict[str, Metrics]:
    """Metrics by head and for the system's decision; see ``collect``."""
    return collect(model, batches, without).by_head()


def _labelled(target: Tensor, by_frame: bool) -> Tensor:
    """[B], or [B, T] by frame: where there is something to be right about."""
    said = target.isfinite() if target.is_floating_point() else target >= 0
    return said.any(-1) if said.ndim > 1 + by_frame else said


def _rows(answer: Tensor, said: Tensor) -> Tensor:
    """The answers [R, outputs] where ``said`` is True; padding may make either longer."""
    if said.ndim == 1:
        return answer[said.cpu()]
    length = answer.shape[1]
    if bool(said[:, length:].any()):
        raise ValueError(f"frames are labelled beyond the {length} that the model answers")
    rows: Tensor = answer[:, : said.shape[1]][said[:, :length].cpu()]
    return rows
