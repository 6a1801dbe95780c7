"""A model asked, and what its answers are worth: confidence that keeps its word, how near each clip is to training, and a
decision without a modality that the model is proven to guess from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.knowing import domain
from affectscope.core.knowing.knowing import LIKE, nearest_of
from affectscope.core.knowing.words import Familiar, of_clip
from affectscope.core.models.base import ModelOutput, over_clip
from affectscope.core.streams import Batch

DECISION = "decision"


@dataclass(frozen=True)
class Nearness:
    """How near clips are to what a model was trained on.

    Attributes:
        distances: modality -> [B], 1 where 95 % of the development clips are nearer; NaN where a clip does not have it. Without
            statistics of training it is empty.
        levels: modality -> [B], see ``core.knowing.knowing``.
        left_out: modality -> [B] bool, whether the decision goes without it: the model is proven to guess from it on recordings
            of people, the clip's is not like training, and there is another.
    """

    distances: Mapping[str, Tensor] = field(default_factory=dict)
    levels: Mapping[str, Tensor] = field(default_factory=dict)
    left_out: Mapping[str, Tensor] = field(default_factory=dict)

    def repeated(self, count: int) -> Nearness:
        """That of one clip, for so many rows of it."""
        three = ({m: v[:1].expand(count) for m, v in each.items()} for each in (self.distances, self.levels, self.left_out))
        return Nearness(*three)


@dataclass(frozen=True)
class Answered:
    """What a model says of a batch.

    Attributes:
        output: as the model gave it.
        logits: head, "decision" last -> [B, outputs], or by frame; of classes calibrated: their softmax is the confidence.
        fits_none: head -> [B] bool, whether none of its classes speaks; heads of which that is not known are left out.
    """

    output: ModelOutput
    logits: Mapping[str, Tensor]
    nearness: Nearness
    fits_none: Mapping[str, Tensor]

    def readable(self, checkpoint: Checkpoint, batch: Batch) -> dict[str, Tensor]:
        """Head -> probabilities, or values, [B, outputs] over the clip."""
        return {head: over_clip(checkpoint.spec.readable(logits), batch) for head, logits in self.logits.items()}

    def familiar(self, checkpoint: Checkpoint, row: int = 0) -> Familiar:
        """How near one clip of the batch is, for people."""
        if checkpoint.known is None:
            return Familiar()
        near = self.nearness
        return of_clip(
            {m: float(v[row]) for m, v in near.distances.items()},
            {m: int(v[row]) for m, v in near.levels.items()},
            [m for m, gone in near.left_out.items() if bool(gone[row])],
            guesses_of(checkpoint),
            [head for head, quiet in self.fits_none.items() if bool(quiet[row]) and self._seen(head, row)],
        )

    def _seen(self, head: str, row: int) -> bool:
        """Whether a head had something to answer from; the decision has it where any head has."""
        heads = self.output.evidence if head == DECISION else [head]
        return any(bool(self.output.evidence[h][row]) for h in heads)


def nearness(checkpoint: Checkpoint, batch: Batch) -> Nearness:
    """How near the clips of a batch are; see ``Nearness``."""
    if checkpoint.known is None:
        return Nearness()
    batch = batch.completed(checkpoint.spec.inputs)
    distances = checkpoint.known.distances(batch)
    levels = checkpoint.known.levels(distances)
    guessed = guesses_of(checkpoint)
    there = {m: batch.present[m].any(1).cpu() for m in checkpoint.spec.inputs}
    left_out = {}
    for modality in guessed:
        if modality not in levels:
            continue
        others = [seen for m, seen in there.items() if m != modality and m not in guessed]
        if others:
            left_out[modality] = (levels[modality] > LIKE) & torch.stack(others).any(0)
    return Nearness(distances, levels, left_out)


@torch.inference_mode()
def ask(checkpoint: Checkpoint, batch: Batch, attention: bool = False, near: Nearness | None = None) -> Answered:
    """Ask about a batch.

    Args:
        near: how near its clips are, where that is known of more than the batch holds, such as of the whole clip whose frames
            were taken away.
    """
    model, spec, known = checkpoint.model, checkpoint.spec, checkpoint.known
    near = nearness(checkpoint, batch) if near is None else near
    output = model(batch, attention=True) if attention else model(batch)
    of_heads = _heads(checkpoint, batch, output, near)
    if known is None or spec.task != "classification":
        return Answered(output, of_heads, near, {})
    quiet = {h: none_fits for h, logits in of_heads.items() if (none_fits := known.fits_none(h, logits)) is not None}
    return Answered(output, _calibrated(checkpoint, of_heads, near), near, quiet)


def answers(checkpoint: Checkpoint, batch: Batch, output: ModelOutput, near: Nearness) -> dict[str, Tensor]:
    """Head, "decision" last -> calibrated logits of what a model gave, open to gradients; see ``ask``."""
    of_heads = _heads(checkpoint, batch, output, near)
    known = checkpoint.known is not None and checkpoint.spec.task == "classification"
    return _calibrated(checkpoint, of_heads, near) if known else of_heads


def _heads(checkpoint: Checkpoint, batch: Batch, output: ModelOutput, near: Nearness) -> dict[str, Tensor]:
    own = {head: output.predictions[head] for head in checkpoint.spec.heads}
    return {**own, DECISION: _decision(checkpoint, batch, output, near)}


def _calibrated(checkpoint: Checkpoint, of_heads: Mapping[str, Tensor], near: Nearness) -> dict[str, Tensor]:
    assert checkpoint.known is not None
    spec = checkpoint.spec
    of = {h: nearest_of(spec.modalities[h], near.levels) for h in spec.heads}
    of[DECISION] = _level_of_decision(checkpoint, near)
    return {h: checkpoint.known.calibrated(h, logits, of[h]) for h, logits in of_heads.items()}


def _decision(checkpoint: Checkpoint, batch: Batch, output: ModelOutput, near: Nearness) -> Tensor:
    """The system's answer, of each clip without the modalities that are left out of it."""
    decided = checkpoint.model.decide(output)
    rows = {m: gone for m, gone in near.left_out.items() if m in batch.values and bool(gone.any())}
    if not rows:
        return decided
    masked = batch.masked(**{m: ~gone[:, None] for m, gone in rows.items()})
    without = checkpoint.model.decide(checkpoint.model(masked))
    changed = torch.stack(list(rows.values())).any(0).to(decided.device)
    return torch.where(changed.view(-1, *[1] * (decided.ndim - 1)), without, decided)


def _level_of_decision(checkpoint: Checkpoint, near: Nearness) -> Tensor | None:
    """[B]: of the farthest modality that the decision draws on."""
    drawn = tuple(dict.fromkeys(m for h in checkpoint.spec.decision for m in checkpoint.spec.modalities[h]))
    kept = {
        m: torch.where(near.left_out[m], -1, level) if m in near.left_out else level
        for m, level in near.levels.items()
        if m in drawn
    }
    return nearest_of(drawn, kept)


def calibrate(checkpoint: Checkpoint, head: str, logits: Tensor, near: Nearness) -> Tensor:
    """Logits [B, C] of a head, for as many rows of one clip, or of as many clips, with confidence that keeps its word."""
    if checkpoint.known is None or checkpoint.spec.task != "classification":
        return logits
    level = nearest_of(checkpoint.spec.modalities[head], near.levels)
    return checkpoint.known.calibrated(head, logits, None if level is None else level.expand(len(logits)))


def guesses_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The modalities that the model is proven to guess from; see ``core.knowing.domain.guesses``."""
    return domain.guesses(domain.of_card(checkpoint.card), checkpoint.spec)
