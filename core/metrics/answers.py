"""A model's predictions on a set of clips, the input of the metrics. Quick to import, for the worker processes of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.models.base import AVModel, ModelOutput, ModelSpec, over_clip
from affectscope.core.streams import Batch

Ask = Callable[[Batch], tuple[ModelOutput, Mapping[str, Tensor]]]


@dataclass(frozen=True)
class Predictions:
    """A model's predictions on a set of clips. A row is one clip's, or one labelled frame's where a model predicts per frame.

    Attributes:
        predictions: head -> [R, outputs], including "decision".
        target: [R] class indices, or [R, outputs] values, NaN where unlabelled.
        clip: [R], which of the N clips a row belongs to.
        evidence: head -> [N] bool, see ``ModelOutput``.
        present: modality -> [N] bool, whether the clip has a frame of it.
        embeddings: name -> [N, D], empty unless requested.
    """

    spec: ModelSpec
    predictions: Mapping[str, Tensor]
    target: Tensor
    clip: Tensor
    evidence: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)

    def of(self, chosen: Tensor) -> Predictions:
        """The predictions of the clips where ``chosen`` [N] is True."""
        rows = chosen[self.clip]
        place = chosen.cumsum(0) - 1
        return Predictions(
            self.spec,
            {head: values[rows] for head, values in self.predictions.items()},
            self.target[rows],
            place[self.clip[rows]],
            {head: seen[chosen] for head, seen in self.evidence.items()},
            {modality: there[chosen] for modality, there in self.present.items()},
            {name: vectors[chosen] for name, vectors in self.embeddings.items()},
        )


@torch.inference_mode()
def collect(
    model: AVModel,
    batches: Iterable[tuple[Batch, Tensor]],
    without: str | None = None,
    embeddings: bool = False,
    ask: Ask | None = None,
) -> Predictions:
    """Run the model on every clip.

    Args:
        batches: each with its targets: [B] class indices, [B, outputs] values, or per frame [B, T, outputs] ([B, T] class
            indices, negative where unlabelled). NaN marks unlabelled values; rows without any label are skipped.
        without: a modality to remove.
        embeddings: whether to return the embeddings that the spec declares.
        ask: returns the model's output and logits per head, including "decision"; default: the model's own.

    Raises:
        UserError: when there are no labelled clips.
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
        output, by_head = ask(batch) if ask else _as_it_is(model, batch)
        labelled = _labelled(target, by_frame=model.spec.reference is not None)
        targets.append(target[labelled].cpu())
        clips.append(labelled.nonzero()[:, 0].cpu() + count)
        count += len(batch)
        for head, answer in by_head.items():
            answer = answer if labelled.ndim > 1 else _of_clips(model.spec, answer, batch)
            predictions.setdefault(head, []).append(_rows(answer.cpu(), labelled))
        for head, rows in output.evidence.items():
            evidence.setdefault(head, []).append(rows.cpu())
        for name in model.spec.embeddings if embeddings else ():
            vectors.setdefault(name, []).append(output.embeddings[name].cpu())
        for name in model.spec.inputs:
            present.setdefault(name, []).append(batch.present[name].any(1).cpu())
    if not sum(map(len, targets)):
        raise UserError("There is no labelled clip to evaluate: choose a corpus, or a part of it, that has some.")
    heads, drawn_on, there, embedded = (
        {k: torch.cat(v) for k, v in by_name.items()} for by_name in (predictions, evidence, present, vectors)
    )
    return Predictions(model.spec, heads, torch.cat(targets), torch.cat(clips), drawn_on, there, embedded)


def _as_it_is(model: AVModel, batch: Batch) -> tuple[ModelOutput, Mapping[str, Tensor]]:
    output = model(batch)
    return output, {**output.predictions, "decision": model.decide(output)}


def _of_clips(spec: ModelSpec, answer: Tensor, batch: Batch) -> Tensor:
    """[B, outputs], also of a model that answers by frame where clips have one label: its probabilities' mean over frames, as
    logits; see ``core.inference.asked``."""
    if answer.ndim == 2:
        return answer
    return over_clip(spec.readable(answer), batch).log() if spec.task == "classification" else over_clip(answer, batch)


def _labelled(target: Tensor, by_frame: bool) -> Tensor:
    """[B], or [B, T] per frame: where there is a label."""
    labelled = target.isfinite() if target.is_floating_point() else target >= 0
    # Of a clip's own label the frames have none.
    by_frame = by_frame and (target.is_floating_point() or target.ndim > 1)
    return labelled.any(-1) if labelled.ndim > 1 + by_frame else labelled


def _rows(answer: Tensor, labelled: Tensor) -> Tensor:
    """The answers [R, outputs] where ``labelled`` is True; padding may make either longer."""
    if labelled.ndim == 1:
        return answer[labelled.cpu()]
    length = answer.shape[1]
    if bool(labelled[:, length:].any()):
        raise ValueError(f"frames are labelled beyond the {length} that the model answers")
    rows: Tensor = answer[:, : labelled.shape[1]][labelled[:, :length].cpu()]
    return rows
