"""One modality alone through the refining and the auxiliary half of an AuxFormer: goncalves2022robust's baseline 4.

Source: goncalves2022robust, section 4.5.4 and Fig. 2. Shapes: the modality [B, T, D]; both heads give [B, outputs].

The road: features of another width are projected, positions are added; a self-attention encoder with learnable residuals and its
last present time-step feed the main classifier, a plain self-attention encoder and its last present time-step the auxiliary one.
Both losses count the same, and the answer is the mean of both heads' logits.

Deviations:

- goncalves2022robust (4.5.4): 4,364,354 parameters could not be reproduced: no number of encoders of the paper's sizes gives this
  count. Each network has one encoder, 2,314,947 parameters for audio and 2,847,427 for video.
- goncalves2022robust (4.5.4): Fig. 2 shows the two classifiers only as boxes. The main one is that of goncalves2022robust's own
  model, 130 wide; the demo keeps the public code's residual around it (``main_residual``). The auxiliary one shares no layers
  with it.
- goncalves2022robust (4.5.4), goncalves2022auxformer (5.3): layers, scaling, positions and tokens are interpreted as in
  ``auxformer``.
- goncalves2022robust (4.5.4): it uses standard training, without ablating its only modality.
- goncalves2022auxformer (5.3): the single-modality version has one more self-attention encoder (``plain_first``) instead of the
  fusion layers; the paper does not give its parameter count.

There is no public code, and the 4,364,354 parameters of Table 5 were not found again: encoders of goncalves2022robust's sizes
leave a remainder with any number of them. The reading taken here, one encoder a network as in ``auxformer`` (of which everything
else is the paper variant), has 2,847,427 parameters for the picture and 2,314,947 for the sound, measured, with six classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.attention import of_present_keys
from affectscope.core.models.blocks.heads import ResidualClassifier
from affectscope.core.models.blocks.tokens import last_present, with_placeholder
from affectscope.core.models.blocks.transformer import EncoderConfig, TransformerEncoder, as_published, sinusoidal_positions
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class UnimodalAttentionConfig:
    """Sizes; only the width of the features of ``modality`` is used.

    Attributes:
        plain_first: the single-modality version of goncalves2022auxformer (5.3): in the place of AuxFormer's fusion layers a
            self-attention encoder without learnable residuals, before the one that has them.
        main_residual: as ``AuxFormerConfig``'s; published presets have none.
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    modality: Literal["audio", "visual"] = "audio"
    audio_dim: int = 130
    visual_dim: int = 4096
    width: int = 130
    heads: int = 10
    layers: int = 5
    plain_first: bool = False
    aux_hidden: tuple[int, int] = (512, 256)
    encoder_dropout: float = 0.25
    residual_dropout: float = 0.1
    output_dropout: float = 0.2
    main_residual: bool = True


@MODELS.register("unimodal-attention")
class UnimodalAttention(AVModel):
    """See the module. All parameters are used."""

    config_type = UnimodalAttentionConfig
    config: UnimodalAttentionConfig

    def __init__(self, config: UnimodalAttentionConfig) -> None:
        super().__init__(config, _spec(config))
        width, outputs = config.width, len(config.labels)
        dim = self.spec.inputs[config.modality]
        self.project = nn.Linear(dim, width, bias=False) if dim != width else nn.Identity()
        plain = as_published(EncoderConfig(width, config.heads, config.layers, residual_dropout=config.residual_dropout))
        self.refined = TransformerEncoder(replace(plain, learnable_residual=True))
        if config.plain_first:
            self.first = TransformerEncoder(plain)
        self.auxiliary = TransformerEncoder(plain)
        self.main = ResidualClassifier(width, (width,), outputs, config.output_dropout, config.main_residual)
        self.aux = ResidualClassifier(width, config.aux_hidden, outputs, config.output_dropout)

    @classmethod
    def presets(cls) -> dict[str, UnimodalAttentionConfig]:
        """Sound, or with ``-visual`` the picture."""
        paper = UnimodalAttentionConfig(main_residual=False)
        demo = UnimodalAttentionConfig(visual_dim=135, width=48, heads=4, layers=2, aux_hidden=(96, 64))
        return {
            "paper": paper,
            "paper-visual": replace(paper, modality="visual"),
            "demo": demo,
            "demo-visual": replace(demo, modality="visual"),
        }

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        modality = self.config.modality
        present = batch.present[modality]
        asks = with_placeholder(present)
        x = self.project(batch.values[modality])
        x = x + sinusoidal_positions(x.shape[1], self.config.width).to(x)
        maps: list[AttentionMap] = []

        def encoded(name: str, encoder: nn.Module, x: Tensor) -> Tensor:
            h, weights = encoder(x, None, present, attention)
            maps.extend(AttentionMap(name, modality, modality, i, of_present_keys(w, present)) for i, w in enumerate(weights))
            return F.dropout(h, self.config.encoder_dropout, self.training)

        logits, embeddings = {}, {}
        first = encoded("first", self.first, x) if self.config.plain_first else x
        logits["main"], embeddings["main"] = self.main(last_present(encoded("fused", self.refined, first), asks))
        alone = encoded("auxiliary", self.auxiliary, x)
        logits["auxiliary"], embeddings["auxiliary"] = self.aux(last_present(alone, asks))
        predictions, evidence = self.answers(logits, batch)
        return ModelOutput(predictions, evidence, embeddings, tuple(maps))


def _spec(config: UnimodalAttentionConfig) -> ModelSpec:
    modality, heads = config.modality, ("main", "auxiliary")
    encoders = ("first",) * config.plain_first + ("fused", "auxiliary")
    dims = {"audio": config.audio_dim, "visual": config.visual_dim}
    return ModelSpec(
        system="unimodal-attention",
        inputs={modality: dims[modality]},
        labels=tuple(config.labels),
        heads=heads,
        modalities=dict.fromkeys(heads, (modality,)),
        decision=heads,
        attention=tuple(AttentionSpec(n, modality, modality, config.layers, config.heads) for n in encoders),
        embeddings=heads,
        task=config.task,
    )
