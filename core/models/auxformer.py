"""AuxFormer: audio-visual fusion by cross-modal attention, with one auxiliary network for each modality.

Sources: goncalves2022auxformer and goncalves2022robust, sections 3.1 to 3.6. The public code is measured in OFFICIAL_CODE.md.
Shapes: audio [B, Ta, 130], visual [B, Tv, 4096] in the published preset; every head gives logits [B, classes].

The road: the visual features are projected to the width of the audio (3.1), two cross-modal encoders let each modality
query the other (3.2), two self-attention encoders with learnable residuals refine what came out (3.3), the last time-step
of both is concatenated and classified (3.4). The auxiliary networks embed each modality alone and share their fully
connected layers (3.5). The answer is the mean of the three heads' logits.

Where the papers and the public code differ, ``variant`` chooses:

==========================  ==========================================  ============================================
what                        variant="paper"                             variant="code"
==========================  ==========================================  ============================================
attention logits            over sqrt of the number of keys (Eq. 2)     over sqrt of a head's width
who sees whom               everyone (3.4: the whole sequence)          causal mask in all six encoders
classification token        the last present frame                      the last frame of the padded batch
feed-forward branch         LN(FC(LN(z))) + z (Eq. 4), no final norm    FC(LN(z)) + z, one final norm
positions                   on the inputs of all networks (Eq. 1)       inside the two cross-modal encoders only
scale of the inputs         as they are                                 times sqrt(width) at every encoder
auxiliary encoder           applied once                                applied three times in a row
dropout 0.25                on the encoders' outputs (4.3)              on the encoders' inputs
absent frames               masked                                      zeros like any other frame
==========================  ==========================================  ============================================

Attention maps of the auxiliary networks are those of the first pass.

A modality that is absent throughout is never attended to. It still asks: one frame of zeros stands for its queries, as
zeroed features do in the papers, so that the other modality reaches both halves of the classifier.

``spec.shared`` names the mean frame after each cross-modal layer, asked by sound and by picture: goncalves2025versatile (Fig. 4)
takes AuxFormer's cross-modal layers for the layers that its modalities share.

What goncalves2022robust studies is in the config: positions (5.3.1), what follows the fusion layers (5.3.2: one LSTM or GRU layer
of the same width, or nothing), the token (5.3.3: a learned vector before each modality's frames, or the mean over present
frames), the weights of the losses (5.3.4, Table 4), and baseline 1 (4.5.1, ``auxiliary=False``).

Deviations:

- goncalves2022robust (3.3): alpha and beta are named without a formula. One scalar alpha per layer scales the residual, and 1 -
  alpha the branch, for attention and feed-forward alike, as in the public code; beta is the same for the other stream. Both are
  initialised at random in 0..1.
- goncalves2022robust (3.2): the residual of the fusion layers comes from the modality of the keys and values, which is as long as
  the output only when both have equally many frames. Both variants take the query's, as the code does.
- goncalves2022robust (3.1): the 1-D convolution that projects the visual input has a kernel of one and no bias, as in the code;
  the text gives neither.
- goncalves2022robust (3.2): keys and values of the fusion layers are the embedded input in all layers, each time after the
  LayerNorm of the queries, as in the code; the text does not say.
- goncalves2022robust (Eq. 2): the paper states the scaling by the number of keys only for the fusion layers; variant "paper"
  applies it in every encoder, and counts only the present keys.
- goncalves2022robust (Eq. 4): FC is read as two layers with ReLU, 4 * width between them and a dropout of 0.1 inside. Eqs. 3 and
  4 have three LayerNorms per layer, the text has two: the equations are followed.
- goncalves2022robust (Eq. 1): positional encodings are those of Vaswani et al.; here the sines come first, then the cosines, and
  positions count from 1.
- goncalves2022robust (3.5): the paper does not say which output of an auxiliary encoder is classified: the last time-step, as in
  the main network. The sizes of its fully connected layers, 512, 256 and 130, are those of Fig. 1; both auxiliary networks use
  the same layers, as "shared weights" is read. Dropout between them is 0.2.
- goncalves2022robust (3.5, 4.5.4), goncalves2022auxformer (4.2): the prediction is the mean of the three heads' logits, as in the
  code. goncalves2022robust averages "the networks' outputs", which its 3.4 calls probabilities; goncalves2022auxformer does not
  say how the three are combined.
- goncalves2022robust (4.2), goncalves2022auxformer (4.1): all sequences are padded with zeros to one length, and the paper's
  model attends to the padding and ends on it; variant "paper" masks what is past a clip's end, and the last present frame is the
  last time-step. Frames without a face or without sound, which the paper does not mention, are masked too.
- goncalves2022robust (4.3): "the output embeddings obtained from the attention layers", which have a dropout of 0.25, are read as
  the output of an encoder of five layers, not of each layer.
- goncalves2022robust (3.6, 5.2): a head whose modality is truly absent (no file, no face) returns the prior and is excluded from
  loss and mean; zeros, with which the protocol replaces missing frames, count as frames, as in the paper.
- goncalves2022robust (5.3.2): the LSTM or GRU that replaces the self-attention layers has one layer of the same width; the paper
  gives no size.
- goncalves2022robust (5.3.3): the prepended token is a learned vector, one for each modality; it has the first position and is
  also used by the auxiliary networks. The mean over the sequence is over present frames, in the auxiliary networks too. The paper
  does not say.
- goncalves2022robust (5.3.4): Table 4's heads with a lambda of 0 are not trained and don't contribute to the decision; the paper
  does not say whether its mean includes them.
- goncalves2022robust (Table 5): the printed parameter count requires an audio projection, 130 to 130 without bias, that the text
  does not mention: presets with -projected have it, ``paper`` does not. Only variant "code" has that count; Eq. 4 as printed has
  6,240 parameters more.
- goncalves2022robust (4.3): the demo keeps the code's residual around the main classifier (``main_residual``); published presets
  have the text's ReLU and dropout after both hidden layers.
- goncalves2022auxformer (4.2): the paper says that its layers have the structure of Vaswani et al., who divide by the square root
  of a head's width and put LayerNorm after each branch; variant "paper" uses Eqs. 2 to 4 of goncalves2022robust instead.
- goncalves2022auxformer (4.2): the text adds positions for the fusion layers; variant "paper" also adds them to the auxiliary
  networks' inputs, as in Fig. 1 of goncalves2022robust.
- goncalves2022auxformer (5.1): if this paper does not say, sizes and interpretations are those of goncalves2022robust.

Counts, measured, code variant with four classes: 7,037,848 (six: 7,038,632). With ``project_audio``, a projection of the audio
130 -> 130 without bias that the text does not mention, 7,054,748, the figure of goncalves2022robust's Table 5. Baseline 1:
4,760,094, and 4,776,994 with that projection, again Table 5's figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.attention import of_present_keys
from affectscope.core.models.blocks.heads import ResidualClassifier
from affectscope.core.models.blocks.packing import merged, packed
from affectscope.core.models.blocks.recurrent import run_present
from affectscope.core.models.blocks.tokens import last_place, last_present, mean_present, with_placeholder
from affectscope.core.models.blocks.transformer import EncoderConfig, TransformerEncoder, as_published, sinusoidal_positions
from affectscope.core.models.labels import EMOTIONS, FOUR_EMOTIONS
from affectscope.core.streams import Batch

AUX_REPEATS = {"paper": 1, "code": 3}
MODALITIES = ("audio", "visual")
OTHER = {"audio": "visual", "visual": "audio"}


@dataclass(frozen=True)
class AuxFormerConfig:
    """Sizes of an AuxFormer; see ``AuxFormer.presets`` for the published ones.

    Attributes:
        audio_dim, visual_dim: features a frame.
        width: D of all encoders; a modality of another width is projected to it without bias.
        project_audio: project the audio even where it has that width.
        causal: in variant "code", whether frames see no later ones; the public code's default, and in no state_dict.
        aux_hidden: hidden widths of the auxiliary classifier.
        refine: what the fusion layers are followed by.
        loss_weights: lambda of the audio-visual, audio and visual loss; a head with none is not trained, and has no say.
        main_residual: in variant "paper", a residual around the main classifier's hidden layers, as the code has it; without it
            both have ReLU and dropout (4.3), as in the published presets.
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    variant: Literal["paper", "code"] = "paper"
    audio_dim: int = 130
    visual_dim: int = 4096
    width: int = 130
    heads: int = 10
    layers: int = 5
    project_audio: bool = False
    causal: bool = True
    positions: bool = True
    refine: Literal["scaled", "none", "lstm", "gru"] = "scaled"
    token: Literal["last", "prepended", "mean"] = "last"
    auxiliary: bool = True
    loss_weights: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    aux_hidden: tuple[int, int] = (512, 256)
    encoder_dropout: float = 0.25
    residual_dropout: float = 0.1
    output_dropout: float = 0.2
    main_residual: bool = True


