"""What a checkpoint carries of its training, beside its weights: statistics by modality, temperatures by head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.knowing.reference import Reference, pooled, tensors
from affectscope.core.knowing.temperature import energy
from affectscope.core.models.base import ModelSpec
from affectscope.core.streams import Batch

# How near a clip is, by ``Reference.levels``; a modality that it does not have is no nearer or farther.
LIKE, UNLIKE, NEVER = 0, 1, 2
ABSENT = -1
_LEVELS = 3
# What a file's tensors and its header call them.
PREFIX = "known."


@dataclass(frozen=True)
class Knowing:
    """Statistics of training.

    Attributes:
        references: modality -> its training clips; without one, how near a clip is cannot be said.
        temperatures: head, "decision" among them -> by how much its logits are divided where its clip is like training, unlike
            it, and far from it.
        energies: head -> the free energy that 95 % of the development clips stay below.
    """

    references: Mapping[str, Reference] = field(default_factory=dict)
    temperatures: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    energies: Mapping[str, float] = field(default_factory=dict)

    def distances(self, batch: Batch) -> dict[str, Tensor]:
        """Modality -> [B], in units of what 95 % of the development clips stay within; NaN where a clip does not have it."""
        distances = {}
        for modality, reference in self.references.items():
            if modality not in batch.values:
                continue
            present = batch.present[modality].cpu()
            apart = reference.distances(pooled(batch.values[modality].cpu(), present)) / reference.like
            distances[modality] = torch.where(present.any(1), apart, torch.nan)
        return distances

    def levels(self, distances: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Modality -> [B] of LIKE, UNLIKE, NEVER, and ABSENT where a clip does not have it."""
        levels = {}
        for modality, apart in distances.items():
            reference = self.references[modality]
            level = (apart > 1).long() + (apart > reference.never / reference.like).long()
            levels[modality] = torch.where(apart.isnan(), ABSENT, level)
        return levels

    def calibrated(self, head: str, logits: Tensor, level: Tensor | None) -> Tensor:
        """Logits [B, C] of a head with confidence that keeps its word; ``level`` [B] is how near its clips are, None unknown."""
        if head not in self.temperatures:
            return logits
        by_level = torch.tensor(self.temperatures[head], dtype=logits.dtype, device=logits.device)
        # Nothing known of a clip: as if it were like training.
        chosen = by_level[level.clamp(min=0).to(logits.device)] if level is not None else by_level[:1]
        return logits / chosen[:, None]

    def fits_none(self, head: str, logits: Tensor) -> Tensor | None:
        """[B]: whether no class speaks as loudly as one does on 95 % of the development clips; None where nobody knows."""
        return None if head not in self.energies else energy(logits) > self.energies[head]


def nearest_of(modalities: tuple[str, ...], levels: Mapping[str, Tensor]) -> Tensor | None:
    """[B]: how near clips are for a head that draws on several modalities, that of the farthest; None where nobody knows."""
    known = [levels[m] for m in modalities if m in levels]
    return torch.stack(known).max(0).values if known else None


def to_file(known: Knowing | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON for a checkpoint's file."""
    if known is None:
        return {}, {}
    facts = {
        "limits": {m: [reference.like, reference.never] for m, reference in known.references.items()},
        "temperatures": {h: list(by_level) for h, by_level in known.temperatures.items()},
        "energies": dict(known.energies),
    }
    return {f"{PREFIX}{name}": v.contiguous().cpu() for name, v in tensors(known.references).items()}, facts


def of_file(content: Mapping[str, Tensor], facts: Any, spec: ModelSpec, name: str) -> Knowing | None:
    """As ``to_file`` wrote it; None where a file carries none.

    Raises:
        UserError: when it carries statistics that are none, or of another model.
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
    return Knowing(references, temperatures, energies)  # type: ignore[arg-type]
