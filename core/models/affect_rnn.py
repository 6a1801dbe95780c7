"""The recurrent models that parthasarathy2020detecting compares its transformer with: arousal and valence of every frame.

Source: parthasarathy2020detecting, section 4.4; no public code exists. Shapes: audio [B, T, 65] and visual [B, T, 4096]
in the published preset, on the frames of the visual modality (for the model of sound alone, of its own); the one head, "av" or
the name of the only modality, gives [B, T, 2], T the longest of the modalities in the batch. Sequences in training: as in
``affect_transformer``.

The road: visual frames pass a fully connected layer with ReLU, each modality runs through two GRU layers of its own, both
outputs side by side through two more, and a dense layer answers every frame. The presets are the baselines of Table 1:

=================  ============================================  ===================================  ==========
preset             parthasarathy2020detecting                    what is built                        parameters
=================  ============================================  ===================================  ==========
paper              VGGFace-RNN (A + V)                           all of the road                      18,924,674
paper-visual       VGGFace-RNN (V); AffWildNet + Dynamic, which  FC 4096, two GRU layers, dense       18,503,426
                   is the same trained on other data
paper-audio        RNN (A)                                       two GRU layers, dense                174,210
paper-static       AffWildNet + Static, FC 4096                  FC 4096, dense; no recurrence        16,789,506
paper-static-2000  AffWildNet + Static, FC 2000                  FC 2000, dense; no recurrence        8,198,002
=================  ============================================  ===================================  ==========

Deviations:

- The convolutions of VGG-Face are frozen feature extraction outside the model; parthasarathy2020detecting does not say whether it
  trains them. Its FC layer takes their output, 25,088 values for 224 pixels. The presets take 4,096 values, like the transformer.
  If these are already the output of VGG-Face's first fully connected layer, ``fc`` is an additional layer; ``fc=0`` removes it
  (2,143,362 parameters for ``paper``).
- The visual GRUs have 128 nodes, and so do the others, whose width is not given. There is no dropout.
- (4.4) An audio frame is the 65 LLDs, the nearest in time for each visual frame. The audio-only model takes all of them, 100 per
  second, and gives a prediction for each: its sequences of 100 are one second long. The paper does not give its rate.
- Predictions are not restricted to the labels' range [-1, 1].
- (4.4) AffWildNet was trained on Aff-Wild, and its weights are not available: its static and dynamic rows are trained on the
  corpus itself. NISL and M3T are external systems and are not implemented.

Recurrent layers skip the frames that their input lacks: the state stays, and what a frame without sound adds to the fusion is
the state that sound left behind (zeros before the first). A frame that holds nothing keeps the last answer, in the static
models too; before the first frame that holds something the answer is the prior.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.models.affect_transformer import SEQUENCE
from affectscope.core.models.base import MODELS, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.frames import aligned, forward_filled, joined, sequences
from affectscope.core.models.blocks.recurrent import run_present
from affectscope.core.models.blocks.tokens import mean_present
from affectscope.core.models.labels import AFFECT
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class AffectRNNConfig:
    """Sizes of an affect RNN.

    Attributes:
        modalities: both, or the one that the model is for.
        audio_dim, visual_dim: features a frame.
        fc: width of the layer on the visual features; 0 for none.
        sequence: as ``AffectTransformerConfig``'s: recurrent layers begin again in each.
        width: nodes in every GRU layer.
        layers: GRU layers of each modality, and as many after the fusion; 0 for a static model, of the picture alone.
    """

    modalities: tuple[str, ...] = ("audio", "visual")
    labels: tuple[str, ...] = AFFECT
    task: Task = "regression"
    audio_dim: int = 65
    visual_dim: int = 4096
    fc: int = 4096
    width: int = 128
    layers: int = 2
    sequence: int = 0


@MODELS.register("affect-rnn")
class AffectRNN(AVModel):
    """See the module."""

    config_type = AffectRNNConfig
    config: AffectRNNConfig

    def __init__(self, config: AffectRNNConfig) -> None:
        super().__init__(config, _spec(config))
        if config.layers == 0 and config.modalities != ("visual",):
            raise ValueError("a static model, without recurrent layers, sees the picture alone")
        widths = dict(self.spec.inputs)
        if config.fc and "visual" in widths:
            self.fc = nn.Linear(widths["visual"], config.fc)
            widths["visual"] = config.fc
        token = sum(widths.values())
        if config.layers:
            self.recurrent = nn.ModuleDict({m: self._gru(width) for m, width in widths.items()})
            token = config.width
            if len(widths) > 1:
                self.fusion = self._gru(len(widths) * config.width)
        self.out = nn.Linear(token, len(config.labels))

    @classmethod
    def presets(cls) -> dict[str, AffectRNNConfig]:
        """See the table in the module; ``demo-…`` are the same models, small."""
        paper = AffectRNNConfig(sequence=SEQUENCE)
        demo = replace(paper, audio_dim=130, visual_dim=135, fc=128, width=64, sequence=0)
        audio, visual = ("audio",), ("visual",)
        return {
            "paper": paper,
            "paper-visual": replace(paper, modalities=visual),
            "paper-audio": replace(paper, modalities=audio),
            "paper-static": replace(paper, modalities=visual, layers=0),
            "paper-static-2000": replace(paper, modalities=visual, layers=0, fc=2000),
            "demo": demo,
            "demo-visual": replace(demo, modalities=visual),
            "demo-audio": replace(demo, modalities=audio),
            "demo-static": replace(demo, modalities=visual, layers=0),
        }

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch, seen = aligned(batch, self.spec.inputs)
        cut = sequences(batch, self.config.sequence)
        streams = dict(cut.values)
        if self.config.fc and "visual" in streams:
            streams["visual"] = F.relu(self.fc(streams["visual"]))
        if self.config.layers:
            streams = {m: self._states(self.recurrent[m], x, cut.present[m]) for m, x in streams.items()}
        h = torch.cat(list(streams.values()), 2)
        if len(streams) > 1:
            h = run_present(self.fusion, h, torch.stack(list(cut.present.values())).any(0))
        h = joined(h, *seen.shape)
        values = forward_filled(self.out(h), seen, self.prior)
        predictions, evidence = self.answers({self.spec.heads[0]: values}, batch)
        return ModelOutput(predictions, evidence, {"recurrent" if self.config.layers else "static": mean_present(h, seen)})

    def _gru(self, inputs: int) -> nn.GRU:
        return nn.GRU(inputs, self.config.width, self.config.layers, batch_first=True)

    def _states(self, gru: nn.Module, x: Tensor, present: Tensor) -> Tensor:
        """What the layer holds after each frame [B, T, width]: a skipped frame leaves it as it was."""
        return forward_filled(run_present(gru, x, present), present, x.new_zeros(self.config.width))


def _spec(config: AffectRNNConfig) -> ModelSpec:
    names = tuple(config.modalities)
    head = "av" if len(names) > 1 else names[0]
    return ModelSpec(
        system="affect-rnn",
        inputs={m: {"audio": config.audio_dim, "visual": config.visual_dim}[m] for m in names},
        labels=tuple(config.labels),
        heads=(head,),
        modalities={head: names},
        decision=(head,),
        embeddings=("recurrent" if config.layers else "static",),
        task=config.task,
        reference="visual" if "visual" in names else names[0],
    )
