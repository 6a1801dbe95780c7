"""The contract between models and everything else: what a model declares, and what it returns."""

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
    """An attention that a model can return: ``query`` frames look at ``key`` frames, in ``layers`` of ``heads``."""

    name: str
    query: str
    key: str
    layers: int
    heads: int


@dataclass(frozen=True)
class ModelSpec:
    """What a model declares. Views of the app appear because the spec says that they apply.

    Attributes:
        system: the registry's name of the model.
        inputs: modality -> features a frame.
        labels: the classes in the order of the logits, or the attributes (arousal, valence, sentiment) of a regression.
        heads: names of the predictions, the main one first.
        modalities: head -> the modalities that it draws on.
        decision: the heads whose mean logits are the system's answer.
        embeddings: names of the vectors that a map can show.
        shared: where both modalities pass through the same layers, the names of their embeddings (audio, visual) after each, from
            the first to the last; what goes in comes first where the model returns it (goncalves2025versatile, Fig. 4).
        reference: None where a clip gets one answer, [B, outputs]. Else the modality whose frames get one each, [B, T, outputs]:
            frame i of every other modality belongs to its frame i (``Stream.resampled``), and T is the longest of them.
        loss_weights: head -> lambda in training; empty where all count the same.
        absence: modality -> what stands for absent frames (zeros, noise, mean, forward-fill, mask) in a network that is not ours;
            empty for systems that know of absence.
        features: modality -> feature set (``core.features.sets``) where it is not the default one.
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
    """Attention weights [B, heads, Tq, Tk] of one layer; absent keys hold 0.

    The rows of present queries sum to 1 over present keys, and are 0 where the clip has no key at all.
    """

    name: str
    query: str
    key: str
    layer: int
    weights: Tensor


@dataclass(frozen=True)
class PlaceAttention:
    """A model's own attention over the places of a picture, or over channels and so over where those are active, by head.

    Attributes:
        name: "spatial" or "channel".
        over: what attention is spread over, as a person reads it.
        maps: [B, heads, N, h, w], 0 and above; N equal parts of the present frames, in order. Zeros for a clip without any.
        spread: [B, heads, N], over how many of ``count`` the attention is spread: the exponential of its entropy.
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
            answers with the prior.
        evidence: head -> [B] bool, False where none of the head's modalities has a present frame.
        embeddings: name -> [B, D].
        attention: empty unless asked for.
        reconstruction: modality -> [B, D] where the system rebuilds its input.
    """

    predictions: Mapping[str, Tensor]
    evidence: Mapping[str, Tensor]
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)
    attention: tuple[AttentionMap, ...] = ()
    reconstruction: Mapping[str, Tensor] = field(default_factory=dict)


class AVModel(nn.Module):
    """Base of every system: a subclass gives its config and spec, and implements ``presets`` and ``forward``.

    ``prior`` holds the answer before anything is seen, the log-probability of each class or the mean of each attribute;
    training sets it from the training set.

    ``precision`` is that of its products when it is asked: "fp32", or "bf16" (see ``core.inference.precision``), in which its
    weights and its answers stay float32.

    ``look_at`` names, for a modality that is pixels, the layer inside the model where explanations read: maps [N, K, H, W], films
    [N, K, T, H, W] or tokens [N, T, K]. Without one the pixels themselves are read.
    """

    config_type: type
    prior: Tensor
    precision: Precision = "fp32"
    look_at: Mapping[str, nn.Module] = MappingProxyType({})

    def __init__(self, config: Any, spec: ModelSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        # All classes alike, or 0. Not by log_softmax: of a model without memory torch would take it apart, a second of imports.
        alike = -math.log(max(1, len(spec.labels))) if spec.task == "classification" else 0.0
        self.register_buffer("prior", torch.full((len(spec.labels),), alike))

    @classmethod
    def presets(cls) -> Mapping[str, Any]:
        """The catalogue's configs by name: ``paper`` has the published sizes, ``demo`` is small, for this project's features."""
        raise UserError(f"{cls.__name__} has no presets: name one that has, or build it from its config.")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The model at one of the catalogue's sizes, with some fields of its config changed."""
        return cls(replace(choose_preset(cls.presets(), name), **changes))  # type: ignore[call-arg]

    @classmethod
    def sized(cls, dims: Mapping[str, int]) -> dict[str, Any]:
        """The fields of the config that fit the model to features of other widths, modality -> features a frame."""
        return {f"{modality}_dim": dim for modality, dim in dims.items()}

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.precision == "fp32":
            return super().__call__(*args, **options)
        with torch.autocast(self.prior.device.type, torch.bfloat16):
            output = super().__call__(*args, **options)
        return _in_float32(output)

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        """Answer a batch; ``attention=True`` returns the weights of every layer and head too."""
        raise TypeError(f"{type(self).__name__} does not implement the contract: it has no forward")

    def places(self, batch: Batch) -> tuple[PlaceAttention, ...]:
        """Where in the pictures the model's own attention lies, where it has any."""
        return ()

    def answers(self, logits: Mapping[str, Tensor], batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Logits by head with the prior put in where a head has no evidence, and the evidence [B] itself.

        A public code (``variant="code"``) knows no absence: zeros are evidence to it like anything else.
        """
        zeros_count = getattr(self.config, "variant", "paper") == "code"
        seen = {name: torch.ones_like(mask[:, 0]) if zeros_count else mask.any(1) for name, mask in batch.present.items()}
        evidence = {h: torch.stack([seen[m] for m in self.spec.modalities[h] if m in seen]).any(0) for h in logits}
        return {h: torch.where(_like(evidence[h], v), v, self.prior) for h, v in logits.items()}, evidence

    def decide(self, output: ModelOutput) -> Tensor:
        """The system's answer, shaped as the heads': their mean over the deciding heads that have evidence; else the prior."""
        heads = self.spec.decision
        logits = torch.stack([output.predictions[h] for h in heads])
        weight = torch.stack([_like(output.evidence[h], logits[0]) for h in heads]).to(logits)
        mean = (logits * weight).sum(0) / weight.sum(0).clamp(min=1)
        # The answers may have come back from the device that the model is on.
        return torch.where(weight.sum(0) > 0, mean, self.prior.to(mean.device))


def over_clip(answer: Tensor, batch: Batch) -> Tensor:
    """Predictions by frame [B, T, outputs] as one a clip, [B, outputs]: the mean over present frames; others as they are."""
    if answer.ndim == 2:
        return answer
    there = torch.stack(list(batch.synchronous().present.values())).any(0)[:, : answer.shape[1]].to(answer.device)
    # Without any frame every answer is the prior.
    there = there | ~there.any(1, keepdim=True)
    return (answer * there[..., None]).sum(1) / there.sum(1, keepdim=True)


def _in_float32(output: ModelOutput) -> ModelOutput:
    """Numbers that nothing behind a model need know the precision of."""
    return ModelOutput(
        {name: value.float() for name, value in output.predictions.items()},
        output.evidence,
        {name: value.float() for name, value in output.embeddings.items()},
        tuple(replace(attention, weights=attention.weights.float()) for attention in output.attention),
        {name: value.float() for name, value in output.reconstruction.items()},
    )


def _like(rows: Tensor, values: Tensor) -> Tensor:
    """[B] as it broadcasts over [B, ...]."""
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
