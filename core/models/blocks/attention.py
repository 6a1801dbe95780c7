"""Multi-head attention over frames that may be absent."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# SIMD width: numbers that a processor handles at once.
_LANES = 16


class MultiHeadAttention(nn.Module):
    """Attention of ``query`` [B, Tq, D] over ``key`` [B, Tk, D], with the parameters of ``torch.nn.MultiheadAttention``.

    Args:
        dim: D, a multiple of ``heads``.
        scale: "head" divides the logits by the square root of a head's width (Vaswani et al. 2017); "length" by the square root
            of the number of present keys (goncalves2022robust and goncalves2022auxformer, Eq. 2, taken literally).
        bias: whether queries, keys and values have one.
        out: projection of the concatenated heads; default: D -> D with a bias.
    """

    def __init__(self, dim: int, heads: int, scale: str = "head", bias: bool = True, out: nn.Linear | None = None) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{dim} features do not divide over {heads} heads")
        self.heads, self.scale = heads, scale
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim)) if bias else None
        self.out_proj = out or nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        if out is None:
            nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        allowed: Tensor | None = None,
        need_weights: bool = False,
        causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Returns [B, Tq, D] (or the width of ``out``), and the weights [B, heads, Tq, Tk] if requested.

        Args:
            allowed: bool, broadcastable to [B, 1, Tq, Tk]; None allows everything. A query without allowed keys gets zeros for
                its context and its weights.
            causal: no query attends to a later key; without ``allowed``, and for equal numbers of queries and keys.
        """
        q, k, v = map(self._split, self._projected(query, key))
        context, weights = attend(q * self._factor(q, k, allowed), k, v, allowed, need_weights, causal)
        return self.out_proj(context.transpose(1, 2).flatten(2)), weights

    def _projected(self, query: Tensor, key: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values; one product for self-attention."""
        if query is key:
            return F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        q_weight, kv_weight = self.in_proj_weight.tensor_split((len(self.in_proj_weight) // 3,))
        q_bias, kv_bias = (None, None) if self.in_proj_bias is None else self.in_proj_bias.tensor_split((len(q_weight),))
        return F.linear(query, q_weight, q_bias), *F.linear(key, kv_weight, kv_bias).chunk(2, -1)

    def _split(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, -1)).transpose(1, 2)

    def _factor(self, q: Tensor, k: Tensor, allowed: Tensor | None) -> Tensor | float:
        if self.scale == "head":
            return float(q.shape[-1] ** -0.5)
        if allowed is None:
            return float(k.shape[-2] ** -0.5)
        return allowed.sum(-1, keepdim=True).clamp(min=1).to(q) ** -0.5


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    allowed: Tensor | None = None,
    need_weights: bool = False,
    causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Scaled queries [B, H, Tq, d] over keys and values [B, H, Tk, d]: contexts [B, H, Tq, d], and weights if requested.

    Args:
        allowed, causal: see ``MultiHeadAttention.forward``.
    """
    if need_weights:
        if causal:
            allowed = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
        weights = attention_weights(q, k, allowed)
        return weights @ v, weights
    width = v.shape[-1]
    if q.device.type == "cpu" and width < _LANES:
        # Pad heads to the SIMD width: 13 features take a fifth longer than 16 of which three are zeros.
        q, k, v = (F.pad(x, (0, _LANES - width)) for x in (q, k, v))
    if allowed is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=1.0)[..., :width], None
    blind = ~allowed.any(-1, keepdim=True)
    context = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed | blind, scale=1.0)
    return context[..., :width].masked_fill(blind, 0), None


def attention_weights(q: Tensor, k: Tensor, allowed: Tensor | None = None) -> Tensor:
    """[B, H, Tq, Tk] of scaled queries over keys; zeros for a query without allowed keys."""
    logits = q @ k.transpose(-1, -2)
    if allowed is None:
        return logits.softmax(-1)
    blind = ~allowed.any(-1, keepdim=True)
    return logits.masked_fill(~(allowed | blind), -torch.inf).softmax(-1).masked_fill(blind, 0)


def of_present_keys(weights: Tensor, present: Tensor) -> Tensor:
    """Weights [B, heads, Tq, Tk] with zeros at absent keys (placeholders of an absent modality); ``present`` is [B, Tk]."""
    return torch.where(present[:, None, None], weights, 0)
