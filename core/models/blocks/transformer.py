"""Pre-norm transformer encoders with self-attention or cross-modal attention."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.models.blocks.attention import MultiHeadAttention


@dataclass(frozen=True)
class EncoderConfig:
    """Settings of an encoder; defaults are those of MulT's public encoder, which AuxFormer's code uses too.

    Attributes:
        embed_scale: multiply the input by sqrt(dim).
        positions: add sinusoidal positions to the input.
        learnable_residual: one scalar alpha per layer: alpha * residual + (1 - alpha) * branch, on both branches.
        branch_norm: a second LayerNorm on the feed-forward branch (goncalves2022robust, Eq. 4).
        final_norm: a LayerNorm after the last layer.
        causal: query i attends to keys up to i + |Tk - Tq|.
        attention_scale: see MultiHeadAttention.
        qkv_bias: whether the attention's queries, keys and values have one.
        activation: "relu" or "gelu", inside the feed-forward.
    """

    dim: int
    heads: int
    layers: int
    embed_scale: bool = True
    positions: bool = False
    learnable_residual: bool = False
    branch_norm: bool = False
    final_norm: bool = True
    causal: bool = False
    attention_scale: str = "head"
    qkv_bias: bool = True
    activation: str = "relu"
    input_dropout: float = 0.25
    residual_dropout: float = 0.1
    relu_dropout: float = 0.1


def as_published(config: EncoderConfig) -> EncoderConfig:
    """The encoder of goncalves2022robust and goncalves2022auxformer taken literally (Eq. 1 to 4); ``auxformer`` has a table."""
    return replace(config, embed_scale=False, branch_norm=True, final_norm=False, attention_scale="length", input_dropout=0.0)


class EncoderLayer(nn.Module):
    """Attention, then a feed-forward of width 4 * dim, each with a LayerNorm before it and a residual connection."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.self_attn = MultiHeadAttention(config.dim, config.heads, config.attention_scale, config.qkv_bias)
        self.fc1 = nn.Linear(config.dim, 4 * config.dim)
        self.fc2 = nn.Linear(4 * config.dim, config.dim)
        self.layer_norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in range(2))
        if config.branch_norm:
            self.branch_norm = nn.LayerNorm(config.dim)
        if config.learnable_residual:
            self.alpha = nn.Parameter(torch.rand(1))
        for linear in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        x: Tensor,
        key: Tensor | None,
        allowed: Tensor | None,
        need_weights: bool,
        only: Tensor | None = None,
        causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        normed = self.layer_norms[0](x)
        # A cross layer's keys are the other modality's input, normalised by this layer but never updated.
        keys = normed if key is None else self.layer_norms[0](key)
        if only is not None:
            rows = torch.arange(len(x), device=x.device)
            x, normed = x[rows, only][:, None], normed[rows, only][:, None]
            if causal:
                allowed, causal = (torch.arange(keys.shape[1], device=x.device) <= only[:, None])[:, None, None], False
        context, weights = self.self_attn(normed, keys, allowed, need_weights, causal)
        x = self._add(x, context)
        # In place: on a CPU, allocating a second hidden layer costs more than the ReLU itself.
        activate = F.gelu if self.config.activation == "gelu" else F.relu_
        hidden = F.dropout(activate(self.fc1(self.layer_norms[1](x))), self.config.relu_dropout, self.training)
        branch = self.fc2(hidden)
        return self._add(x, self.branch_norm(branch) if self.config.branch_norm else branch), weights

    def _add(self, residual: Tensor, branch: Tensor) -> Tensor:
        branch = F.dropout(branch, self.config.residual_dropout, self.training)
        if not self.config.learnable_residual:
            return residual + branch
        return self.alpha * residual + (1 - self.alpha) * branch


class TransformerEncoder(nn.Module):
    """Layers over ``x`` [B, Tq, D], which attend to ``x`` itself or to ``key`` [B, Tk, D]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        if config.final_norm:
            self.layer_norm = nn.LayerNorm(config.dim)

    def forward(
        self,
        x: Tensor,
        key: Tensor | None = None,
        key_present: Tensor | None = None,
        need_weights: bool = False,
        states: list[Tensor] | None = None,
        only: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Returns [B, Tq, D] and, if requested, one [B, heads, Tq, Tk] per layer.

        Args:
            key_present: [B, Tk] bool, the keys that may be attended to; None for all.
            states: receives each layer's output, before any final norm.
            only: [B], the single query wanted from each row: the result is [B, 1, D], and the last layer skips the rest. For
                causal encoders only with self-attention, and if every key is present.
        """
        queries, keys = self._embed(x), None if key is None else self._embed(key)
        allowed, causal = self._allowed(x, x if key is None else key, key_present)
        if only is not None and self.config.causal and not causal:
            raise ValueError("a causal encoder with absent keys, or keys of another length, answers all of its queries")
        maps = []
        for layer in self.layers:
            queries, weights = layer(queries, keys, allowed, need_weights, only if layer is self.layers[-1] else None, causal)
            if weights is not None:
                maps.append(weights)
            if states is not None:
                states.append(queries)
        return self.layer_norm(queries) if self.config.final_norm else queries, maps

    def _embed(self, x: Tensor) -> Tensor:
        y = x * math.sqrt(self.config.dim) if self.config.embed_scale else x
        if self.config.positions:
            # MulT's code treats a frame whose first feature is exactly 0 as padding, and gives it no position.
            y = y + sinusoidal_positions(x.shape[1], self.config.dim).to(x) * (x[..., :1] != 0)
        return F.dropout(y, self.config.input_dropout, self.training)

    def _allowed(self, query: Tensor, key: Tensor, key_present: Tensor | None) -> tuple[Tensor | None, bool]:
        """The attention mask, and whether it is purely causal; (None, True) lets kernels use the causal shortcut."""
        # Checking once whether anything is masked allows the faster kernel for the unmasked case.
        allowed = None if key_present is None or bool(key_present.all()) else key_present[:, None, None]
        if not self.config.causal:
            return allowed, False
        rows, columns = query.shape[1], key.shape[1]
        if allowed is None and rows == columns:
            return None, True
        triangle = torch.ones(rows, columns, dtype=torch.bool, device=query.device).tril(abs(columns - rows))[None, None]
        return (triangle if allowed is None else triangle & allowed), False


def sinusoidal_positions(length: int, dim: int) -> Tensor:
    """[length, dim]: sines, then cosines, of positions 1..length; frequencies 10000^(-i / (dim / 2 - 1))."""
    half = dim // 2
    frequency = torch.exp(torch.arange(half) * (-math.log(10_000) / max(half - 1, 1)))
    angle = torch.arange(1, length + 1)[:, None] * frequency[None]
    return F.pad(torch.cat([angle.sin(), angle.cos()], 1), (0, dim % 2))
