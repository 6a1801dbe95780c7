"""The cross-modal transformer of parthasarathy2020detecting, which says an emotion of a clip: goncalves2022robust's baseline 3.

Sources: goncalves2022robust, section 4.5.3, which describes it again; parthasarathy2020detecting, section 3, which it comes from.
No public code exists. Shapes: audio [B, Ta, 130], visual [B, Tv, 4096] in the published preset; the one head gives logits [B,
classes].

The road: each modality runs through its own self-attention encoder; two cross-modal attention layers let each modality ask the
other; what they return is added to their own encoder's output, scaled with one learnable scalar each (alpha, beta); the two
components are summed and pass one dense layer (see ``blocks.crossmodal``, with its residual).

Deviations:

- goncalves2022robust (4.5.3): The modalities have different lengths, but a clip needs one prediction: each component is averaged
  over its present frames before the sum. An absent modality contributes a zero vector.
- goncalves2022robust (4.5.3): Attention divides by the square root of a head's width (parthasarathy2020detecting calls the layers
  scaled; its Eq. 1 has no scale).
- goncalves2022robust (4.5.3): Sizes. goncalves2022robust's Table 5 counts 2,211,628 parameters, 7,125,278 upscaled; neither could
  be derived. ``paper`` has the width and heads of goncalves2022robust's own model and projects only the visual input, without
  bias, as that model does; four layers per encoder come closest to the published count. ``upscaled`` is wider.
- goncalves2022robust (4.5.3): The two scalars scale the output of attention, not the residual to which it is added, and are
  initialised to 1.
- goncalves2022robust (4.5.3): "trained and evaluated using the F1-score": it is trained with cross-entropy, like all models of
  4.3, because an F1-score has no gradient.
- goncalves2022auxformer (5.1): baseline 3 is this interpretation of goncalves2022robust.
- goncalves2022robust (4.5.3): Encoders have a feed-forward of 4 * width, dropout 0.1, sines and cosines for positions, LayerNorm
  before each branch and at the end; the cross-modal layers contain only attention.

Counts, measured, six classes: ``paper`` 2,305,948 (4 % more than published), ``upscaled`` 7,033,928 (1 % fewer).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from affectscope.core.models.base import MODELS, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.crossmodal import CrossModalEncoder, attention_specs
from affectscope.core.models.blocks.tokens import mean_present
from affectscope.core.models.blocks.transformer import EncoderConfig
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.streams import Batch

MODALITIES = ("audio", "visual")


@dataclass(frozen=True)
class CrossModalConfig:
    """Sizes of a cross-modal transformer.

    Attributes:
        audio_dim, visual_dim: features a frame; a modality of another width than ``width`` is projected to it.
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    audio_dim: int = 130
    visual_dim: int = 4096
    width: int = 130
    heads: int = 10
    layers: int = 4
    dropout: float = 0.1


@MODELS.register("crossmodal")
class CrossModal(AVModel):
    """See the module."""

    config_type = CrossModalConfig
    config: CrossModalConfig

    def __init__(self, config: CrossModalConfig) -> None:
        super().__init__(config, _spec(config))
        encoder = EncoderConfig(
            config.width, config.heads, config.layers, embed_scale=False,
            input_dropout=config.dropout, residual_dropout=config.dropout, relu_dropout=config.dropout,
        )  # fmt: skip
        self.encode = CrossModalEncoder(self.spec.inputs, encoder)
        self.out = nn.Linear(config.width, len(config.labels))

    @classmethod
    def presets(cls) -> dict[str, CrossModalConfig]:
        """goncalves2022robust's baseline 3: ``paper`` with six classes; ``upscaled`` as large as its own model, Fig. 8."""
        paper = CrossModalConfig()
        return {
            "paper": paper,
            "upscaled": replace(paper, width=240),
            "demo": replace(paper, visual_dim=135, width=64, heads=4, layers=2),
        }

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        contributions, maps = self.encode(batch, attention)
        pooled = [mean_present(contribution, batch.present[m]) for m, contribution in contributions.items()]
        fused = torch.stack(pooled).sum(0)
        predictions, evidence = self.answers({"av": self.out(fused)}, batch)
        return ModelOutput(predictions, evidence, {"fused": fused}, tuple(maps))


def _spec(config: CrossModalConfig) -> ModelSpec:
    return ModelSpec(
        system="crossmodal",
        inputs={"audio": config.audio_dim, "visual": config.visual_dim},
        labels=tuple(config.labels),
        heads=("av",),
        modalities={"av": MODALITIES},
        decision=("av",),
        attention=attention_specs(MODALITIES, config.layers, config.heads),
        embeddings=("fused",),
        task=config.task,
    )
