"""What a model says of clips, before anything is counted. Quick to import: processes of a sweep need no more than this."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.models.base import AVModel, ModelSpec
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class Predictions:
    """What a model said of a set of clips. A row is a clip's answer; for a model that answers by frame, that of a labelled one.

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

    def of(self, chosen: Tensor) -> Predictions:
        """Those of the clips where ``chosen`` [N] is True."""
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
    model: AVModel, batches: Iterable[tuple[Batch, Tensor]], without: str | None = None, embeddings: bool = False
) -> Predictions:
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
        said = _labelled(target, by_frame=model.spec.reference is not None)
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
    return Predictions(model.spec, heads, torch.cat(targets), torch.cat(clips), seen, there, embedded)


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
