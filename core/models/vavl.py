"""VAVL: versatile audio-visual learning, with shared layers that both modalities pass through one after the other.

Source: goncalves2025versatile, sections III-A to III-E and IV-C; the public code is measured in OFFICIAL_CODE.md,
section 3. Shapes: audio [B, Ta, 1024], visual [B, Tv, 1408] in the published preset; heads give [B, outputs]; ``reconstruction``
gives the rebuilt mean of each input, [B, 1024] and [B, 1408].

The road: a convolution over time brings each modality to 50 (III-A), a conformer of its own encodes it (III-A), the shared
conformer encodes it again, with a residual around it (III-B); the mean over time feeds the modality's own prediction and its
reconstruction, and, where both are there, the audio-visual prediction (III-C). With one modality only, that modality's prediction
is the answer (Algorithm 1).

==========================  ==========================================  ============================================
what                        variant="paper"                             variant="code"
==========================  ==========================================  ============================================
attention runs over         time                                        the batch, frame by frame: a clip's answer
                                                                        depends on its neighbours in the batch
first convolution           kernel 5, aware of neighbours; 608,000      kernel 1, 121,600 parameters
                            weights are the nearest to the paper's 650 k
residual over the shared    x + shared(x)                               LayerNorm(x + shared(x))
positions                   relative (the conformer's paper)            an absolute table through the relative shift
logits over                 sqrt of a head's width                      sqrt(512)
absent frames               masked                                      zeros like any other frame
never called                nothing                                     three convolutional subsamplings, one prediction head
==========================  ==========================================  ============================================

Deviations:

- goncalves2025versatile (III-A): the paper gives no kernel size for the convolution over time "aware of neighbours": 5, whose
  608,000 weights are the closest to the 650 k of III-E. It has no bias, and a linear layer that the text does not mention
  projects its 50 to the 512 of IV-C, both as in the public code.
- goncalves2025versatile (Table III): ablation 3 averages logits; the paper says "predictions".
- goncalves2025versatile (III-E): 86 M parameters require five layers per modality and parts that are never called; IV-C has
  three, three and two layers, which is preset ``paper``.
- goncalves2025versatile (IV-C): the conformer's kernel (31), feed-forward (4 * width) and half-step residuals are those of the
  public code; positions are relative, as in the conformer's own paper.
- goncalves2025versatile (IV-C): in the demo and in variant "code", ReLU and dropout follow only the first layer of a head; in
  the published presets they follow each layer but the last, as in the text.
- goncalves2025versatile (IV-C): "ReLU as the activation function" is that of the heads; a conformer's are Swish and gated linear
  units, as in its own paper. Its dropout (0.1) follows its input, both layers of a feed-forward, attention and convolution.
- goncalves2025versatile (III-B): the batch norm of the shared layers keeps one mean and variance, updated by audio and video
  alternately.
- goncalves2025versatile (III-B): there is no LayerNorm around the shared residual: the public code has one, the text does not.
- goncalves2025versatile (III-A): the reconstruction target is the mean of the present, normalised frames; that of the public
  code includes the padding.
- goncalves2025versatile (III-C): ``beside=True`` adds a linear branch ("road") to each head, for additional corpora; no preset
  has it.
- goncalves2025versatile (V-B): frames past a clip's end and absent frames are masked in attention, convolution and mean; the
  paper pads with zeros.

Ablations (Table III): ``shared_residual=False`` (1), ``reconstruct=False`` (2), ``audiovisual="mean"`` (3). Tasks (IV-D):
classes, attributes and sentiment, the latter two with ``task="regression"`` and their names as labels.

Counts, measured: the code has 61,375,128 parameters with six classes and 86,667,928 with five layers a modality instead of three,
which are the 86 M of section III-E. The paper variant has fewer: what is never called is not built.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from affectscope.core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.attention import of_present_keys
from affectscope.core.models.blocks.conformer import Conformer, ConformerConfig
from affectscope.core.models.blocks.heads import prediction_head
from affectscope.core.models.blocks.linear_adapter import LinearAdapter, statistics_of
from affectscope.core.models.blocks.tokens import mean_present
from affectscope.core.models.labels import EMOTIONS, versatile_tasks
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class VAVLConfig:
    """Sizes of a VAVL.

    Attributes:
        hidden: the two hidden widths of every prediction and reconstruction head.
        beside: each head has a linear adapter beside it, by which corpora join a trained model
            (``core.models.blocks.linear_adapter``); it is no part of the paper.
        after: what ReLU and dropout follow in a head: its first layer, as the code has it, or each but the last, as the text of
            IV-C; variant "code" has the first whatever this says.
        audiovisual: "layers" predicts from both together; "mean" averages the two unimodal predictions (ablation 3).
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    variant: Literal["paper", "code"] = "paper"
    audio_dim: int = 1024
    visual_dim: int = 1408
    projected: int = 50
    width: int = 512
    heads: int = 8
    layers: int = 3
    shared_layers: int = 2
    kernel: int = 31
    hidden: tuple[int, int] = (512, 256)
    shared_residual: bool = True
    reconstruct: bool = True
    audiovisual: Literal["layers", "mean"] = "layers"
    after: Literal["first", "each"] = "first"
    beside: bool = False


