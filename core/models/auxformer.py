"""AuxFormer: audio-visual fusion by cross-modal attention, with one auxiliary network for each modality.

Sources: 002 (Goncalves and Busso, ICASSP 2022) and 000 ("Robust audiovisual emotion recognition", TAFFC 2022), sections
3.1 to 3.6. The public code is measured in OFFICIAL_CODE.md. Shapes: audio [B, Ta, 130], visual [B, Tv, 4096] in the
published preset; every head gives logits [B, classes].

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

Read into the papers where they are silent or cannot be followed, in both variants: one scalar alpha a layer scales the residual
and 1 - alpha the branch, of attention and of feed-forward alike (3.3 names alpha and beta and gives no formula); FC is two
layers, 4 * width between them, with a dropout of 0.1 inside; the fusion layers' keys and values stay the embedded input through
all layers; positions are sines, then cosines, counted from 1. Eq. 2's scale is applied in every encoder. In the paper variant a
head whose modalities are all absent answers with the prior and is left out of loss and mean, where the papers feed it zeros;
the code variant does feed it zeros. Attention maps of the auxiliary networks are those of the first pass.

The residual of the fusion layers: 000 says that it comes from the modality of the keys and values, which is as long as the
output only when both modalities have equally many frames. Both variants take the query's, as the code does.

A modality that is absent throughout is never attended to. It still asks: one frame of zeros stands for its queries, as
zeroed features do in the papers, so that the other modality reaches both halves of the classifier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, choose_preset
from core.models.blocks.tokens import last_present, with_placeholder
from core.models.blocks.transformer import EncoderConfig, TransformerEncoder, sinusoidal_positions
from core.models.labels import EMOTIONS
from core.streams import Batch

AUX_REPEATS = {"paper": 1, "code": 3}


@dataclass(frozen=True)
class AuxFormerConfig:
    """Sizes of an AuxFormer; see ``AuxFormer.preset`` for the published ones.

    Attributes:
        audio_dim, visual_dim: features a frame.
        width: D of all encoders; a modality of another width is projected to it without bias.
        aux_hidden: hidden widths of the auxiliary classifier.
    """

    labels: tuple[str, ...] = EMOTIONS
    variant: Literal["paper", "code"] = "paper"
    audio_dim: int = 130
    visual_dim: int = 4096
    width: int = 130
    heads: int = 10
    layers: int = 5
    aux_hidden: tuple[int, int] = (512, 256)
    encoder_dropout: float = 0.25
    residual_dropout: float = 0.1
    output_dropout: float = 0.2


@MODELS.register("auxformer")
class AuxFormer(AVModel):
    """See the module. All parameters are used in both variants."""

    config_type = AuxFormerConfig
    config: AuxFormerConfig

    def __init__(self, config: AuxFormerConfig) -> None:
        super().__init__(len(config.labels))
        self.config = config
        self.spec = _spec(config)
        width, classes = config.width, len(config.labels)
        self.project = nn.ModuleDict(
            {m: nn.Linear(dim, width, bias=False) for m, dim in self.spec.inputs.items() if dim != width}
        )
        common = _encoder_config(config)
        cross = replace(common, positions=config.variant == "code")
        scaled = replace(common, learnable_residual=True)
        self.cross = nn.ModuleDict({m: TransformerEncoder(cross) for m in ("audio", "visual")})
        self.fused = nn.ModuleDict({m: TransformerEncoder(scaled) for m in ("audio", "visual")})
        self.auxiliary = nn.ModuleDict({m: TransformerEncoder(common) for m in ("audio", "visual")})
        first, second = config.aux_hidden
        self.aux_mlp = nn.ModuleList([nn.Linear(width, first), nn.Linear(first, second), nn.Linear(second, width)])
        self.aux_out = nn.Linear(width, classes)
        self.mlp = nn.ModuleList([nn.Linear(2 * width, 2 * width), nn.Linear(2 * width, 2 * width)])
        self.out = nn.Linear(2 * width, classes)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> AuxFormer:
        """``paper``: the published sizes. ``demo``: small, for features of this project (130 and 135), trains on a CPU."""
        presets = {
            "paper": AuxFormerConfig(),
            "demo": AuxFormerConfig(visual_dim=135, width=48, heads=4, layers=2, aux_hidden=(96, 64)),
        }
        return cls(replace(choose_preset(presets, name), **changes))

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        maps: list[AttentionMap] = []
        x, present, query_mask = {}, {}, {}
        for m in ("audio", "visual"):
            values = batch.values[m]
            x[m] = self.project[m](values) if m in self.project else values
            present[m], query_mask[m] = batch.present[m], with_placeholder(batch.present[m])
            if self.config.variant == "code":
                present[m] = query_mask[m] = torch.ones_like(present[m])
            else:
                x[m] = x[m] + sinusoidal_positions(x[m].shape[1], self.config.width).to(x[m])

        def encode(kind: str, m: str, query: Tensor, other: str | None, keys: Tensor) -> Tensor:
            key = x[other] if other else None
            h, weights = getattr(self, kind)[m](query, key, keys, attention)
            maps.extend(AttentionMap(f"{kind}.{m}", m, other or m, i, w) for i, w in enumerate(weights))
            return self._encoder_dropout(h)

        tokens = {}
        for m, other in (("audio", "visual"), ("visual", "audio")):
            h = encode("cross", m, x[m], other, present[other])
            tokens[m] = last_present(encode("fused", m, h, None, query_mask[m]), query_mask[m])
        logits, embeddings = {}, {}
        logits["av"], embeddings["fused"] = self._main(torch.cat([tokens["audio"], tokens["visual"]], 1))
        for m in ("audio", "visual"):
            h = encode("auxiliary", m, x[m], None, present[m])
            for _ in range(AUX_REPEATS[self.config.variant] - 1):
                h = self._encoder_dropout(self.auxiliary[m](h, None, present[m])[0])
            logits[m], embeddings[m] = self._auxiliary(last_present(h, query_mask[m]))
        predictions, evidence = self.answers(logits, batch)
        return ModelOutput(predictions, evidence, embeddings, tuple(maps))

    def _encoder_dropout(self, h: Tensor) -> Tensor:
        return F.dropout(h, self.config.encoder_dropout, self.training and self.config.variant == "paper")

    def _main(self, token: Tensor) -> tuple[Tensor, Tensor]:
        hidden = F.dropout(F.relu(self.mlp[0](token)), self.config.output_dropout, self.training)
        embedding = self.mlp[1](hidden) + token
        return self.out(embedding), embedding

    def _auxiliary(self, token: Tensor) -> tuple[Tensor, Tensor]:
        hidden = token
        for layer in list(self.aux_mlp)[:2]:
            hidden = F.dropout(F.relu(layer(hidden)), self.config.output_dropout, self.training)
        embedding = self.aux_mlp[2](hidden) + token
        return self.aux_out(embedding), embedding


def _encoder_config(config: AuxFormerConfig) -> EncoderConfig:
    common = EncoderConfig(config.width, config.heads, config.layers, residual_dropout=config.residual_dropout)
    if config.variant == "code":
        return replace(common, causal=True, input_dropout=config.encoder_dropout)
    return replace(common, embed_scale=False, branch_norm=True, final_norm=False, attention_scale="length", input_dropout=0.0)


def _spec(config: AuxFormerConfig) -> ModelSpec:
    pairs = {"cross.audio": ("audio", "visual"), "cross.visual": ("visual", "audio")}
    pairs |= {f"{kind}.{m}": (m, m) for kind in ("fused", "auxiliary") for m in ("audio", "visual")}
    return ModelSpec(
        system="auxformer",
        inputs={"audio": config.audio_dim, "visual": config.visual_dim},
        labels=tuple(config.labels),
        heads=("av", "audio", "visual"),
        modalities={"av": ("audio", "visual"), "audio": ("audio",), "visual": ("visual",)},
        decision=("av", "audio", "visual"),
        attention=tuple(AttentionSpec(n, q, k, config.layers, config.heads) for n, (q, k) in pairs.items()),
        embeddings=("fused", "audio", "visual"),
    )
