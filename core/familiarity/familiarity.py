"""What a checkpoint stores about its training besides weights: statistics per modality, temperatures per head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.familiarity.reference import Reference, pooled, tensors
from affectscope.core.familiarity.temperature import energy
from affectscope.core.models.base import ModelSpec
from affectscope.core.streams import Batch

# Levels of distance, by ``Reference.levels``; a missing modality has no level.
LIKE, UNLIKE, NEVER = 0, 1, 2
ABSENT = -1
_LEVELS = 3
# Prefix of the tensors, and key of the header entry, in a checkpoint's file.
PREFIX = "known."


@dataclass(frozen=True)
class Familiarity:
    """Statistics of training.

    Attributes:
        references: modality -> statistics of its training clips; without one, a clip's distance is unknown.
        temperatures: head, including "decision" -> divisors of its logits for clips like the training data, unlike it, and far
            from it.
        energies: head -> the 95 % quantile of the free energy on the development clips.
    """

    references: Mapping[str, Reference] = field(default_factory=dict)
    temperatures: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    energies: Mapping[str, float] = field(default_factory=dict)

    def distances(self, batch: Batch) -> dict[str, Tensor]:
        """Modality -> [B], in units of the 95 % quantile of the development clips; NaN where a clip lacks it."""
        distances = {}
        for modality, reference in self.references.items():
            if modality not in batch.values:
                continue
            present = batch.present[modality].cpu()
            apart = reference.distances(pooled(batch.values[modality].cpu(), present)) / reference.like
            distances[modality] = torch.where(present.any(1), apart, torch.nan)
        return distances

    def levels(self, distances: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Modality -> [B] of LIKE, UNLIKE, NEVER, and ABSENT where a clip lacks it."""
        levels = {}
        for modality, apart in distances.items():
            reference = self.references[modality]
            level = (apart > 1).long() + (apart > reference.never / reference.like).long()
            levels[modality] = torch.where(apart.isnan(), ABSENT, level)
        return levels

    def calibrated(self, head: str, logits: Tensor, level: Tensor | None) -> Tensor:
        """Calibrated logits [B, C] of a head; ``level`` [B] is the level of each clip, None if unknown."""
        if head not in self.temperatures:
            return logits
        by_level = torch.tensor(self.temperatures[head], dtype=logits.dtype, device=logits.device)
        # If a clip's level is unknown, it is treated as like the training data.
        chosen = by_level[level.clamp(min=0).to(logits.device)] if level is not None else by_level[:1]
        return logits / chosen[:, None]

    def fits_none(self, head: str, logits: Tensor) -> Tensor | None:
        """[B]: whether the free energy exceeds that of 95 % of the development clips, so that no class fits; None if unknown."""
        return None if head not in self.energies else energy(logits) > self.energies[head]


def nearest_of(modalities: tuple[str, ...], levels: Mapping[str, Tensor]) -> Tensor | None:
    """[B]: the level of the farthest of a head's modalities; None if unknown."""
    known = [levels[m] for m in modalities if m in levels]
    return torch.stack(known).max(0).values if known else None


def to_file(known: Familiarity | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and JSON to store in a checkpoint's file."""
    if known is None:
        return {}, {}
    facts = {
        "limits": {m: [reference.like, reference.never] for m, reference in known.references.items()},
        "temperatures": {h: list(by_level) for h, by_level in known.temperatures.items()},
        "energies": dict(known.energies),
    }
    return {f"{PREFIX}{name}": v.contiguous().cpu() for name, v in tensors(known.references).items()}, facts


def of_file(content: Mapping[str, Tensor], facts: Any, spec: ModelSpec, name: str) -> Familiarity | None:
    """The inverse of ``to_file``; None where a file has none.

    Raises:
        UserError: when the statistics are invalid, or of another model.
    """
    if not facts:
        return None
    wrong = UserError(f"{name} carries statistics of its training that do not fit its model: export it again.")
    try:
        references = {}
        for modality, edges in dict(facts["limits"]).items():
            like, never = map(float, edges)
            means, whiten = (content[f"{PREFIX}{modality}.{kind}"].float() for kind in ("means", "whiten"))
            wide = spec.inputs[modality]
            if means.ndim != 2 or means.shape[1] != wide or whiten.shape != (wide, wide) or not 0 < like < never < math.inf:
                raise wrong
            if not (len(means) and torch.isfinite(means).all() and torch.isfinite(whiten).all()):
                raise wrong
            references[modality] = Reference(means, whiten, like, never)
        temperatures = {str(h): tuple(map(float, by_level)) for h, by_level in dict(facts["temperatures"]).items()}
        energies = {str(h): float(edge) for h, edge in dict(facts["energies"]).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise wrong from error
    numbers = [value for by_level in temperatures.values() for value in by_level]
    if any(len(by_level) != _LEVELS for by_level in temperatures.values()) or not all(0 < v < math.inf for v in numbers):
        raise wrong
    if not all(math.isfinite(edge) for edge in energies.values()):
        raise wrong
    return Familiarity(references, temperatures, energies)  # type: ignore[arg-type]
