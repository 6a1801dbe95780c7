"""One modality alone through conformer layers: goncalves2025versatile's baseline 6, the branch of a VAVL without its partner.

Source: goncalves2025versatile, section IV-E (baseline 6), with the sizes of IV-C. Shapes: the modality [B, T, D]; the one head,
which bears the modality's name, gives [B, outputs].

The road: a convolution over time brings the features to 50 (III-A), five conformer layers encode them, the mean over the present
frames goes through two fully connected layers. goncalves2025versatile says no more of it. Chosen here: the convolution and
everything inside a conformer layer are those of ``vavl``, paper variant; the first fully connected layer has 512 nodes, as the
first of the paper's heads, with ReLU and a dropout of 0.2 behind it, and the second is the output.

Deviations:

- goncalves2025versatile (IV-E): the first convolution and the inside of a conformer layer are those of ``vavl``, paper variant;
  the first fully connected layer has 512 nodes, with ReLU and a dropout of 0.2 behind it. Apart from the five layers, the paper
  gives no sizes.

Counts, measured, six classes: 32,163,846 for the sound, 32,259,846 for the picture. There is no figure in goncalves2025versatile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from affectscope.core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.attention import of_present_keys
from affectscope.core.models.blocks.conformer import Conformer, ConformerConfig
from affectscope.core.models.blocks.tokens import mean_present
from affectscope.core.models.labels import EMOTIONS, versatile_tasks
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class UnimodalConformerConfig:
    """Sizes; only the width of the features of ``modality`` is used.

    Attributes:
        projected: width that the convolution brings the features to.
        hidden: nodes of the first fully connected layer.
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    modality: Literal["audio", "visual"] = "audio"
    audio_dim: int = 1024
    visual_dim: int = 1408
    projected: int = 50
    width: int = 512
    heads: int = 8
    layers: int = 5
    kernel: int = 31
    hidden: int = 512


@MODELS.register("unimodal-conformer")
class UnimodalConformer(AVModel):
    """See the module. All parameters are used."""

    config_type = UnimodalConformerConfig
    config: UnimodalConformerConfig

    def __init__(self, config: UnimodalConformerConfig) -> None:
        super().__init__(config, _spec(config))
        dim = self.spec.inputs[config.modality]
        self.project = nn.Conv1d(dim, config.projected, 5, padding=2, bias=False)
        self.encoder = Conformer(ConformerConfig(config.projected, config.width, config.heads, config.layers, config.kernel))
        self.head = nn.Sequential(
            nn.Linear(config.width, config.hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(config.hidden, len(config.labels))
        )

    @classmethod
    def presets(cls) -> dict[str, UnimodalConformerConfig]:
        """Sound, or with ``-visual`` the picture: CREMA-D, attributes on MSP-IMPROV, sentiment on CMU-MOSEI."""
        paper = UnimodalConformerConfig()
        hearing = {
            **versatile_tasks(paper),
            "demo": replace(
                paper, audio_dim=130, visual_dim=135, projected=32, width=64, heads=4, layers=2, kernel=15, hidden=64
            ),
        }
        return hearing | {f"{name}-visual": replace(config, modality="visual") for name, config in hearing.items()}

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        m = self.config.modality
        present = batch.present[m]
        h = self.project(batch.values[m].transpose(1, 2)).transpose(1, 2)
        # The convolution reaches from present frames into absent ones; those stay empty.
        h, weights = self.encoder(torch.where(present[..., None], h, 0), present, attention)
        pooled = mean_present(h, present)
        predictions, evidence = self.answers({m: self.head(pooled)}, batch)
        maps = tuple(AttentionMap(f"own.{m}", m, m, i, of_present_keys(w, present)) for i, w in enumerate(weights))
        return ModelOutput(predictions, evidence, {m: pooled}, maps)


def _spec(config: UnimodalConformerConfig) -> ModelSpec:
    m = config.modality
    dims = {"audio": config.audio_dim, "visual": config.visual_dim}
    return ModelSpec(
        system="unimodal-conformer",
        inputs={m: dims[m]},
        labels=tuple(config.labels),
        heads=(m,),
        modalities={m: (m,)},
        decision=(m,),
        attention=(AttentionSpec(f"own.{m}", m, m, config.layers, config.heads),),
        embeddings=(m,),
        task=config.task,
    )
