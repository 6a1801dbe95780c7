"""MulT: a multimodal transformer in which every modality looks at every other.

Sources: Tsai et al., ACL 2019, as 000 (section 4.5.2, "baseline 2") and 001 (MulT) take it over, with two modalities instead
of three; the public code is measured in OFFICIAL_CODE.md, section 4. Shapes: each input [B, Tm, Dm]; the one head gives
[B, outputs].

The road: a projection without bias brings each modality to ``width``; for every ordered pair a cross-modal encoder lets the one
query the other; what one modality learned from all others is concatenated, (n - 1) * width wide, and refined by a self-attention
encoder; the last time-steps of all modalities are concatenated and classified behind a residual.

==========================  =======================================  ===============================
what                        variant="paper"                          variant="code"
==========================  =======================================  ===============================
who sees whom               everyone                                 causal mask in all encoders
token                       the last present frame                   the last frame of the padded batch
absent frames               masked                                   zeros like any other frame
==========================  =======================================  ===============================

Everything else is as the public encoder has it in both variants: inputs times sqrt(width), positions in every encoder, dropout on
the inputs, one final norm. Presets: ``paper`` is 000's baseline 2 (358,384 parameters with four classes; 7,070,406 with
``width=160, heads=5`` and six), ``demo`` the same for this project's features. The public three-modality model (1,073,731) is
``MulTConfig(inputs=(("text", 300), ("audio", 74), ("visual", 35)), labels=("sentiment",), variant="code")``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, choose_preset
from core.models.blocks.tokens import last_present, with_placeholder
from core.models.blocks.transformer import EncoderConfig, TransformerEncoder
from core.models.labels import EMOTIONS
from core.streams import Batch


@dataclass(frozen=True)
class MulTConfig:
    """Sizes of a MulT.

    Attributes:
        inputs: (modality, features a frame), in the order in which tokens are concatenated.
    """

    inputs: tuple[tuple[str, int], ...] = (("audio", 130), ("visual", 4096))
    labels: tuple[str, ...] = EMOTIONS
    variant: Literal["paper", "code"] = "paper"
    width: int = 30
    heads: int = 5
    layers: int = 5
    memory_layers: int = 5
    input_dropout: float = 0.25
    output_dropout: float = 0.2


@MODELS.register("mult")
class MulT(AVModel):
    """See the module. All parameters are used in both variants."""

    config_type = MulTConfig
    config: MulTConfig

    def __init__(self, config: MulTConfig) -> None:
        super().__init__(len(config.labels))
        self.config = config
        self.spec = _spec(config)
        names = [name for name, _ in config.inputs]
        causal = config.variant == "code"
        cross = EncoderConfig(
            config.width, config.heads, config.layers, positions=True, causal=causal, input_dropout=config.input_dropout
        )
        wide = (len(names) - 1) * config.width
        memory = replace(cross, dim=wide, layers=config.memory_layers)
        self.project = nn.ModuleDict({name: nn.Linear(dim, config.width, bias=False) for name, dim in config.inputs})
        self.cross = nn.ModuleDict({_pair(q, k): TransformerEncoder(cross) for q in names for k in names if q != k})
        self.memory = nn.ModuleDict({name: TransformerEncoder(memory) for name in names})
        token = len(names) * wide
        self.mlp = nn.ModuleList([nn.Linear(token, token), nn.Linear(token, token)])
        self.out = nn.Linear(token, len(config.labels))

    @classmethod
    def preset(cls, name: str, **changes: Any) -> MulT:
        """``paper``: 000's baseline 2. ``demo``: the same for this project's features."""
        presets = {
            "paper": MulTConfig(),
            "demo": MulTConfig(inputs=(("audio", 130), ("visual", 135)), heads=3, layers=3, memory_layers=3),
        }
        return cls(replace(choose_preset(presets, name), **changes))

    @classmethod
    def sized(cls, dims: Mapping[str, int]) -> dict[str, Any]:
        return {"inputs": tuple(dims.items())}

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        maps: list[AttentionMap] = []
        x = {name: project(batch.values[name]) for name, project in self.project.items()}
        present = {name: batch.present[name] for name in x}
        if self.config.variant == "code":
            present = {name: torch.ones_like(mask) for name, mask in present.items()}
        query_mask = {name: with_placeholder(mask) for name, mask in present.items()}

        def encode(encoder: nn.Module, name: str, query: str, key: str, h: Tensor, keys: Tensor) -> Tensor:
            h, weights = encoder(h, None if key == query else x[key], keys, attention)
            maps.extend(AttentionMap(name, query, key, i, w) for i, w in enumerate(weights))
            return h

        tokens = []
        for query in x:
            pairs = [(key, self.cross[_pair(query, key)]) for key in x if key != query]
            seen = [encode(c, f"cross.{query}.{key}", query, key, x[query], present[key]) for key, c in pairs]
            h = encode(self.memory[query], f"memory.{query}", query, query, torch.cat(seen, 2), query_mask[query])
            tokens.append(last_present(h, query_mask[query]))
        token = torch.cat(tokens, 1)
        hidden = F.dropout(F.relu(self.mlp[0](token)), self.config.output_dropout, self.training)
        embedding = self.mlp[1](hidden) + token
        predictions, evidence = self.answers({"av": self.out(embedding)}, batch)
        return ModelOutput(predictions, evidence, {"fused": embedding}, tuple(maps))


def _pair(query: str, key: str) -> str:
    return f"{query}_asks_{key}"


def _spec(config: MulTConfig) -> ModelSpec:
    names = tuple(name for name, _ in config.inputs)
    pairs = {f"cross.{q}.{k}": (q, k, config.layers) for q in names for k in names if q != k}
    pairs |= {f"memory.{name}": (name, name, config.memory_layers) for name in names}
    return ModelSpec(
        system="mult",
        inputs=dict(config.inputs),
        labels=tuple(config.labels),
        heads=("av",),
        modalities={"av": names},
        decision=("av",),
        attention=tuple(AttentionSpec(name, q, k, layers, config.heads) for name, (q, k, layers) in pairs.items()),
        embeddings=("fused",),
    )
