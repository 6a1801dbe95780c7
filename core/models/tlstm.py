"""TLSTM: self-attention in each modality, attention between them, then one LSTM over what came out.

Source: Huang et al. (ICASSP 2020) as goncalves2025versatile describes it (section IV-E, baseline 5): multi-head attention learns
the dynamics of each modality, both are fused on the level of the model in a shared space, without an encoder and a decoder, and
an LSTM follows. There is no public code, and goncalves2025versatile gives nothing but that and 485 k parameters. Shapes: audio
[B, Ta, 1024], visual [B, Tv, 1408] in the published preset; the one head gives [B, outputs].

Deviations:

- goncalves2025versatile (IV-E): Shared space: both modalities are projected to the same width without bias, get sinusoidal
  positions and pre-norm transformer layers of their own; in the fusion layers, each modality's frames attend to the other's,
  with a residual; both fused sequences go through the same LSTM.
- goncalves2025versatile (IV-E): Time: each fused sequence keeps the frame times of its query modality, so that the lengths may
  differ and neither is cut or stretched. The LSTM runs over both, one after the other, skipping absent frames.
- goncalves2025versatile (IV-E): One prediction per clip, where Huang et al. predict every moment: the mean of the LSTM's outputs
  over the present frames of each sequence, then the mean over the present sequences, then one layer.
- goncalves2025versatile (IV-E): For a clip without one modality, only the other's sequence is used, without any contribution of
  the missing one.
- goncalves2025versatile (IV-E): The paper gives 485 k parameters but no sizes: these were chosen to come close.

Counts, measured: 489,734 with six classes. The sizes were picked to come near goncalves2025versatile's 485 k, which proves
nothing about them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from affectscope.core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.recurrent import run_present
from affectscope.core.models.blocks.tokens import mean_present
from affectscope.core.models.blocks.transformer import EncoderConfig, TransformerEncoder
from affectscope.core.models.labels import EMOTIONS, versatile_tasks
from affectscope.core.streams import Batch

OTHER = {"audio": "visual", "visual": "audio"}


@dataclass(frozen=True)
class TLSTMConfig:
    """Sizes of a TLSTM.

    Attributes:
        layers: self-attention layers of each modality.
        cross_layers: layers in which it asks the other.
        recurrent: width of the LSTM.
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    audio_dim: int = 1024
    visual_dim: int = 1408
    width: int = 64
    heads: int = 4
    layers: int = 2
    cross_layers: int = 1
    recurrent: int = 64
    dropout: float = 0.1


@MODELS.register("tlstm")
class TLSTM(AVModel):
    """See the module. All parameters are used."""

    config_type = TLSTMConfig
    config: TLSTMConfig

    def __init__(self, config: TLSTMConfig) -> None:
        super().__init__(config, _spec(config))
        width = config.width
        own = EncoderConfig(
            width, config.heads, config.layers, positions=True,
            input_dropout=config.dropout, residual_dropout=config.dropout, relu_dropout=config.dropout,
        )  # fmt: skip
        cross = replace(own, layers=config.cross_layers, positions=False, embed_scale=False, input_dropout=0.0)
        self.project = nn.ModuleDict({m: nn.Linear(dim, width, bias=False) for m, dim in self.spec.inputs.items()})
        self.own = nn.ModuleDict({m: TransformerEncoder(own) for m in OTHER})
        self.cross = nn.ModuleDict({m: TransformerEncoder(cross) for m in OTHER})
        self.recurrent = nn.LSTM(width, config.recurrent, batch_first=True)
        self.drop = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.recurrent, len(config.labels))

    @classmethod
    def presets(cls) -> dict[str, TLSTMConfig]:
        """goncalves2025versatile's three tasks, see ``versatile_tasks``, and the demo corpus."""
        paper = TLSTMConfig()
        return {
            **versatile_tasks(paper),
            "demo": replace(paper, audio_dim=130, visual_dim=135),
        }

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        maps: list[AttentionMap] = []
        present = {m: batch.present[m] for m in OTHER}

        def encode(kind: str, m: str, query: Tensor, key: Tensor | None, asked: str) -> Tensor:
            h: Tensor
            h, weights = getattr(self, kind)[m](query, key, present[asked], attention)
            maps.extend(AttentionMap(f"{kind}.{m}", m, asked, i, w) for i, w in enumerate(weights))
            return h

        own = {m: encode("own", m, self.project[m](batch.values[m]), None, m) for m in OTHER}
        sequences = []
        for m, other in OTHER.items():
            fused = encode("cross", m, own[m], own[other], other)
            sequences.append(mean_present(run_present(self.recurrent, fused, present[m]), present[m]))
        there = torch.stack([present[m].any(1) for m in OTHER], 1)
        pooled = mean_present(torch.stack(sequences, 1), there)
        predictions, evidence = self.answers({"av": self.out(self.drop(pooled))}, batch)
        return ModelOutput(predictions, evidence, {"fused": pooled}, tuple(maps))


def _spec(config: TLSTMConfig) -> ModelSpec:
    own = [AttentionSpec(f"own.{m}", m, m, config.layers, config.heads) for m in OTHER]
    cross = [AttentionSpec(f"cross.{m}", m, other, config.cross_layers, config.heads) for m, other in OTHER.items()]
    return ModelSpec(
        system="tlstm",
        inputs={"audio": config.audio_dim, "visual": config.visual_dim},
        labels=tuple(config.labels),
        heads=("av",),
        modalities={"av": tuple(OTHER)},
        decision=("av",),
        attention=(*own, *cross),
        embeddings=("fused",),
        task=config.task,
    )
