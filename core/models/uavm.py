"""UAVM: each modality through a transformer of its own, then both, one after the other, through the same transformer and head.

Source: Gong et al. (IEEE Signal Processing Letters, 2022), as goncalves2025versatile takes it over (sections II-C, II-D and IV-E,
baseline 1); the public code is measured in OFFICIAL_CODE.md, sections 4 and 5. Shapes: audio [B, Ta, 1024], visual [B, Tv, 1408]
in the published preset; every head gives [B, outputs].

The road, the same for either modality: frames get unit length (L2) and become 30 steps; LayerNorm, a projection where the width
differs, and a learned table of positions lead into three pre-norm transformer layers (GELU, no bias on queries, keys and values,
no dropout); the shared part has a LayerNorm, a table and three layers of its own; the mean over the steps is normalised and
classified. Modalities never look at each other: what relates them is the shared part. The answer to both is the mean of the two
logits, with one modality that one's logits alone; goncalves2025versatile (II-C) doubts that this mean suits attributes.

Steps. The public loader cuts a clip off after 30 frames, and fills a shorter one with zeros, which the model takes for evidence.
Here a clip of any length gives 30 steps, each the mean of one of 30 equal parts of its present frames, so that step i stands for
the same share of every clip; with fewer than 30 frames, frames repeat. With 30 frames both do the same, and a public checkpoint
gives its own numbers. Attention between steps is given back between frames; a frame asks as its steps do.

In training the public code shows each batch with one modality, chosen by a coin; the two losses at half weight have the same
mean.

Deviations:

- goncalves2025versatile (IV-E): the public code truncates a clip after 30 frames and pads a shorter one with zeros; here the
  present frames are averaged in 30 equal parts.
- goncalves2025versatile (II-C): the prediction for both modalities is the mean of the two logits, also for attributes, which the
  paper itself questions.
- goncalves2025versatile (IV-E): each batch trains one modality, chosen at random, as in the public code; the paper does not say.

Counts, measured: 117,004,050 with six classes, goncalves2025versatile's 117 M; 116,994,825 with three outputs. Of the former
2,115,596 are never used, projections between equal widths and the branches' own heads: ``idle_parts=False`` leaves them out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.segments import segments, spread
from affectscope.core.models.blocks.transformer import EncoderConfig, TransformerEncoder
from affectscope.core.models.labels import EMOTIONS, versatile_tasks
from affectscope.core.streams import Batch

MODALITIES = ("audio", "visual")
_EPSILON = 1e-6


@dataclass(frozen=True)
class UAVMConfig:
    """Sizes of a UAVM.

    Attributes:
        layers, shared_layers: of each modality's own transformer, and of the shared one.
        steps: how many a clip is cut into.
        idle_parts: build what the public code builds and never calls.
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    audio_dim: int = 1024
    visual_dim: int = 1408
    width: int = 1024
    heads: int = 4
    layers: int = 3
    shared_layers: int = 3
    steps: int = 30
    idle_parts: bool = True


class Branch(nn.Module):
    """Steps [B, steps, dim] -> [B, steps, width], and one [B, heads, steps, steps] a layer when asked for."""

    def __init__(self, dim: int, steps: int, encoder: EncoderConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=_EPSILON)
        self.project = nn.Identity() if dim == encoder.dim else nn.Linear(dim, encoder.dim)
        self.positions = nn.Parameter(torch.empty(steps, encoder.dim))
        self.encoder = TransformerEncoder(encoder)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, x: Tensor, need_weights: bool, states: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        placed = self.project(self.norm(x)) + self.positions
        steps, weights = self.encoder(placed, need_weights=need_weights, states=states)
        return steps, weights


