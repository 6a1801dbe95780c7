"""The audio-visual transformer that says arousal and valence of every frame.

Source: parthasarathy2020detecting, sections 3 and 4.3; no public code exists. Shapes: audio and visual [B, T, 4096] in
the published preset, on the frames of the visual modality, its reference; the one head, "av" (or the modality's name where
there is but one), gives [B, T, 2], T the longest of the modalities in the batch. parthasarathy2020detecting trains and predicts
on sequences of ``SEQUENCE`` frames, about 3 s. So the published presets train (strategy "sequences") and answer, wherever they
are asked (``sequence`` of the config): no frame looks beyond its own sequence, and positions begin again in each. The demos take
whole clips, which are about that long.

The road: each modality is projected to 512 and runs through its own self-attention encoder; two cross-modal attention layers
let each modality ask the other; the sum of what they return, weighted with two learnable scalars, passes one dense layer frame
by frame (see ``blocks.crossmodal``). The visual frames are VGG-Face's first fully connected layer; an audio frame is the LLDs
of two seconds side by side. Both are made upstream: frame i of the audio belongs to frame i of the picture
(``Stream.resampled``).

Deviations:

- Attention divides by the square root of a head's width. Eq. 1 has no scale, but Fig. 3 calls the layers scaled, and the
  section on the architecture follows Vaswani et al. (2017), who scale. Eq. 1 also has K before Q; here, as there, a query's
  weights over the keys sum to one.
- Two widths of 4.2 and 4.3 cannot be obtained as described. 65 LLDs over two seconds, at the video's frame rate, are 60 * 65 =
  3,900 values, and no whole number of frames gives 4,096 (63 give 4,095). A face of 96 pixels leaves VGG-Face's convolutions as
  3 x 3 x 512, but its first fully connected layer needs 7 x 7 x 512, the output for 224 pixels. The inputs are 4,096 wide, as
  printed; the feature sets define how this width is reached.
- The projection to 512 has no bias; alpha and beta begin at 1.
- Encoders have two layers ("multiple"), a feed-forward of 4 * width as in Vaswani et al., dropout 0.1, sines and cosines for
  positions, LayerNorm before each branch and at the end (they put it after each branch; before it trains without a warm-up).
- The cross-modal layers also have four heads, and contain only attention, without a feed-forward.
- ``residual=False`` follows parthasarathy2020detecting's text: the outputs of the cross-modal layers are summed.
  ``residual=True`` follows the interpretation of goncalves2022robust (section 4.5.3): each is first added to its encoder's
  output. ``paper`` follows the text. ``demo`` uses the residual: on synthetic signals it learned in fewer steps and was more
  robust to a missing modality.
- Predictions are not restricted to the labels' range [-1, 1].
- (4.4) The paper does not describe the video-only transformer: here it is its encoder and the dense layer, without a cross-modal
  layer.
- (5) The paper says that transformers and recurrent baselines are within 10 % of each other in parameters. With both modalities
  they are, 18,908,164 and 18,924,674; with video alone they are not, 8,403,970 and 18,503,426.
- (4.2.1) The paper does not say what happens to frames without a face or without sound: nothing attends to them, and recurrent
  layers skip them. A frame with neither keeps the last prediction; before the first frame with either, the prediction is the
  training mean.
- (4.3) The paper does not say which frames form a sequence: a clip is divided from its first frame, and its last sequence may be
  shorter.
- (5.1) In the study of Fig. 4, missing frames are zeros, for audio after normalisation, drawn again for each trial; the paper
  does not say whether a trial draws frames or sequences.

Absent frames are never looked at. Without the residual they do ask, with their position and what their own modality's present
frames tell them, much as the zeros of parthasarathy2020detecting's study of missing modalities do (section 5.1), so that each
modality can speak through the other's questions; with it, a frame that one modality lacks has the other's contribution only. A
frame that holds nothing keeps the last answer; before the first frame that holds something the answer is the prior.

Counts, measured: ``paper`` 18,908,164, ``paper-visual`` 8,403,970. parthasarathy2020detecting says that its transformers and its
recurrent baselines are within 10 % of each other and gives no number. With two layers that holds for the audio-visual models
(``affect-rnn`` has 18,924,674) and not for the visual ones (18,503,426).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from affectscope.core.models.base import MODELS, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.crossmodal import CrossModalEncoder, attention_specs
from affectscope.core.models.blocks.frames import aligned, forward_filled, joined, joined_maps, sequences
from affectscope.core.models.blocks.tokens import mean_present
from affectscope.core.models.blocks.transformer import EncoderConfig
from affectscope.core.models.labels import AFFECT
from affectscope.core.streams import Batch

SEQUENCE = 100
"""Frames in a sequence of parthasarathy2020detecting, section 4.3."""


@dataclass(frozen=True)
class AffectTransformerConfig:
    """Sizes of an affect transformer.

    Attributes:
        modalities: both, or the one that the model is for.
        audio_dim, visual_dim: features a frame.
        residual: see the module.
        sequence: frames that are answered together, one such sequence of a clip after the other; 0 for the whole clip.
    """

    modalities: tuple[str, ...] = ("audio", "visual")
    labels: tuple[str, ...] = AFFECT
    task: Task = "regression"
    audio_dim: int = 4096
    visual_dim: int = 4096
    width: int = 512
    heads: int = 4
    layers: int = 2
    residual: bool = False
    dropout: float = 0.1
    sequence: int = 0


@MODELS.register("affect-transformer")
class AffectTransformer(AVModel):
    """See the module."""

    config_type = AffectTransformerConfig
    config: AffectTransformerConfig

    def __init__(self, config: AffectTransformerConfig) -> None:
        super().__init__(config, _spec(config))
        encoder = EncoderConfig(
            config.width, config.heads, config.layers, embed_scale=False,
            input_dropout=config.dropout, residual_dropout=config.dropout, relu_dropout=config.dropout,
        )  # fmt: skip
        self.encode = CrossModalEncoder(self.spec.inputs, encoder, config.residual)
        self.out = nn.Linear(config.width, len(config.labels))

    @classmethod
    def presets(cls) -> dict[str, AffectTransformerConfig]:
        """Table 1's ``paper`` and ``paper-visual``; ``paper-residual`` is the first as goncalves2022robust reads it."""
        paper = AffectTransformerConfig(sequence=SEQUENCE)
        demo = replace(paper, audio_dim=130, visual_dim=135, width=64, residual=True, sequence=0)
        visual = ("visual",)
        return {
            "paper": paper,
            "paper-residual": replace(paper, residual=True),
            "paper-visual": replace(paper, modalities=visual),
            "demo": demo,
            "demo-visual": replace(demo, modalities=visual),
        }

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch, seen = aligned(batch, self.spec.inputs)
        contributions, maps = self.encode(sequences(batch, self.config.sequence), attention)
        fused = joined(torch.stack(list(contributions.values())).sum(0), *seen.shape)
        values = forward_filled(self.out(fused), seen, self.prior)
        predictions, evidence = self.answers({self.spec.heads[0]: values}, batch)
        return ModelOutput(predictions, evidence, {"fused": mean_present(fused, seen)}, joined_maps(maps, *seen.shape))


def _spec(config: AffectTransformerConfig) -> ModelSpec:
    names = tuple(config.modalities)
    head = "av" if len(names) > 1 else names[0]
    return ModelSpec(
        system="affect-transformer",
        inputs={m: {"audio": config.audio_dim, "visual": config.visual_dim}[m] for m in names},
        labels=tuple(config.labels),
        heads=(head,),
        modalities={head: names},
        decision=(head,),
        attention=attention_specs(names, config.layers, config.heads),
        embeddings=("fused",),
        task=config.task,
        reference="visual" if "visual" in names else names[0],
    )
