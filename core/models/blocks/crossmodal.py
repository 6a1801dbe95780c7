"""Cross-modal attention between two separately encoded modalities (parthasarathy2020detecting, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from affectscope.core.models.base import AttentionMap, AttentionSpec
from affectscope.core.models.blocks.attention import MultiHeadAttention
from affectscope.core.models.blocks.transformer import EncoderConfig, TransformerEncoder, sinusoidal_positions
from affectscope.core.streams import Batch


class CrossModalEncoder(nn.Module):
    """Modalities [B, Tm, Dm] -> the contribution of each, [B, Tm, dim], already scaled by alpha and beta: sum and classify.

    A modality m is projected to ``config.dim`` without bias if its width differs, gets positions, and passes its own
    self-attention encoder: h_m. In the cross-modal layer of its name, h_m gives the queries and the other modality the keys and
    values; the resulting context is c_m. With one modality there is no cross-modal layer, only h_m.

    Alpha and beta are initialised to 1. Absent frames receive no attention. If the whole other modality is absent, c_m is zero,
    including the layer's bias.

    Args:
        dims: modality -> features per frame; one or two modalities.
        residual: True: the contribution is h_m + scalar * c_m, and zero at absent frames, so a frame that one modality lacks gets
            only the other's contribution. False: scalar * c_m alone. Since that comes from the *other* modality, absent frames
            have to query too, with their position only; otherwise a clip with one modality would contribute nothing.
    """

    def __init__(self, dims: Mapping[str, int], config: EncoderConfig, residual: bool = True) -> None:
        super().__init__()
        if not 1 <= len(dims) <= 2:
            raise ValueError(f"one or two modalities can look at each other, not {len(dims)}")
        self.dim, self.residual = config.dim, residual
        self.project = nn.ModuleDict({m: nn.Linear(d, config.dim, bias=False) for m, d in dims.items() if d != config.dim})
        self.encoders = nn.ModuleDict({m: TransformerEncoder(config) for m in dims})
        self.pairs = _pairs(tuple(dims))
        self.cross = nn.ModuleDict({m: MultiHeadAttention(config.dim, config.heads, config.attention_scale) for m in self.pairs})
        self.scalars = nn.ParameterDict({m: nn.Parameter(torch.ones(1)) for m in self.pairs})

    def forward(self, batch: Batch, need_weights: bool = False) -> tuple[dict[str, Tensor], list[AttentionMap]]:
        """Returns the contributions by modality, and the maps ``self.<m>`` and ``cross.<m>`` if requested."""
        maps: list[AttentionMap] = []
        encoded = {}
        for m, encoder in self.encoders.items():
            x = self.project[m](batch.values[m]) if m in self.project else batch.values[m]
            x = x + sinusoidal_positions(x.shape[1], self.dim).to(x)
            encoded[m], layers = encoder(x, None, batch.present[m], need_weights)
            maps.extend(AttentionMap(f"self.{m}", m, m, i, weights) for i, weights in enumerate(layers))
        contributions = {}
        for m, h in encoded.items():
            other = self.pairs.get(m)
            if other is None:
                contributions[m] = _where(batch.present[m], h)
                continue
            keys = batch.present[other]
            context, weights = self.cross[m](h, encoded[other], keys[:, None, None], need_weights)
            context = self.scalars[m] * _where(keys.any(1, keepdim=True), context)
            contributions[m] = _where(batch.present[m], h + context) if self.residual else context
            if weights is not None:
                maps.append(AttentionMap(f"cross.{m}", m, other, 0, weights))
        return contributions, maps


def attention_specs(modalities: Sequence[str], layers: int, heads: int) -> tuple[AttentionSpec, ...]:
    """The attentions of a ``CrossModalEncoder`` with ``layers`` layers per encoder."""
    own = [AttentionSpec(f"self.{m}", m, m, layers, heads) for m in modalities]
    cross = [AttentionSpec(f"cross.{m}", m, other, 1, heads) for m, other in _pairs(modalities).items()]
    return (*own, *cross)


def _pairs(modalities: Sequence[str]) -> dict[str, str]:
    """Query modality -> key modality."""
    return {m: other for m in modalities for other in modalities if m != other}


def _where(present: Tensor, x: Tensor) -> Tensor:
    return torch.where(present[..., None], x, 0)
