"""The input of a wrapped network, and how absent frames are imputed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

Absence = Literal["zeros", "noise", "mean", "forward-fill", "mask"]
ABSENCES: tuple[str, ...] = get_args(Absence)
MEANINGS = {
    "zeros": "This network knows no absence: zeros stand for frames that are missing.",
    "noise": "This network knows no absence: noise, as strong as the clip's own frames vary, stands for frames that are missing.",
    "mean": "This network knows no absence: the mean of the clip's own frames stands for frames that are missing.",
    "forward-fill": "This network knows no absence: the last frame that is there stands for frames that are missing.",
    "mask": "The network is handed a mask that says which frames are missing.",
}
"""Imputation -> one sentence about the network's input."""
_SEED = 0


class Inputs:
    """A batch of clips as a wrapped network receives it; for each modality, for example ``audio``:

    ``batch.audio``: [B, T, *shape] float32, frames as in the feature set;
    ``batch.audio_lengths``: [B] int64, frames per clip; later ones are padding;
    ``batch.audio_present``: [B, T] bool, False where a frame is absent;
    ``batch.wants_attention``: whether weights are requested, for networks that return them only on request.
    """

    def __init__(
        self,
        values: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        lengths: Mapping[str, Tensor],
        wants_attention: bool = False,
    ) -> None:
        self._parts = {
            **dict(values),
            **{f"{name}_present": mask for name, mask in present.items()},
            **{f"{name}_lengths": counts for name, counts in lengths.items()},
        }
        self.modalities, self.wants_attention = tuple(values), wants_attention

    def __getattr__(self, name: str) -> Tensor:
        parts: dict[str, Tensor] = self.__dict__.get("_parts", {})
        if name not in parts:
            raise AttributeError(f"the batch has no {name}: it has {', '.join(parts)}")
        return parts[name]

    __getitem__ = __getattr__

    def handed(self, kind: torch.dtype) -> Inputs:
        """A copy of the values in this precision: networks may write over what they are given."""
        copy = Inputs({m: self[m].to(kind, copy=True) for m in self.modalities}, {}, {}, self.wants_attention)
        copy._parts = {**self._parts, **copy._parts}
        return copy

    def __len__(self) -> int:
        return len(self._parts[self.modalities[0]])


@dataclass(frozen=True)
class Modality:
    """One modality of a wrapped network's input.

    Attributes:
        set: the feature set's name.
        dim: features per frame.
        shape: of a frame; empty for [D].
        rate: approximate frames per second.
        absence: how absent frames are imputed.
    """

    set: str
    dim: int
    shape: tuple[int, ...]
    rate: float
    absence: Absence

    def framed(self, values: Tensor) -> Tensor:
        """Reshape [B, T, D] to [B, T, *shape]."""
        return values.unflatten(-1, self.shape) if self.shape else values


def lengths_of(present: Tensor) -> Tensor:
    """[B, T] bool -> [B]: the number of frames up to the last present one. Later ones are treated as padding."""
    places = torch.arange(1, present.shape[1] + 1, device=present.device)
    return (present * places).amax(1)


def stand_in(values: Tensor, present: Tensor, absence: Absence) -> Tensor:
    """Impute the absent frames of one clip [T, D]; ``present`` is [T], and absent frames hold zeros.

    A clip without present frames has no mean and none to repeat: it gets zeros, or noise of unit variance.
    """
    if absence in ("zeros", "mask") or bool(present.all()):
        return values
    if absence == "forward-fill" and bool(present.any()):
        places = torch.arange(len(present), device=present.device)
        last = torch.where(present, places, -1).cummax(0).values
        # Before the first present frame there is nothing to forward-fill, so that frame is used.
        return values[torch.where(last < 0, int(present.nonzero()[0]), last)]
    shown = values[present]
    mean = shown.mean(0) if len(shown) else torch.zeros_like(values[0])
    filling = mean.expand_as(values)
    if absence == "noise":
        spread = shown.std(0, correction=0) if len(shown) else torch.ones_like(values[0])
        # A fixed seed, so that the same clip gets the same prediction.
        chance = torch.Generator().manual_seed(_SEED)
        filling = filling + spread * torch.randn(values.shape, generator=chance).to(values)
    elif absence == "forward-fill":
        filling = torch.zeros_like(values)
    return torch.where(present[:, None], values, filling)
