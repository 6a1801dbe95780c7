"""The interface between models and everything else: what a model declares, and what it returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, Self, TypeVar

import torch
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.registry import Registry
from affectscope.core.streams import Batch

T = TypeVar("T")
Task = Literal["classification", "regression"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class AttentionSpec:
    """An attention that a model can return: ``query`` frames attend to ``key`` frames, in ``layers`` with ``heads`` each."""

    name: str
    query: str
    key: str
    layers: int
    heads: int


@dataclass(frozen=True)
class ModelSpec:
    """What a model declares. The app shows the views that apply to the spec.

    Attributes:
        system: the name of the model in the registry.
        inputs: modality -> number of features per frame.
        labels: the classes in the order of the logits, or the attributes (arousal, valence, sentiment) of a regression.
        heads: names of the predictions, the main one first.
        modalities: head -> the modalities that it uses.
        decision: the heads whose mean logits are the system's decision.
        embeddings: names of the clip-level vectors, for maps.
        shared: for layers that both modalities pass through, the names of their embeddings (audio, visual) after each layer, from
            the first to the last; the layers' input comes first if the model returns it (goncalves2025versatile, Fig. 4).
        reference: None if a clip has one prediction, [B, outputs]. Otherwise the modality with one prediction per frame,
            [B, T, outputs]: frame i of every other modality belongs to its frame i (``Stream.resampled``), and T is the length of
            the longest.
        loss_weights: head -> lambda in training; empty if all have the same weight.
        absence: modality -> what replaces absent frames (zeros, noise, mean, forward-fill, mask) in a plugin's network; empty for
            systems with presence masks.
        features: modality -> feature set (``core.features.sets``), if it is not the default.
    """

    system: str
    inputs: Mapping[str, int]
    labels: tuple[str, ...]
    heads: tuple[str, ...]
    modalities: Mapping[str, tuple[str, ...]]
    decision: tuple[str, ...]
    attention: tuple[AttentionSpec, ...] = ()
    embeddings: tuple[str, ...] = ()
    shared: tuple[tuple[str, str], ...] = ()
    task: Task = "classification"
    reference: str | None = None
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    absence: Mapping[str, str] = field(default_factory=dict)

    def readable(self, prediction: Tensor) -> Tensor:
        """Logits [..., outputs] as probabilities; the values of a regression as they are."""
        return prediction.softmax(-1) if self.task == "classification" else prediction


@dataclass(frozen=True)
class AttentionMap:
    """Attention weights [B, heads, Tq, Tk] of one layer; absent keys have weight 0.

    Rows of present queries sum to 1 over the present keys, or are 0 if the clip has no present key.
    """

    name: str
    query: str
    key: str
    layer: int
    weights: Tensor


@dataclass(frozen=True)
class PlaceAttention:
    """A model's own spatial attention, or its channel attention shown where those channels are active, per head.

    Attributes:
        name: "spatial" or "channel".
        over: what the attention is over, as shown to users.
        count: the number of positions or channels.
        maps: [B, heads, N, h, w], at least 0; N equal parts of the present frames, in order. Zeros for a clip without any.
        spread: [B, heads, N], the effective number of attended positions or channels: the exponential of the entropy.
    """

    name: str
    over: str
    count: int
    maps: Tensor
    spread: Tensor


@dataclass(frozen=True)
class ModelOutput:
    """What a model returns.

    Attributes:
        predictions: head -> logits, or values, [B, outputs] ([B, T, outputs] with a reference). A head without evidence
            returns the prior.
        evidence: head -> [B] bool, False if none of the head's modalities has a present frame.
        embeddings: name -> [B, D].
        attention: empty unless requested.
        reconstruction: modality -> [B, D], for systems that reconstruct their input.
    """

    predictions: Mapping[str, Tensor]
    evidence: Mapping[str, Tensor]
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)
    attention: tuple[AttentionMap, ...] = ()
    reconstruction: Mapping[str, Tensor] = field(default_factory=dict)


class AVModel(nn.Module):
    """Base class of every system: a subclass passes its config and spec, and implements ``presets`` and ``forward``.

    ``prior`` is the prediction without any input: the log-probability of each class, or the mean of each attribute. Training sets
    it from the training set.

    ``precision`` is the precision of matrix products in inference: "fp32", or "bf16" (see ``core.inference.precision``), with
    weights and outputs in float32.

    ``look_at`` maps a pixel modality to the layer that explanations use: feature maps [N, K, H, W], video feature maps
    [N, K, T, H, W] or tokens [N, T, K]. Without one, explanations use the pixels.
    """

    config_type: type
    prior: Tensor
    precision: Precision = "fp32"
    look_at: Mapping[str, nn.Module] = MappingProxyType({})

    def __init__(self, config: Any, spec: ModelSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        # A uniform prior, or 0. Not by log_softmax: torch decomposes it on the meta device, which costs a second of imports.
        alike = -math.log(max(1, len(spec.labels))) if spec.task == "classification" else 0.0
        self.register_buffer("prior", torch.full((len(spec.labels),), alike))

    @classmethod
    def presets(cls) -> Mapping[str, Any]:
        """Configs by preset name: ``paper`` has the published sizes; ``demo`` is small, for the demo feature sets."""
        raise UserError(f"{cls.__name__} has no presets: name one that has, or build it from its config.")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The model of a preset, with some fields of its config changed."""
        return cls(replace(choose_preset(cls.presets(), name), **changes))  # type: ignore[call-arg]

    @classmethod
    def sized(cls, dims: Mapping[str, int]) -> dict[str, Any]:
        """The config fields for features of other widths, ``dims``: modality -> number of features per frame."""
        return {f"{modality}_dim": dim for modality, dim in dims.items()}

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.precision == "fp32":
            return super().__call__(*args, **options)
        with torch.autocast(self.prior.device.type, torch.bfloat16):
            output = super().__call__(*args, **options)
        return _in_float32(output)

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        """Run the model on a batch; ``attention=True`` also returns the weights of every layer and attention head."""
        raise TypeError(f"{type(self).__name__} does not implement the contract: it has no forward")

    def places(self, batch: Batch) -> tuple[PlaceAttention, ...]:
        """The model's own spatial and channel attention; empty if it has none."""
        return ()

    def answers(self, logits: Mapping[str, Tensor], batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Logits per head, replaced by the prior if a head has no evidence; and the evidence per head, [B] bool.

        Public code (``variant="code"``) has no presence masks: zeros count as evidence like any other values.
        """
        zeros_count = getattr(self.config, "variant", "paper") == "code"
        seen = {name: torch.ones_like(mask[:, 0]) if zeros_count else mask.any(1) for name, mask in batch.present.items()}
        evidence = {h: torch.stack([seen[m] for m in self.spec.modalities[h] if m in seen]).any(0) for h in logits}
        return {h: torch.where(_like(evidence[h], v), v, self.prior) for h, v in logits.items()}, evidence

    def decide(self, output: ModelOutput) -> Tensor:
        """The system's decision, of the same shape as the heads' logits: their mean over the deciding heads with evidence, or the
        prior if there is none."""
        heads = self.spec.decision
        logits = torch.stack([output.predictions[h] for h in heads])
        weight = torch.stack([_like(output.evidence[h], logits[0]) for h in heads]).to(logits)
        mean = (logits * weight).sum(0) / weight.sum(0).clamp(min=1)
        # The predictions may have been moved from the model's device to the CPU.
        return torch.where(weight.sum(0) > 0, mean, self.prior.to(mean.device))


def over_clip(answer: Tensor, batch: Batch) -> Tensor:
    """Frame-level predictions [B, T, outputs] averaged over present frames to [B, outputs]; clip-level ones unchanged."""
    if answer.ndim == 2:
        return answer
    there = torch.stack(list(batch.synchronous().present.values())).any(0)[:, : answer.shape[1]].to(answer.device)
    # Without any frame, every prediction is the prior.
    there = there | ~there.any(1, keepdim=True)
    return (answer * there[..., None]).sum(1) / there.sum(1, keepdim=True)


def _in_float32(output: ModelOutput) -> ModelOutput:
    """The output in float32, so that later code does not depend on the model's precision."""
    return ModelOutput(
        {name: value.float() for name, value in output.predictions.items()},
        output.evidence,
        {name: value.float() for name, value in output.embeddings.items()},
        tuple(replace(attention, weights=attention.weights.float()) for attention in output.attention),
        {name: value.float() for name, value in output.reconstruction.items()},
    )


def _like(rows: Tensor, values: Tensor) -> Tensor:
    """[B] reshaped to broadcast over [B, ...]."""
    return rows.view(-1, *[1] * (values.ndim - 1))


def choose_preset(presets: Mapping[str, T], name: str) -> T:
    """One of a system's presets.

    Raises:
        UserError: when there is none of that name.
    """
    if name not in presets:
        raise UserError(f"There is no preset {name!r}; choose one of {', '.join(presets)}.")
    return presets[name]


MODELS: Registry[type[AVModel]] = Registry("model")
