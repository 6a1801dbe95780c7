"""Steadiness: how confident a model stays with half of the clip.

On recordings of people it separates right from wrong answers, which confidence in the whole clip hardly does
(docs/real-people.md).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.inference.asked import ProcessedOutput, ask
from affectscope.core.streams import Batch

STEADINESS = "steadiness"


@torch.inference_mode()
def steadiness(checkpoint: Checkpoint, batch: Batch, answered: ProcessedOutput) -> dict[str, Tensor]:
    """The minimum probability of each head's prediction over the whole clip, its first half and its second half.

    Args:
        answered: the model's answers to the whole batch.

    Returns:
        Head, "decision" last -> [B], at most the confidence; empty for a regression.
    """
    if checkpoint.spec.task != "classification":
        return {}
    whole = answered.readable(checkpoint, batch)
    least = {head: shares.max(1).values for head, shares in whole.items()}
    for half in halves(batch):
        try:
            shares_of = ask(checkpoint, half).readable(checkpoint, half)
        except UserError:
            # Half a clip may be too short for a network of somebody's: the whole alone counts.
            continue
        for head, shares in shares_of.items():
            own = shares.gather(1, whole[head].argmax(1, keepdim=True))[:, 0]
            least[head] = torch.minimum(least[head], own)
    return least


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """The first and the second half of every clip, as clips: each modality up to its last present frame.

    Cut, not masked: a clip whose other half is absent is further from the training data than a short one.
    """
    parts: list[dict[str, list[Tensor]]] = [{}, {}]
    masks: list[dict[str, list[Tensor]]] = [{}, {}]
    for modality, present in batch.present.items():
        for values, there in zip(batch.values[modality], present, strict=True):
            seen = there.nonzero()
            end = int(seen[-1]) + 1 if len(seen) else 0
            middle = (end + 1) // 2
            for half, (start, stop) in enumerate(((0, middle), (middle, end))):
                parts[half].setdefault(modality, []).append(values[start:stop])
                masks[half].setdefault(modality, []).append(there[start:stop])
    return _padded(parts[0], masks[0]), _padded(parts[1], masks[1])


def _padded(values: dict[str, list[Tensor]], present: dict[str, list[Tensor]]) -> Batch:
    # At least one frame; padding is absent.
    width = {modality: max(1, *(len(row) for row in rows)) for modality, rows in values.items()}
    return Batch(
        {m: torch.stack([F.pad(row, (0, 0, 0, width[m] - len(row))) for row in rows]) for m, rows in values.items()},
        {m: torch.stack([F.pad(row, (0, width[m] - len(row))) for row in rows]) for m, rows in present.items()},
    )