@MODELS.register("uavm")
class UAVM(AVModel):
    """See the module. ``idle_project`` and ``idle_head`` are never called; everything else is used."""

    config_type = UAVMConfig
    config: UAVMConfig

    def __init__(self, config: UAVMConfig) -> None:
        super().__init__(config, _spec(config))
        width, outputs = config.width, len(config.labels)
        own = EncoderConfig(
            width, config.heads, config.layers, embed_scale=False, final_norm=False, qkv_bias=False, activation="gelu",
            input_dropout=0, residual_dropout=0, relu_dropout=0,
        )  # fmt: skip
        self.own = nn.ModuleDict({m: Branch(dim, config.steps, own) for m, dim in self.spec.inputs.items()})
        self.shared = Branch(width, config.steps, replace(own, layers=config.shared_layers))
        self.head = _head(width, outputs)
        if config.idle_parts:
            equal = [*(m for m, dim in self.spec.inputs.items() if dim == width), "shared"]
            self.idle_project = nn.ModuleDict({part: nn.Linear(width, width) for part in equal})
            self.idle_head = nn.ModuleDict({m: _head(width, outputs) for m in MODALITIES})

    @classmethod
    def presets(cls) -> dict[str, UAVMConfig]:
        """goncalves2025versatile's three tasks, see ``versatile_tasks``, and the demo corpus."""
        paper = UAVMConfig()
        return {
            **versatile_tasks(paper),
            "demo": UAVMConfig(audio_dim=130, visual_dim=135, width=64, layers=2, shared_layers=2, idle_parts=False),
        }

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        maps: list[AttentionMap] = []
        logits: dict[str, Tensor] = {}
        embeddings: dict[str, Tensor] = {}
        for m in MODALITIES:
            parts = segments(batch.present[m], self.config.steps)
            own, weights = self.own[m](parts @ F.normalize(batch.values[m], dim=-1), attention)
            maps.extend(AttentionMap(f"own.{m}", m, m, i, spread(w, parts, parts)) for i, w in enumerate(weights))
            states = [own]
            shared, weights = self.shared(own, attention, states)
            maps.extend(AttentionMap(f"shared.{m}", m, m, i, spread(w, parts, parts)) for i, w in enumerate(weights))
            embeddings |= {f"{stage} {m}": h.mean(1) for stage, h in zip(_stages(self.config), states, strict=True)}
            logits[m] = self.head(shared.mean(1))
        seen = {m: batch.present[m].any(1, keepdim=True) for m in MODALITIES}
        both = (logits["audio"] + logits["visual"]) / 2
        alone = torch.where(seen["audio"], logits["audio"], logits["visual"])
        logits = {"av": torch.where(seen["audio"] & seen["visual"], both, alone), **logits}
        predictions, evidence = self.answers(logits, batch)
        return ModelOutput(predictions, evidence, embeddings, tuple(maps))


def _head(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width, eps=_EPSILON), nn.Linear(width, outputs))


def _stages(config: UAVMConfig) -> tuple[str, ...]:
    """What goes into the shared layers, and what each of them gives; the last is what the head sees."""
    return ("own", *(f"shared layer {i + 1}" for i in range(config.shared_layers)))


def _spec(config: UAVMConfig) -> ModelSpec:
    pairs = tuple((f"{stage} audio", f"{stage} visual") for stage in _stages(config))
    parts = (("own", config.layers), ("shared", config.shared_layers))
    return ModelSpec(
        system="uavm",
        inputs={"audio": config.audio_dim, "visual": config.visual_dim},
        labels=tuple(config.labels),
        heads=("av", *MODALITIES),
        modalities={"av": MODALITIES, "audio": ("audio",), "visual": ("visual",)},
        decision=("av",),
        attention=tuple(AttentionSpec(f"{part}.{m}", m, m, n, config.heads) for part, n in parts for m in MODALITIES),
        embeddings=tuple(name for pair in reversed(pairs) for name in pair),
        shared=pairs,
        task=config.task,
        # The audio-visual head has no weights of its own to teach.
        loss_weights={"audio": 0.5, "visual": 0.5},
    )