@MODELS.register("auxformer")
class AuxFormer(AVModel):
    """See the module. All parameters are used in both variants and with all options."""

    config_type = AuxFormerConfig
    config: AuxFormerConfig

    def __init__(self, config: AuxFormerConfig) -> None:
        super().__init__(config, _spec(config))
        width, outputs = config.width, len(config.labels)
        wide = {m: dim for m, dim in self.spec.inputs.items() if dim != width or (config.project_audio and m == "audio")}
        self.project = nn.ModuleDict({m: nn.Linear(dim, width, bias=False) for m, dim in wide.items()})
        common = _encoder_config(config)
        cross = replace(common, positions=config.positions and config.variant == "code")
        scaled = replace(common, learnable_residual=True)
        self.cross = nn.ModuleDict({m: TransformerEncoder(cross) for m in MODALITIES})
        refiners: dict[str, Any] = {
            "scaled": lambda: TransformerEncoder(scaled),
            "lstm": lambda: nn.LSTM(width, width, batch_first=True),
            "gru": lambda: nn.GRU(width, width, batch_first=True),
        }
        if config.refine != "none":
            self.fused = nn.ModuleDict({m: refiners[config.refine]() for m in MODALITIES})
        if config.token == "prepended":
            self.token = nn.ParameterDict({m: nn.Parameter(0.02 * torch.randn(width)) for m in MODALITIES})
        around = config.main_residual or config.variant == "code"
        self.main = ResidualClassifier(2 * width, (2 * width,), outputs, config.output_dropout, around)
        if config.auxiliary:
            self.auxiliary = nn.ModuleDict({m: TransformerEncoder(common) for m in MODALITIES})
            self.aux = ResidualClassifier(width, config.aux_hidden, outputs, config.output_dropout)

    @classmethod
    def presets(cls) -> dict[str, AuxFormerConfig]:
        """``paper`` has six classes; the others carry goncalves2022robust's counts, with four."""
        paper = AuxFormerConfig(main_residual=False)
        four = replace(paper, labels=FOUR_EMOTIONS)
        return {
            "paper": paper,
            "paper-four-classes": four,
            "paper-projected": replace(four, project_audio=True),
            "baseline-1": replace(four, auxiliary=False),
            "baseline-1-projected": replace(four, auxiliary=False, project_audio=True),
            "demo": AuxFormerConfig(visual_dim=135, width=48, heads=4, layers=2, aux_hidden=(96, 64)),
        }

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        """The papers' algorithm, section by section; ``_Frames`` knows how the same comes of less work."""
        batch = batch.completed(self.spec.inputs)
        maps: list[AttentionMap] = []
        embeddings: dict[str, Tensor] = {}
        logits: dict[str, Tensor] = {}
        tokens: dict[str, Tensor] = {}
        # Where nobody sees it: maps have a row and a column for each frame, and in training a seed stands for as many random
        # numbers as there are frames. The public code knows no absence: all frames ask, but one is read there too.
        short = not (attention or self.training)
        lean = short and self.config.variant == "paper"
        # 3.1: both modalities at one width, with positions.
        frames = {m: self._frames(batch.values[m], batch.present[m], m, lean) for m in MODALITIES}
        for m, other in OTHER.items():
            # 3.2: the frames of each modality query those of the other.
            query, asks = frames[m].queries(frames[other])
            states: list[Tensor] = []
            key, present = frames[other].keys(len(query)), frames[other].present
            h, weights = self.cross[m](query, key, present, attention, states)
            h = self._encoder_dropout(h)
            maps += self._maps("cross", m, other, weights, present)
            embeddings |= {f"cross layer {i + 1} {m}": mean_present(state, asks) for i, state in enumerate(states)}
            h, asks = frames[m].rows(h, asks)
            # 3.3: what came out looks at itself.
            only = self._only(asks) if short and self.config.refine == "scaled" else None
            if self.config.refine == "scaled":
                h, weights = self.fused[m](h, None, asks, attention, None, only)
                h = self._encoder_dropout(h)
                maps += self._maps("fused", m, m, weights, frames[m].present)
            elif self.config.refine != "none":
                h = run_present(self.fused[m], h, asks)
            tokens[m] = self._token(h, asks, only)
        # 3.4: one time-step of both is classified.
        logits["av"], embeddings["fused"] = self.main(torch.cat([tokens["audio"], tokens["visual"]], 1))
        # 3.5: each modality alone; both share the classifier.
        for m in MODALITIES if self.config.auxiliary else ():
            x, present, asks = frames[m].x, frames[m].present, frames[m].asks
            only, repeats = self._only(asks) if short else None, AUX_REPEATS[self.config.variant]
            h, weights = self.auxiliary[m](x, None, present, attention, None, only if repeats == 1 else None)
            h = self._encoder_dropout(h)
            maps += self._maps("auxiliary", m, m, weights, present)
            for i in range(1, repeats):
                h, _ = self.auxiliary[m](h, None, present, False, None, only if i == repeats - 1 else None)
                h = self._encoder_dropout(h)
            logits[m], embeddings[m] = (part.expand(len(batch), -1) for part in self.aux(self._token(h, asks, only)))
        # 3.6: the answer is their mean, see ``AVModel.decide``.
        predictions, evidence = self.answers(logits, batch)
        return ModelOutput(predictions, evidence, embeddings, tuple(maps))

    def _frames(self, values: Tensor, present: Tensor, modality: str, lean: bool) -> _Frames:
        """A modality as the encoders see it; lean: without the frames that nobody reads."""
        if not lean:
            return _Frames(*self._embedded(modality, values, present), len(values))
        x, there, asks = self._embedded(modality, *merged(values, present))
        clip = (x, asks) if len(x) < len(asks) else None
        asks, there, x = packed(asks, there, x.expand(len(asks), -1, -1))
        return _Frames(x, there, asks, len(values), clip)

    def _embedded(self, modality: str, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the encoders see of a modality [B, T, width], who may be looked at, and who asks [B, T]."""
        x = self.project[modality](x) if modality in self.project else x
        if self.config.variant == "code":
            present = torch.ones_like(present)
        asks = with_placeholder(present)
        if self.config.token == "prepended":
            # The token asks even where no frame is there, and is looked at only where one is.
            x = torch.cat([self.token[modality].expand(len(x), 1, -1), x], 1)
            present = torch.cat([present.any(1, keepdim=True), present], 1)
            asks = torch.cat([torch.ones_like(asks[:, :1]), present[:, 1:]], 1)
        if self.config.positions and self.config.variant == "paper":
            x = x + sinusoidal_positions(x.shape[1], self.config.width).to(x)
        return x, present, asks

    def _only(self, asks: Tensor) -> Tensor | None:
        """The one frame [B] that ``_token`` reads; None where it reads them all."""
        if self.config.token == "mean":
            return None
        return last_place(asks) if self.config.token == "last" else torch.zeros_like(asks[:, 0], dtype=torch.long)

    def _token(self, h: Tensor, asks: Tensor, only: Tensor | None = None) -> Tensor:
        if only is not None:
            return h[:, 0]
        if self.config.token == "prepended":
            return h[:, 0]
        return mean_present(h, asks) if self.config.token == "mean" else last_present(h, asks)

    def _maps(self, kind: str, query: str, key: str, weights: list[Tensor], present: Tensor) -> list[AttentionMap]:
        """An encoder's weights, one a layer, as maps over the present frames of ``key``."""
        name = f"{kind}.{query}"
        return [AttentionMap(name, query, key, i, self._of_frames(layer, present)) for i, layer in enumerate(weights)]

    def _of_frames(self, weights: Tensor, present: Tensor) -> Tensor:
        """A prepended token is no frame: what it asks and gets is left out of the maps, and the rest sums to one again."""
        weights = of_present_keys(weights, present)
        if self.config.token != "prepended":
            return weights
        weights = weights[..., 1:, 1:]
        return weights / weights.sum(-1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)

    def _encoder_dropout(self, h: Tensor) -> Tensor:
        return F.dropout(h, self.config.encoder_dropout, self.training and self.config.variant == "paper")


@dataclass(frozen=True)
class _Frames:
    """The frames of one modality in a batch of ``size`` rows, and what a model that is only asked need not compute twice.

    Attributes:
        x: [B, T, width], or [1, T, width] where all rows are the same.
        present: [B, T] or [1, T], who may be looked at; ``asks`` who asks.
        clip: where the rows are one clip with one frame or another absent: its frames [1, T, width], and who asks of each row.
    """

    x: Tensor
    present: Tensor
    asks: Tensor
    size: int
    clip: tuple[Tensor, Tensor] | None = None

    def queries(self, other: _Frames) -> tuple[Tensor, Tensor]:
        """What asks ``other`` [B, T, width], and who of it does [B, T].

        Cross layers see no neighbours: frames of one clip that look at the same are answered once, [1, T, width].
        """
        if self.clip is not None and len(other.present) == 1:
            return self.clip
        return self.x.expand(self.size, -1, -1), self.asks.expand(self.size, -1)

    def keys(self, rows: int) -> Tensor:
        """What is looked at, for so many rows of queries."""
        return self.x.expand(rows, -1, -1)

    def rows(self, h: Tensor, asks: Tensor) -> tuple[Tensor, Tensor]:
        """What ``queries`` were answered, for every row of the batch, and who asked."""
        if len(h) == self.size:
            return h, asks
        asks, h = packed(asks, h.expand(self.size, -1, -1))
        return h, asks


def _encoder_config(config: AuxFormerConfig) -> EncoderConfig:
    common = EncoderConfig(config.width, config.heads, config.layers, residual_dropout=config.residual_dropout)
    if config.variant == "code":
        return replace(common, causal=config.causal, input_dropout=config.encoder_dropout)
    return as_published(common)


def _spec(config: AuxFormerConfig) -> ModelSpec:
    kinds = ("fused",) * (config.refine == "scaled") + ("auxiliary",) * config.auxiliary
    pairs = {"cross.audio": ("audio", "visual"), "cross.visual": ("visual", "audio")}
    pairs |= {f"{kind}.{m}": (m, m) for kind in kinds for m in MODALITIES}
    heads = ("av", *MODALITIES) if config.auxiliary else ("av",)
    crossed = tuple((f"cross layer {i + 1} audio", f"cross layer {i + 1} visual") for i in range(config.layers))
    return ModelSpec(
        system="auxformer",
        inputs={"audio": config.audio_dim, "visual": config.visual_dim},
        labels=tuple(config.labels),
        heads=heads,
        modalities={head: MODALITIES if head == "av" else (head,) for head in heads},
        # What was never trained says nothing (Table 4, rows with a lambda of 0).
        decision=tuple(h for h, weight in zip(heads, config.loss_weights, strict=False) if weight) or heads,
        attention=tuple(AttentionSpec(n, q, k, config.layers, config.heads) for n, (q, k) in pairs.items()),
        embeddings=("fused", *heads[1:], *(name for pair in reversed(crossed) for name in pair)),
        shared=crossed,
        task=config.task,
        loss_weights=dict(zip(heads, config.loss_weights, strict=False)) if config.auxiliary else {"av": 1.0},
    )
