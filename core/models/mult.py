"""MulT: a multimodal transformer in which every modality looks at every other.

Sources: Tsai et al., ACL 2019, as goncalves2022robust (section 4.5.2, "baseline 2") and goncalves2025versatile (MulT) take it
over, with two modalities instead of three; the public code is measured in OFFICIAL_CODE.md, section 4. Shapes: each input [B, Tm,
Dm]; the one head gives [B, outputs].

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
the inputs, one final norm.

On IEMOCAP the public code asks four questions at once, one an emotion, each with an output for no and one for yes (8 outputs):
with ``asked`` each is a head of its own, with the classes no and yes, and the first stands where one answer is wanted.

Deviations:

- goncalves2022robust (4.5.2): "following the description": sizes are those that give Table 5's counts exactly, the public code's
  width of 30 with five heads and five layers, and memory encoders on one width instead of two.
- goncalves2022robust (5.4): the upscaled form has Table 5's count with a width of 160 and six classes; the paper describes the
  enlargement ("the size of the transformer layer reception and the number of hidden layers") without numbers.
- goncalves2022auxformer (5.1): baseline 2, the original with "a few changes", is the same model.
- goncalves2022robust (4.5.2): what the text does not give is as in the public code: positions in every encoder, dropout of 0.25
  on an encoder's input and 0.2 in the classifier, and classification of the last time-steps after a residual.
- goncalves2022robust (4.5.2): its 1-D convolutions have a kernel of one, as in the public code: a projection.
- goncalves2025versatile (IV-E): 749 k are not reproduced with the 1,408 visual features of IV-B; the width 50 gives 755,806.

Counts, measured, the same in both variants: goncalves2022robust's baseline 2 with four classes 358,384, its upscaled form with
six 7,070,406 (Table 5 and Fig. 8), the public three-modality model for CMU-MOSEI 1,073,731. goncalves2025versatile's MulT (749 k)
is not reproduced: the width 50 gives 755,806 with the 1,408 visual features that the paper states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from affectscope.core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.attention import of_present_keys
from affectscope.core.models.blocks.heads import ResidualClassifier
from affectscope.core.models.blocks.tokens import last_present, with_placeholder
from affectscope.core.models.blocks.transformer import EncoderConfig, TransformerEncoder
from affectscope.core.models.labels import EMOTIONS, FOUR_EMOTIONS
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class MulTConfig:
    """Sizes of a MulT.

    Attributes:
        inputs: (modality, features a frame), in the order in which tokens are concatenated.
        causal: in variant "code", whether frames see no later ones; the public code's default, and in no state_dict.
        asked: names of questions that are answered apart, each with all of ``labels``; empty for one answer.
    """

    inputs: tuple[tuple[str, int], ...] = (("audio", 130), ("visual", 4096))
    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    variant: Literal["paper", "code"] = "paper"
    width: int = 30
    heads: int = 5
    layers: int = 5
    memory_layers: int = 5
    causal: bool = True
    asked: tuple[str, ...] = ()
    input_dropout: float = 0.25
    output_dropout: float = 0.2


@MODELS.register("mult")
class MulT(AVModel):
    """See the module. All parameters are used in both variants."""

    config_type = MulTConfig
    config: MulTConfig

    def __init__(self, config: MulTConfig) -> None:
        super().__init__(config, _spec(config))
        names = [name for name, _ in config.inputs]
        causal = config.variant == "code" and config.causal
        cross = EncoderConfig(
            config.width, config.heads, config.layers, positions=True, causal=causal, input_dropout=config.input_dropout
        )
        wide = (len(names) - 1) * config.width
        memory = replace(cross, dim=wide, layers=config.memory_layers)
        self.project = nn.ModuleDict({name: nn.Linear(dim, config.width, bias=False) for name, dim in config.inputs})
        self.cross = nn.ModuleDict({_pair(q, k): TransformerEncoder(cross) for q in names for k in names if q != k})
        self.memory = nn.ModuleDict({name: TransformerEncoder(memory) for name in names})
        token = len(names) * wide
        outputs = len(self.spec.heads) * len(config.labels)
        self.main = ResidualClassifier(token, (token,), outputs, config.output_dropout)

    @classmethod
    def presets(cls) -> dict[str, MulTConfig]:
        """goncalves2022robust's baseline 2: ``paper`` with six classes, ``upscaled`` of Fig. 8, and CMU-MOSEI's."""
        mosei = (("text", 300), ("audio", 74), ("visual", 35))
        return {
            "paper": MulTConfig(),
            "paper-four-classes": MulTConfig(labels=FOUR_EMOTIONS),
            "upscaled": MulTConfig(width=160),
            "three-modalities": MulTConfig(mosei, ("sentiment",), "regression"),
            "demo": MulTConfig(inputs=(("audio", 130), ("visual", 135)), heads=3, layers=3, memory_layers=3),
        }

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
            maps.extend(AttentionMap(name, query, key, i, of_present_keys(w, present[key])) for i, w in enumerate(weights))
            return h

        tokens = []
        for query in x:
            pairs = [(key, self.cross[_pair(query, key)]) for key in x if key != query]
            seen = [encode(c, f"cross.{query}.{key}", query, key, x[query], present[key]) for key, c in pairs]
            h = encode(self.memory[query], f"memory.{query}", query, query, torch.cat(seen, 2), query_mask[query])
            tokens.append(last_present(h, query_mask[query]))
        token = torch.cat(tokens, 1)
        logits, embedding = self.main(token)
        by_head = dict(zip(self.spec.heads, logits.chunk(len(self.spec.heads), 1), strict=True))
        predictions, evidence = self.answers(by_head, batch)
        return ModelOutput(predictions, evidence, {"fused": embedding}, tuple(maps))


def _pair(query: str, key: str) -> str:
    return f"{query}_asks_{key}"


def _spec(config: MulTConfig) -> ModelSpec:
    names, heads = tuple(name for name, _ in config.inputs), config.asked or ("av",)
    pairs = {f"cross.{q}.{k}": (q, k, config.layers) for q in names for k in names if q != k}
    pairs |= {f"memory.{name}": (name, name, config.memory_layers) for name in names}
    return ModelSpec(
        system="mult",
        inputs=dict(config.inputs),
        labels=tuple(config.labels),
        heads=heads,
        modalities=dict.fromkeys(heads, names),
        decision=heads[:1],
        attention=tuple(AttentionSpec(name, q, k, layers, config.heads) for name, (q, k, layers) in pairs.items()),
        embeddings=("fused",),
        task=config.task,
    )
