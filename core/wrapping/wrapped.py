"""A user's network as an ``AVModel``, around the network's own ``forward``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.models.base import AttentionMap, AVModel, ModelOutput, ModelSpec
from affectscope.core.streams import Batch
from affectscope.core.text import shown
from affectscope.core.wrapping.asking import NetworkOutput, ask, module_at
from affectscope.core.wrapping.declared import Declared
from affectscope.core.wrapping.given import Inputs, Modality, lengths_of, stand_in
from affectscope.core.wrapping.shapes import frames_of, onto_frames, padded

# What a copy in another process has of its own.
_OF_HERE = {"declared", "_turn"}


@dataclass(frozen=True)
class WrappedConfig:
    """Which declaration of which plugin: all that a checkpoint can store of a wrapped network."""

    name: str


class WrappedModel(AVModel):
    """A network that a plugin declared.

    Each clip is run alone, up to its last present frame, so that the numbers equal the bare network's. A network declared
    ``batched`` gets all clips at once, padded, with their lengths.

    Args:
        takes: the network's inputs, by modality.
        widths: embedding -> dimensions.
    """

    config_type = WrappedConfig
    config: WrappedConfig

    def __init__(
        self, declared: Declared, network: nn.Module, spec: ModelSpec, takes: Mapping[str, Modality], widths: Mapping[str, int]
    ) -> None:
        super().__init__(WrappedConfig(declared.name), spec)
        self.declared, self.network, self.takes, self.widths = declared, network, dict(takes), dict(widths)
        self.look_at = {modality: module_at(declared, network, layer) for modality, layer in declared.looks.items()}
        self._turn = RLock()
        if declared.prior:
            self.prior = torch.tensor(declared.prior, dtype=torch.float32)

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        if self.spec.reference:
            batch = batch.synchronous()
        output = self._together(batch, attention) if self.declared.batched else self._one_by_one(batch, attention)
        predictions, evidence = self.answers(output.predictions, batch)
        maps = tuple(
            AttentionMap(spec.name, spec.query, spec.key, layer, weights)
            for spec in self.spec.attention
            for layer, weights in enumerate(output.weights.get(spec.name, ()))
        )
        return ModelOutput(predictions, evidence, output.vectors, maps)

    def _one_by_one(self, batch: Batch, attention: bool) -> NetworkOutput:
        rows = []
        for row in range(len(batch)):
            values = {m: batch.values[m][row : row + 1] for m in self.spec.inputs}
            present = {m: batch.present[m][row : row + 1] for m in self.spec.inputs}
            rows.append(self._ask(Batch(values, present), batch, attention))
        return _stacked(rows)

    def _together(self, batch: Batch, attention: bool) -> NetworkOutput:
        return self._ask(batch, batch, attention)

    def _ask(self, batch: Batch, whole: Batch, attention: bool) -> NetworkOutput:
        """The output for some rows, padded to the length of the ``whole`` batch."""
        lengths = self._lengths(batch.present)
        there = torch.stack([present.any(1) for present in batch.present.values()]).any(0)
        if not bool(there.any()):
            return self._nothing(batch, whole, attention)
        # Many networks keep what they compute as an attribute of theirs, and pages ask in several threads.
        with self._turn:
            output = ask(self.declared, self.network, self._inputs(batch, lengths, attention), attention)
        self._check_widths(output.vectors)
        return NetworkOutput(
            {head: self._answers(value, lengths, whole) for head, value in output.predictions.items()},
            {name: torch.where(there[:, None], value, 0) for name, value in output.vectors.items()},
            {
                spec.name: [self._map(maps, spec.query, spec.key, batch, lengths, whole) for maps in output.weights[spec.name]]
                for spec in self.spec.attention
                if spec.name in output.weights
            },
        )

    def _check_widths(self, vectors: Mapping[str, Tensor]) -> None:
        """Check embeddings for one that holds time in its last dimension.

        Raises:
            UserError: when an embedding is as wide as the clip has frames.
        """
        for name, vector in vectors.items():
            if vector.shape[1] != self.widths[name]:
                raise UserError(
                    f"The embedding {shown(name)} of {self.declared.name}{self.declared.place} has {vector.shape[1]} numbers of "
                    f"this clip and {self.widths[name]} of another: name a module whose last dimension stays the same."
                )

    def _lengths(self, present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Modality -> [B] frames passed to the network. An absent modality gets the length of the others."""
        lengths = {m: lengths_of(rows) for m, rows in present.items()}
        if self.spec.reference:
            longest = torch.stack(list(lengths.values())).amax(0).clamp(min=1)
            return dict.fromkeys(lengths, longest)
        seconds = torch.stack([lengths[m] / self.takes[m].rate for m in lengths]).amax(0)
        return {
            m: torch.where(own > 0, own, (seconds * self.takes[m].rate).round().long().clamp(min=1)) for m, own in lengths.items()
        }

    def _inputs(self, batch: Batch, lengths: Mapping[str, Tensor], attention: bool) -> Inputs:
        values, present = {}, {}
        for m, takes in self.takes.items():
            count = int(lengths[m].max())
            mask = padded(batch.present[m][:, :count], count)
            frames = padded(batch.values[m][:, :count].transpose(1, 2), count).transpose(1, 2)
            if takes.absence not in ("zeros", "mask"):
                rows = []
                for frame_row, mask_row, length in zip(frames, mask, lengths[m].tolist(), strict=True):
                    filled = stand_in(frame_row[:length], mask_row[:length], takes.absence)
                    rows.append(padded(filled.T, count).T)
                frames = torch.stack(rows)
            values[m], present[m] = takes.framed(frames), mask
        return Inputs(values, present, lengths, attention)

    def _answers(self, value: Tensor, lengths: Mapping[str, Tensor], whole: Batch) -> Tensor:
        if not self.spec.reference:
            return value
        longest = next(iter(lengths.values()))
        total = max(mask.shape[1] for mask in whole.present.values())
        if value.ndim == 2:
            value = value[:, None].expand(-1, int(longest.max()), -1)
        value = frames_of(value, int(longest.max()))
        after = self.prior.expand(len(value), total, -1).clone()
        return torch.cat([value, after[:, value.shape[1] :]], 1)

    def _map(self, maps: Tensor, query: str, key: str, batch: Batch, lengths: Mapping[str, Tensor], whole: Batch) -> Tensor:
        """Attention weights on the batch's frames; zero where a clip has no keys."""
        queries, keys = int(lengths[query].max()), int(lengths[key].max())
        maps = onto_frames(maps, queries, keys)[..., : whole.present[query].shape[1], : whole.present[key].shape[1]]
        some = batch.present[key].any(1)[:, None, None, None]
        maps = torch.where(some, maps, 0)
        return padded(maps, whole.present[query].shape[1], whole.present[key].shape[1])

    def _nothing(self, batch: Batch, whole: Batch, attention: bool) -> NetworkOutput:
        """The output for clips without any present frame. The network is not run."""
        rows, outputs = len(batch), len(self.spec.labels)
        total = max(mask.shape[1] for mask in whole.present.values())
        prior = self.prior.expand(rows, total, outputs) if self.spec.reference else self.prior.expand(rows, outputs)
        maps: dict[str, list[Tensor]] = {}
        for spec in self.spec.attention if attention else ():
            shape = (rows, spec.heads, whole.present[spec.query].shape[1], whole.present[spec.key].shape[1])
            maps[spec.name] = [self.prior.new_zeros(shape)] * spec.layers
        return NetworkOutput(
            dict.fromkeys(self.spec.heads, prior), {n: self.prior.new_zeros(rows, size) for n, size in self.widths.items()}, maps
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The declaration comes first: it has another process import the plugin, whose classes the rest is made of.
        return _revived, (self.declared, {name: value for name, value in self.__dict__.items() if name not in _OF_HERE})


def _stacked(rows: list[NetworkOutput]) -> NetworkOutput:
    return NetworkOutput(
        {head: torch.cat([row.predictions[head] for row in rows]) for head in rows[0].predictions},
        {name: torch.cat([row.vectors[name] for row in rows]) for name in rows[0].vectors},
        {
            name: [torch.cat(layers) for layers in zip(*(row.weights[name] for row in rows), strict=True)]
            for name in rows[0].weights
        },
    )


def _revived(declared: Declared, state: dict[str, Any]) -> WrappedModel:
    model = WrappedModel.__new__(WrappedModel)
    nn.Module.__init__(model)
    model.__dict__.update(state, declared=declared, _turn=RLock())
    return model
