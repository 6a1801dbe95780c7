"""SFAV: convolutions over time for each modality in two stages, fused by self-attention in between or after them.

Source: Chumachenko et al. (ICPR 2022), as goncalves2025versatile takes it over (sections II-D and IV-E, baseline 4); the public
code is measured in OFFICIAL_CODE.md, sections 4 and 5. Shapes: audio [B, Ta, 1024], visual [B, Tv, 1408] in the published preset;
the one head gives [B, outputs].

The road: two convolutions over three frames (stage 1), two more (stage 2), each with batch norm and ReLU; the mean over time of
both modalities, 128 wide each, is concatenated and classified by one layer. ``fusion`` says what else happens:

====  =======================  ===================================================================================================
"lt"  late transformer         after stage 2 each modality asks the other, and what comes back replaces it
"it"  intermediate transformer after stage 1 each modality asks the other, and what comes back is added to it
"ia"  intermediate attention   after stage 1 each modality asks the other: how much a frame is asked for multiplies that frame;
                               only the weights are used, no values
====  =======================  ===================================================================================================

As in the code: one attention head, no bias on queries, keys and values; a transformer block has LayerNorms on what asks and on
what is asked, then attention *without* a residual around it, then a residual feed-forward (GELU, twice as wide); "it" has its
residual outside, "lt" has none. "ia" needs its weights for every answer, not for display alone.

Where this departs from the code, unless ``variant="code"``:

- The code's audio convolutions shorten the clip by three frames each. Here all convolutions keep the length, so that attention is
  that of the frames; after those of the audio each frame takes the larger of itself and the next, as in the code.
- Absent frames are zeros before every convolution, and do not count in batch norms, attention or means.
- The code's clips all have the same lengths, and it sums the weights of "ia" over who asks. Here the sum is divided by how many
  ask and multiplied by how many are asked, so that it is 1 on average in every clip; where nobody asks, it is 1.
- A modality that is absent throughout adds nothing to the other ("it"). In "lt" each half holds what the *other* modality says:
  one frame of zeros asks in the place of the absent one, and the half of the one that is there is zeros.

In variant "code" audio convolutions shorten the clip and weights are summed as there, every frame counts, and a clip of less than
13 audio frames ends in zeros: public checkpoints give their own numbers. Attention between what convolutions left is given back
between the frames in their middle.

In neither variant:

- Inputs are features a frame, as goncalves2025versatile has them, not pictures (EfficientFace, 1024 features) and MFCC: stage 1
  begins with these.
- What the code builds and never calls is not built: two heads of the branches, and for "ia" values and output projections.

The code trains on RAVDESS with each batch shown four times (whole, softly scaled, without sound, without picture): a matter of
training, not of this file.

Deviations:

- goncalves2025versatile (IV-E): the paper does not say which of the three fusions it uses; ``fusion="ia"`` is the public code's
  default.
- goncalves2025versatile (IV-E): 642 k parameters could not be reproduced; the sizes are those of the public code after its
  features.
- goncalves2025versatile (IV-E): the paper does not say whether it keeps the public code's training (each batch four times, SGD):
  V-A trains all models as in IV-C, and so does the recipe.
- goncalves2025versatile (II-D): audio convolutions preserve the length, absent frames are ignored everywhere, and the weights of
  "ia" are normalised to a mean of one; see the system's docstring.

Counts, measured, six classes: 815,430 ("ia"), 936,134 ("it"), 1,043,270 ("lt"), where goncalves2025versatile has 642 k; that was
not found again (OFFICIAL_CODE.md, section 5). The public code has 1,854,766 to 2,045,550 with its face network and eight classes;
given the features that go into its convolutions, what is built here has as many parameters as it has there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.models.base import MODELS, AttentionMap, AttentionSpec, AVModel, ModelOutput, ModelSpec, Task
from affectscope.core.models.blocks.attention import attend, attention_weights
from affectscope.core.models.blocks.convolution import batch_norm_present
from affectscope.core.models.blocks.tokens import mean_present, with_placeholder
from affectscope.core.models.labels import EMOTIONS, versatile_tasks
from affectscope.core.streams import Batch

OTHER = {"audio": "visual", "visual": "audio"}
# Audio frames of which the public code's four audio blocks leave one.
SHORTEST = 13


@dataclass(frozen=True)
class SFAVConfig:
    """Sizes of an SFAV.

    Attributes:
        audio_channels, visual_channels: widths after each of the four convolutions; the first two are stage 1.
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    fusion: Literal["lt", "it", "ia"] = "ia"
    variant: Literal["paper", "code"] = "paper"
    audio_dim: int = 1024
    visual_dim: int = 1408
    audio_channels: tuple[int, int, int, int] = (64, 128, 256, 128)
    visual_channels: tuple[int, int, int, int] = (64, 64, 128, 128)
    heads: int = 1


