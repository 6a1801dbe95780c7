"""A clip's streams as model input: the model's modalities, normalised, on the frames of its reference modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.models.base import ModelSpec
from affectscope.core.streams import Stream, on_reference


@dataclass(frozen=True)
class Normaliser:
    """Means and standard deviations [D] per modality, over the present frames of the training set."""

    mean: Mapping[str, Tensor] = field(default_factory=dict)
    std: Mapping[str, Tensor] = field(default_factory=dict)

    def __call__(self, modality: str, values: Tensor) -> Tensor:
        """z-normalise [..., D] and clip at 20 standard deviations. A modality without statistics is unchanged."""
        if modality not in self.mean:
            return values
        z = (values - self.mean[modality].to(values)) / self.std[modality].to(values)
        # One absurd feature would otherwise give an infinite output.
        return z.clamp(-20, 20)

    def apply(self, modality: str, values: Tensor) -> None:
        """The same in place, to save memory."""
        if modality in self.mean:
            values.sub_(self.mean[modality].to(values)).div_(self.std[modality].to(values)).clamp_(-20, 20)


def model_streams(streams: Mapping[str, Stream], spec: ModelSpec, normaliser: Normaliser) -> dict[str, Stream]:
    """The streams that the model takes, normalised, on the frames of its reference modality if it has one."""
    own = on_its_reference(streams, spec)
    return {n: Stream(normaliser(n, torch.from_numpy(s.values)).numpy(), s.times, s.present) for n, s in own.items()}


def on_its_reference(streams: Mapping[str, Stream], spec: ModelSpec) -> dict[str, Stream]:
    """The streams that the model takes, on the frames of its reference modality if it has one."""
    own = {name: streams[name] for name in spec.inputs if name in streams}
    for name, stream in own.items():
        given, dim = stream.values.shape[1], spec.inputs[name]
        if given != dim:
            raise UserError(
                f"The clip has {given} {name} features a frame, and the model takes {dim}: check the weights or arrays that "
                "the features come from."
            )
    return on_reference(own, spec.reference) if spec.reference and own else own
