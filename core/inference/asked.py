"""Runs a model and post-processes its answers.

Confidence is calibrated, each clip's distance from the training data is computed, and the decision ignores modalities on which
the model is known to guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.familiarity import domain
from affectscope.core.familiarity.familiarity import LIKE, nearest_of
from affectscope.core.familiarity.words import Familiar, of_clip
from affectscope.core.models.base import ModelOutput, over_clip
from affectscope.core.streams import Batch

DECISION = "decision"


@dataclass(frozen=True)
class Nearness:
    """How close clips are to the training data.

    Attributes:
        distances: modality -> [B], 1 where 95 % of the development clips are closer; NaN where a clip lacks it. Empty without
            training statistics.
        levels: modality -> [B], see ``core.familiarity.familiarity``.
        left_out: modality -> [B] bool, whether the decision ignores it: the model is at chance with it on recordings of people,
            the clip is unlike the training data, and another modality is present.
    """

    distances: Mapping[str, Tensor] = field(default_factory=dict)
    levels: Mapping[str, Tensor] = field(default_factory=dict)
    left_out: Mapping[str, Tensor] = field(default_factory=dict)

    def repeated(self, count: int) -> Nearness:
        """One clip's values, repeated for ``rows`` rows."""
        three = ({m: v[:1].expand(count) for m, v in each.items()} for each in (self.distances, self.levels, self.left_out))
        return Nearness(*three)


@dataclass(frozen=True)
class ProcessedOutput:
    """A model's post-processed answers to a batch.

    Attributes:
        output: as the model returned it.
        logits: head, "decision" last -> [B, outputs], or per frame; for classes calibrated: their softmax is the confidence.
        fits_none: head -> [B] bool, whether there is evidence for none of its classes; heads for which it is unknown are missing.
    """

    output: ModelOutput
    logits: Mapping[str, Tensor]
    nearness: Nearness
    fits_none: Mapping[str, Tensor]

    def readable(self, checkpoint: Checkpoint, batch: Batch) -> dict[str, Tensor]:
        """Head -> probabilities, or values, [B, outputs] per clip."""
        return {head: over_clip(checkpoint.spec.readable(logits), batch) for head, logits in self.logits.items()}

    def familiar(self, checkpoint: Checkpoint, row: int = 0) -> Familiar:
        """A description, for the user, of how close one clip of the batch is to the training data."""
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
        """Whether a head has evidence; the decision has if any head has."""
        heads = self.output.evidence if head == DECISION else [head]
        return any(bool(self.output.evidence[h][row]) for h in heads)


def nearness(checkpoint: Checkpoint, batch: Batch) -> Nearness:
    """How close a batch's clips are to the training data; see ``Nearness``."""
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
def ask(checkpoint: Checkpoint, batch: Batch, attention: bool = False, near: Nearness | None = None) -> ProcessedOutput:
    """Run the model on a batch.

    Args:
        near: the clips' familiarity, if it was computed on more than the batch holds, such as before frames were removed.
    """
    model, spec, known = checkpoint.model, checkpoint.spec, checkpoint.known
    near = nearness(checkpoint, batch) if near is None else near
    output = model(batch, attention=True) if attention else model(batch)
    of_heads = _heads(checkpoint, batch, output, near)
    if known is None or spec.task != "classification":
        return ProcessedOutput(output, of_heads, near, {})
    quiet = {h: none_fits for h, logits in of_heads.items() if (none_fits := known.fits_none(h, logits)) is not None}
    return ProcessedOutput(output, _calibrated(checkpoint, of_heads, near), near, quiet)


def answers(checkpoint: Checkpoint, batch: Batch, output: ModelOutput, near: Nearness) -> dict[str, Tensor]:
    """Head, "decision" last -> calibrated logits of a model's output, differentiable; see ``ask``."""
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
    """The system's answer, for each clip without the modalities that are left out."""
    decided = checkpoint.model.decide(output)
    rows = {m: gone for m, gone in near.left_out.items() if m in batch.values and bool(gone.any())}
    if not rows:
        return decided
    masked = batch.masked(**{m: ~gone[:, None] for m, gone in rows.items()})
    without = checkpoint.model.decide(checkpoint.model(masked))
    changed = torch.stack(list(rows.values())).any(0).to(decided.device)
    return torch.where(changed.view(-1, *[1] * (decided.ndim - 1)), without, decided)


def _level_of_decision(checkpoint: Checkpoint, near: Nearness) -> Tensor | None:
    """[B]: the level of the least familiar modality that the decision uses."""
    drawn = tuple(dict.fromkeys(m for h in checkpoint.spec.decision for m in checkpoint.spec.modalities[h]))
    kept = {
        m: torch.where(near.left_out[m], -1, level) if m in near.left_out else level
        for m, level in near.levels.items()
        if m in drawn
    }
    return nearest_of(drawn, kept)


def calibrate(checkpoint: Checkpoint, head: str, logits: Tensor, near: Nearness) -> Tensor:
    """Calibrate a head's logits [B, C]; the rows are of as many clips, or all of one."""
    if checkpoint.known is None or checkpoint.spec.task != "classification":
        return logits
    level = nearest_of(checkpoint.spec.modalities[head], near.levels)
    return checkpoint.known.calibrated(head, logits, None if level is None else level.expand(len(logits)))


def guesses_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The modalities on which the model is known to guess; see ``core.familiarity.domain.guesses``."""
    return domain.guesses(domain.of_card(checkpoint.card), checkpoint.spec)