@MODELS.register("vavl")
class VAVL(AVModel):
    """See the module. In variant "code" ``idle_subsampling`` and ``idle_head`` are never called; everything else is used."""

    config_type = VAVLConfig
    config: VAVLConfig

    def __init__(self, config: VAVLConfig) -> None:
        super().__init__(config, _spec(config))
        code = config.variant == "code"
        kernel = 1 if code else 5
        own = ConformerConfig(
            config.projected, config.width, config.heads, config.layers, config.kernel, relative=not code, idle_subsampling=code
        )
        outputs = len(config.labels)
        head = partial(prediction_head, hidden=config.hidden, after="first" if code else config.after)
        self.project = nn.ModuleDict(
            {m: nn.Conv1d(d, config.projected, kernel, padding=kernel // 2, bias=False) for m, d in self.spec.inputs.items()}
        )
        self.own = nn.ModuleDict({m: Conformer(own) for m in self.spec.inputs})
        self.shared = Conformer(replace(own, input_dim=config.width, layers=config.shared_layers))
        if code:
            self.shared_norm = nn.LayerNorm(config.width)
            self.idle_head = head(config.width, outputs=outputs)
        self.predict = nn.ModuleDict({m: head(config.width, outputs=outputs) for m in self.spec.inputs})
        if config.audiovisual == "layers":
            self.predict["av"] = head(2 * config.width, outputs=outputs)
        if config.reconstruct:
            self.rebuild = nn.ModuleDict({m: head(config.width, outputs=d) for m, d in self.spec.inputs.items()})
        if config.beside:
            drawn = self.spec.modalities.items()
            self.beside = nn.ModuleDict({h: LinearAdapter(sum(self.spec.inputs[m] for m in own), outputs) for h, own in drawn})

    @classmethod
    def presets(cls) -> dict[str, VAVLConfig]:
        """``paper``: section IV-C on CREMA-D; ``attributes`` on MSP-IMPROV, ``sentiment`` on CMU-MOSEI with its own features."""
        paper = VAVLConfig(after="each")
        return {
            **versatile_tasks(paper),
            "five-layers": replace(paper, layers=5),
            "demo": VAVLConfig(
                audio_dim=130, visual_dim=135, projected=32, width=64, heads=4, layers=2, shared_layers=1, kernel=15,
                hidden=(64, 32),
            ),
        }  # fmt: skip

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        maps: list[AttentionMap] = []
        pooled, seen = {}, {}
        embeddings: dict[str, Tensor] = {}
        for m in self.spec.inputs:
            present = batch.present[m]
            seen[m] = present.any(1, keepdim=True)
            h = self.project[m](batch.values[m].transpose(1, 2)).transpose(1, 2)
            if self.config.variant == "code":
                pooled[m] = self._over_the_batch(m, h)
                continue
            # The convolution reaches from present frames into absent ones; those stay empty.
            h = torch.where(present[..., None], h, 0)
            own, weights = self.own[m](h, present, attention)
            maps.extend(AttentionMap(f"own.{m}", m, m, i, of_present_keys(w, present)) for i, w in enumerate(weights))
            states = [own]
            shared, weights = self.shared(own, present, attention, states)
            maps.extend(AttentionMap(f"shared.{m}", m, m, i, of_present_keys(w, present)) for i, w in enumerate(weights))
            h = own + shared if self.config.shared_residual else shared
            embeddings |= {
                f"{stage} {m}": mean_present(h, present) for stage, h in zip(_stages(self.config), states, strict=False)
            }
            pooled[m] = mean_present(h, present)
        logits = {m: self.predict[m](pooled[m]) for m in pooled}
        if self.config.audiovisual == "layers":
            both = self.predict["av"](torch.cat([pooled["audio"], pooled["visual"]], 1))
        else:
            both = (logits["audio"] + logits["visual"]) / 2
        if self.config.beside:
            both = both + self.beside["av"](statistics_of(batch, self.spec.modalities["av"]))
            logits = {m: v + self.beside[m](statistics_of(batch, (m,))) for m, v in logits.items()}
        alone = torch.where(seen["audio"], logits["audio"], logits["visual"])
        logits = {"av": torch.where(seen["audio"] & seen["visual"], both, alone), **logits}
        predictions, evidence = self.answers(logits, batch)
        rebuilt = {m: self.rebuild[m](pooled[m]) for m in pooled} if self.config.reconstruct else {}
        embeddings |= {f"shared {m}": v for m, v in pooled.items()}
        return ModelOutput(predictions, evidence, embeddings, tuple(maps), rebuilt)

    def _over_the_batch(self, modality: str, h: Tensor) -> Tensor:
        """The public code hands (time, batch) to a conformer that expects (batch, time)."""
        own, _ = self.own[modality](h.transpose(0, 1))
        shared, _ = self.shared(own)
        states: Tensor = self.shared_norm(own + shared if self.config.shared_residual else shared)
        return states.mean(0)


def _stages(config: VAVLConfig) -> tuple[str, ...]:
    """What goes into the shared layers, what each of them gives, and what the heads see."""
    layers = [f"shared layer {i + 1}" for i in range(config.shared_layers)]
    return ("own", *layers, "shared") if config.variant == "paper" else ("shared",)


def _spec(config: VAVLConfig) -> ModelSpec:
    pairs = tuple((f"{stage} audio", f"{stage} visual") for stage in _stages(config))
    attention = tuple(
        AttentionSpec(f"{part}.{m}", m, m, layers, config.heads)
        for part, layers in (("own", config.layers), ("shared", config.shared_layers))
        for m in ("audio", "visual")
        # Attention over the batch is no attention over a clip.
        if config.variant == "paper"
    )
    return ModelSpec(
        system="vavl",
        inputs={"audio": config.audio_dim, "visual": config.visual_dim},
        labels=tuple(config.labels),
        heads=("av", "audio", "visual"),
        modalities={"av": ("audio", "visual"), "audio": ("audio",), "visual": ("visual",)},
        decision=("av",),
        attention=attention,
        embeddings=tuple(name for pair in reversed(pairs) for name in pair),
        shared=pairs,
        task=config.task,
    )
