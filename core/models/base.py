"""The contract of a model: what it declares (``ModelSpec``), and what it returns (``ModelOutput``)."""

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
    """An attention that a model can return: ``query`` frames attend to ``key`` frames."""

    name: str
    query: str
    key: str
    layers: int
    heads: int


@dataclass(frozen=True)
class ModelSpec:
    """What a model declares. The app shows the views that apply to the spec.

    Attributes:
        system: the model's name in the registry.
        inputs: modality -> features per frame.
        labels: the classes in the order of the logits, or the attributes (arousal, valence, sentiment) of a regression.
        heads: names of the predictions, the main one first.
        modalities: head -> the modalities that it uses.
        decision: the heads whose mean logits are the system's answer.
        embeddings: names of the vectors that a map can show.
        shared: (audio, visual) embedding names after each layer that both modalities pass through, first to last, starting with
            the layers' input where the model returns it (goncalves2025versatile, Fig. 4).
        reference: None where a clip gets one prediction, [B, outputs]. Otherwise the modality whose frames get one each,
            [B, T, outputs]; the other modalities are resampled to its frames (``Stream.resampled``), and T is the longest.
        loss_weights: head -> lambda in training; empty weighs all heads equally.
        absence: modality -> how absent frames are imputed (zeros, noise, mean, forward-fill, mask) for a wrapped network; empty
            for models that handle absence themselves.
        features: modality -> feature set (``core.features.sets``), where it is not the default.
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
        """Probabilities for logits [..., outputs] of a classifier; a regression's values unchanged."""
        return prediction.softmax(-1) if self.task == "classification" else prediction


@dataclass(frozen=True)
class AttentionMap:
    """Attention weights [B, heads, Tq, Tk] of one layer; 0 at absent keys.

    Rows of present queries sum to 1 over present keys; all rows are 0 where a clip has no keys.
    """

    name: str
    query: str
    key: str
    layer: int
    weights: Tensor


@dataclass(frozen=True)
class PlaceAttention:
    """A model's own attention over places in the picture, or over channels mapped to where they are active, per head.

    Attributes:
        name: "spatial" or "channel".
        over: what is attended to, as shown to the user.
        maps: [B, heads, N, h, w], >= 0, for N equal parts of the present frames, in order. Zeros for a clip without frames.
        spread: [B, heads, N], how many of ``count`` items the attention covers: the exponential of its entropy.
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
        predictions: head -> logits or values [B, outputs] ([B, T, outputs] with a reference). A head without evidence returns the
            prior.
        evidence: head -> [B] bool, False where none of the head's modalities has a present frame.
        embeddings: name -> [B, D].
        attention: empty unless requested.
        reconstruction: modality -> [B, D] where the model reconstructs its input.
    """

    predictions: Mapping[str, Tensor]
    evidence: Mapping[str, Tensor]
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)
    attention: tuple[AttentionMap, ...] = ()
    reconstruction: Mapping[str, Tensor] = field(default_factory=dict)


class AVModel(nn.Module):
    """Base class of every model. A subclass provides config and spec, and implements ``presets`` and ``forward``.

    ``prior`` is the answer without input: each class's log-probability, or each attribute's mean. Training sets it from the
    training set.

    ``precision`` of inference: "fp32" or "bf16" (see ``core.inference.precision``). Weights and outputs stay float32.

    ``look_at``: modality -> the layer that explanations read, for modalities given as pixels. It returns maps [N, K, H, W], maps
    over time [N, K, T, H, W] or tokens [N, T, K]. Without one, explanations read the pixels."""

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
        """The named configs: ``paper`` has the published sizes; ``demo`` is small and fits this project's features."""
        raise UserError(f"{cls.__name__} has no presets: name one that has, or build it from its config.")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The model of a named preset, with some config fields replaced."""
        return cls(replace(choose_preset(cls.presets(), name), **changes))  # type: ignore[call-arg]

    @classmethod
    def sized(cls, dims: Mapping[str, int]) -> dict[str, Any]:
        """The config fields that fit the model to other feature widths; ``inputs``: modality -> features per frame."""
        return {f"{modality}_dim": dim for modality, dim in dims.items()}

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.precision == "fp32":
            return super().__call__(*args, **options)
        with torch.autocast(self.prior.device.type, torch.bfloat16):
            output = super().__call__(*args, **options)
        return _in_float32(output)

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        """Run the model on a batch. ``attention=True`` also returns the weights of every layer and head."""
        raise TypeError(f"{type(self).__name__} does not implement the contract: it has no forward")

    def places(self, batch: Batch) -> tuple[PlaceAttention, ...]:
        """The model's own attention over places in the pictures; empty if it has none."""
        return ()

    def answers(self, logits: Mapping[str, Tensor], batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Logits per head, with the prior where a head has no evidence, and the evidence [B].

        The papers' public code (``variant="code"``) has no notion of absence: zeros count as evidence.
        """
        zeros_count = getattr(self.config, "variant", "paper") == "code"
        seen = {name: torch.ones_like(mask[:, 0]) if zeros_count else mask.any(1) for name, mask in batch.present.items()}
        evidence = {h: torch.stack([seen[m] for m in self.spec.modalities[h] if m in seen]).any(0) for h in logits}
        return {h: torch.where(_like(evidence[h], v), v, self.prior) for h, v in logits.items()}, evidence

    def decide(self, output: ModelOutput) -> Tensor:
        """The system's answer, shaped like a head's: the mean over the deciding heads that have evidence, else the prior."""
        heads = self.spec.decision
        logits = torch.stack([output.predictions[h] for h in heads])
        weight = torch.stack([_like(output.evidence[h], logits[0]) for h in heads]).to(logits)
        mean = (logits * weight).sum(0) / weight.sum(0).clamp(min=1)
        # The predictions may have been moved from the model's device to the CPU.
        return torch.where(weight.sum(0) > 0, mean, self.prior.to(mean.device))


def over_clip(answer: Tensor, batch: Batch) -> Tensor:
    """Per-frame predictions [B, T, outputs] as one per clip [B, outputs]: the mean over present frames. Others are unchanged."""
    if answer.ndim == 2:
        return answer
    there = torch.stack(list(batch.synchronous().present.values())).any(0)[:, : answer.shape[1]].to(answer.device)
    # Without any frame, every prediction is the prior.
    there = there | ~there.any(1, keepdim=True)
    return (answer * there[..., None]).sum(1) / there.sum(1, keepdim=True)


def _in_float32(output: ModelOutput) -> ModelOutput:
    """Cast the outputs to float32, so that callers need not know the model's precision."""
    return ModelOutput(
        {name: value.float() for name, value in output.predictions.items()},
        output.evidence,
        {name: value.float() for name, value in output.embeddings.items()},
        tuple(replace(attention, weights=attention.weights.float()) for attention in output.attention),
        {name: value.float() for name, value in output.reconstruction.items()},
    )


def _like(rows: Tensor, values: Tensor) -> Tensor:
    """Reshape [B] to broadcast over [B, ...]."""
    return rows.view(-1, *[1] * (values.ndim - 1))


def choose_preset(presets: Mapping[str, T], name: str) -> T:
    """A system's preset by name.

    Raises:
        UserError: when there is none of that name.
    """
    if name not in presets:
        raise UserError(f"There is no preset {name!r}; choose one of {', '.join(presets)}.")
    return presets[name]


MODELS: Registry[type[AVModel]] = Registry("model")