class ConvolutionBlock(nn.Module):
    """[B, T, D] -> [B, T, channels]: convolution over three frames, batch norm, ReLU; absent frames stay zeros.

    Args:
        pool: let each frame take the larger of itself and the next.
    """

    def __init__(self, dim: int, channels: int, pool: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(dim, channels, 3, padding=1)
        self.norm = nn.BatchNorm1d(channels)
        self.pool = pool

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Without ``present`` [B, T] as the public code: pooled blocks give three frames less."""
        if present is None:
            h = F.conv1d(x.transpose(1, 2), self.convolution.weight, self.convolution.bias, padding=0 if self.pool else 1)
            h = F.relu(self.norm(h))
            return (F.max_pool1d(h, 2, 1) if self.pool else h).transpose(1, 2)
        h = self.convolution(x.transpose(1, 2)).transpose(1, 2)
        h = F.relu(batch_norm_present(self.norm, h, present))
        if self.pool:
            # An absent next frame is zeros, which are never the larger.
            h = torch.maximum(h, F.pad(h[:, 1:], (0, 0, 0, 1)))
        return torch.where(present[..., None], h, 0)


class Gate(nn.Module):
    """How much each frame of ``key`` [B, Tk, Dk] is asked for by those of ``query`` [B, Tq, Dq]: [B, Tk], 1 on average."""

    def __init__(self, query_dim: int, key_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(query_dim, query_dim, bias=False)
        self.key = nn.Linear(key_dim, query_dim, bias=False)

    def forward(self, query: Tensor, key: Tensor, asks: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Args: asks [B, Tq], present [B, Tk] bool. Returns the gate, and the weights [B, heads, Tq, Tk] behind it."""
        q, k = _split(self.query(query), self.heads), _split(self.key(key), self.heads)
        weights = attention_weights(q * q.shape[-1] ** -0.5, k, present[:, None, None])
        gate = mean_present(weights.mean(1), asks) * present.sum(1, keepdim=True)
        return torch.where(asks.any(1, keepdim=True), gate, 1), weights


class FusionBlock(nn.Module):
    """What ``query`` [B, Tq, Dq] finds in ``key`` [B, Tk, Dk]: [B, Tq, Dq]; zeros where there is no key."""

    def __init__(self, query_dim: int, key_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_norm, self.key_norm = nn.LayerNorm(query_dim), nn.LayerNorm(key_dim)
        self.query = nn.Linear(query_dim, query_dim, bias=False)
        self.key_value = nn.Linear(key_dim, 2 * query_dim, bias=False)
        self.out = nn.Linear(query_dim, query_dim)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(query_dim), nn.Linear(query_dim, 2 * query_dim), nn.GELU(), nn.Linear(2 * query_dim, query_dim)
        )

    def forward(self, query: Tensor, key: Tensor, present: Tensor, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        """Args: present [B, Tk] bool. Returns the weights [B, heads, Tq, Tk] too when asked for."""
        q = _split(self.query(self.query_norm(query)), self.heads)
        k, v = (_split(part, self.heads) for part in self.key_value(self.key_norm(key)).chunk(2, -1))
        context, weights = attend(q * q.shape[-1] ** -0.5, k, v, present[:, None, None], need_weights)
        h = self.out(context.transpose(1, 2).flatten(2))
        return torch.where(present.any(1)[:, None, None], h + self.feed_forward(h), 0), weights


@MODELS.register("sfav")
class SFAV(AVModel):
    """See the module. All parameters are used with every fusion."""

    config_type = SFAVConfig
    config: SFAVConfig

    def __init__(self, config: SFAVConfig) -> None:
        super().__init__(config, _spec(config))
        channels = {"audio": config.audio_channels, "visual": config.visual_channels}
        blocks = {
            m: [ConvolutionBlock(a, b, pool=m == "audio") for a, b in pairwise((self.spec.inputs[m], *wide))]
            for m, wide in channels.items()
        }
        self.first = nn.ModuleDict({m: nn.ModuleList(b[:2]) for m, b in blocks.items()})
        self.second = nn.ModuleDict({m: nn.ModuleList(b[2:]) for m, b in blocks.items()})
        fused = {m: wide[-1 if config.fusion == "lt" else 1] for m, wide in channels.items()}
        block = Gate if config.fusion == "ia" else FusionBlock
        self.cross = nn.ModuleDict({m: block(fused[m], fused[OTHER[m]], config.heads) for m in OTHER})
        self.out = nn.Linear(sum(wide[-1] for wide in channels.values()), len(config.labels))

    @classmethod
    def presets(cls) -> dict[str, SFAVConfig]:
        """goncalves2025versatile's three tasks, see ``versatile_tasks``, and the demo corpus."""
        paper = SFAVConfig()
        return {
            **versatile_tasks(paper),
            "demo": replace(paper, audio_dim=130, visual_dim=135),
        }

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        if self.config.variant == "code":
            return self._as_published(batch, attention)
        present = {m: batch.present[m] for m in OTHER}
        x = {m: _through(self.first[m], batch.values[m], present[m]) for m in OTHER}
        if self.config.fusion == "lt":
            x = {m: _through(self.second[m], x[m], present[m]) for m in OTHER}
            asks = {m: with_placeholder(mask) for m, mask in present.items()}
            x, weights = self._found(x, present, attention)
        else:
            asks = present
            if self.config.fusion == "ia":
                x, weights = self._gated(x, present)
            else:
                found, weights = self._found(x, present, attention)
                x = {m: torch.where(present[m][..., None], x[m] + found[m], 0) for m in OTHER}
            x = {m: _through(self.second[m], x[m], present[m]) for m in OTHER}
        fused = torch.cat([mean_present(x[m], asks[m]) for m in OTHER], 1)
        predictions, evidence = self.answers({"av": self.out(fused)}, batch)
        maps = tuple(AttentionMap(f"cross.{m}", m, OTHER[m], 0, w) for m, w in weights.items()) if attention else ()
        return ModelOutput(predictions, evidence, {"fused": fused}, maps)

    def _as_published(self, batch: Batch, attention: bool) -> ModelOutput:
        x = dict(batch.values)
        x["audio"] = F.pad(x["audio"], (0, 0, 0, max(0, SHORTEST - x["audio"].shape[1])))
        frames = {m: batch.values[m].shape[1] for m in OTHER}
        x = {m: _through(self.first[m], x[m], None) for m in OTHER}
        late = self.config.fusion == "lt"
        x = {m: _through(self.second[m], x[m], None) for m in OTHER} if late else x
        every = {m: torch.ones_like(x[m][..., 0], dtype=torch.bool) for m in OTHER}
        if self.config.fusion == "ia":
            gates = {m: self.cross[m](x[m], x[OTHER[m]], every[m], every[OTHER[m]]) for m in OTHER}
            weights = {m: w for m, (_, w) in gates.items()}
            x = {m: x[m] * weights[OTHER[m]].mean(1).sum(1)[..., None] for m in OTHER}
        else:
            found, weights = self._found(x, every, attention)
            x = found if late else {m: x[m] + found[m] for m in OTHER}
        x = x if late else {m: _through(self.second[m], x[m], None) for m in OTHER}
        fused = torch.cat([x[m].mean(1) for m in OTHER], 1)
        predictions, evidence = self.answers({"av": self.out(fused)}, batch)
        lost = SHORTEST // 2 if late else SHORTEST // 4
        before = {"audio": lost, "visual": 0}
        maps = tuple(
            AttentionMap(f"cross.{m}", m, OTHER[m], 0, _over_frames(w, before[m], before[OTHER[m]], frames[m], frames[OTHER[m]]))
            for m, w in weights.items()
            if attention
        )
        return ModelOutput(predictions, evidence, {"fused": fused}, maps)

    def _found(
        self, x: dict[str, Tensor], present: dict[str, Tensor], need_weights: bool
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        both = {m: self.cross[m](x[m], x[OTHER[m]], present[OTHER[m]], need_weights) for m in OTHER}
        return {m: found for m, (found, _) in both.items()}, {m: weights for m, (_, weights) in both.items()}

    def _gated(self, x: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        both = {m: self.cross[m](x[m], x[OTHER[m]], present[m], present[OTHER[m]]) for m in OTHER}
        return {m: x[m] * both[OTHER[m]][0][..., None] for m in OTHER}, {m: weights for m, (_, weights) in both.items()}


def _over_frames(weights: Tensor, above: int, left: int, rows: int, columns: int) -> Tensor:
    """Weights [B, heads, Tq', Tk'] as [B, heads, rows, columns]: a frame at the edge asks as the nearest one that is left."""
    asked = (torch.arange(rows, device=weights.device) - above).clamp(0, weights.shape[2] - 1)
    return F.pad(weights[:, :, asked], (left, columns - left - weights.shape[3]))


def _through(blocks: nn.Module, x: Tensor, present: Tensor | None) -> Tensor:
    for block in blocks.children():
        x = block(x, present)
    return x


def _split(x: Tensor, heads: int) -> Tensor:
    return torch.unflatten(x, -1, (heads, -1)).transpose(1, 2)


def _spec(config: SFAVConfig) -> ModelSpec:
    return ModelSpec(
        system="sfav",
        inputs={"audio": config.audio_dim, "visual": config.visual_dim},
        labels=tuple(config.labels),
        heads=("av",),
        modalities={"av": tuple(OTHER)},
        decision=("av",),
        attention=tuple(AttentionSpec(f"cross.{m}", m, other, 1, config.heads) for m, other in OTHER.items()),
        embeddings=("fused",),
        task=config.task,
    )
