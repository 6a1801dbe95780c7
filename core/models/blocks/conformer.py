"""Conformer encoders (Gulati et al., Interspeech 2020) over frames that may be absent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.models.blocks.convolution import batch_norm_present


@dataclass(frozen=True)
class ConformerConfig:
    """Sizes of a conformer.

    Attributes:
        relative: True: attention by relative distance, scaled by sqrt of a head's width, as in the conformer paper. False: as in
            the code vendored by VAVL: an absolute position table passed through the relative shift, scaled by sqrt(dim).
        idle_subsampling: build the convolutional subsampling that VAVL's code constructs but never calls.
    """

    input_dim: int
    dim: int = 512
    heads: int = 8
    layers: int = 3
    kernel: int = 31
    expansion: int = 4
    dropout: float = 0.1
    relative: bool = True
    idle_subsampling: bool = False


class RelativeAttention(nn.Module):
    """Self-attention [B, T, D] with content and position logits (Dai et al. 2019)."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.config = config
        dim, heads = config.dim, config.heads
        self.norm = nn.LayerNorm(dim)
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.position = nn.Linear(dim, dim, bias=False)
        self.content_bias = nn.Parameter(torch.empty(heads, dim // heads))
        self.position_bias = nn.Parameter(torch.empty(heads, dim // heads))
        self.out = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.content_bias)
        nn.init.xavier_uniform_(self.position_bias)

    def forward(self, x: Tensor, present: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        """Returns [B, T, D] and, if requested, weights [B, heads, T, T]; 0 at absent keys."""
        h, length = self.norm(x), x.shape[1]
        q, k, v = (self._split(layer(h)) for layer in (self.query, self.key, self.value))
        places = torch.arange(length - 1, -length, -1) if self.config.relative else torch.arange(length)
        p = self._split(self.position(sinusoids(places, self.config.dim).to(x))[None])
        scale = (self.config.dim // self.config.heads if self.config.relative else self.config.dim) ** -0.5
        position = (q + self.position_bias[:, None]) @ p.transpose(-1, -2)
        bias = (self._shift(position) if self.config.relative else self._old_shift(position)) * scale
        content = q + self.content_bias[:, None]
        if present is not None:
            # A row without present frames attends to everything, which avoids NaN; its output is not used.
            allowed = present | ~present.any(1, keepdim=True)
            bias = bias.masked_fill(~allowed[:, None, None], -torch.inf)
        if need_weights:
            weights = (content @ k.transpose(-1, -2) * scale + bias).softmax(-1)
            context = weights @ v
        else:
            weights = None
            context = F.scaled_dot_product_attention(content, k, v, attn_mask=bias, scale=scale)
        return self.out(context.transpose(1, 2).flatten(2)), weights

    def _split(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.config.heads, -1)).transpose(1, 2)

    @staticmethod
    def _shift(position: Tensor) -> Tensor:
        """Relative shift: logits by distance [B, H, T, 2T - 1], from T - 1 down, to logits by key [B, H, T, T]."""
        length = position.shape[2]
        keys = torch.arange(length, device=position.device)
        index = length - 1 - keys[:, None] + keys[None]
        return position.gather(-1, index.expand(*position.shape[:2], -1, -1))

    @staticmethod
    def _old_shift(position: Tensor) -> Tensor:
        padded = F.pad(position, (1, 0))
        return padded.reshape(*position.shape[:2], position.shape[3] + 1, position.shape[2])[:, :, 1:].reshape(position.shape)


class ConvolutionModule(nn.Module):
    """Gated pointwise, depthwise, batch norm, swish, pointwise; absent frames have no effect on the output or the statistics."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.norm = nn.LayerNorm(dim)
        self.gate = nn.Linear(dim, 2 * dim)
        self.depthwise = nn.Conv1d(dim, dim, config.kernel, padding=config.kernel // 2, groups=dim, bias=False)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        h = F.glu(self.gate(self.norm(x)))
        if present is not None:
            h = torch.where(present[..., None], h, 0)
        h = self._over_time(h)
        out: Tensor = self.out(F.silu(batch_norm_present(self.batch_norm, h, present)))
        return out

    def _over_time(self, h: Tensor) -> Tensor:
        """The depthwise convolution of [B, T, D], as a 2-D one with channels last: no copies, a quarter of the time."""
        picture = h.transpose(1, 2)[..., None]
        reach, channels = self.depthwise.kernel_size[0] // 2, self.depthwise.groups
        return F.conv2d(picture, self.depthwise.weight[..., None], padding=(reach, 0), groups=channels)[..., 0].transpose(1, 2)


class FeedForward(nn.Sequential):
    """LayerNorm, widen, swish, narrow."""

    def __init__(self, config: ConformerConfig) -> None:
        wide, drop = config.expansion * config.dim, config.dropout
        super().__init__(
            nn.LayerNorm(config.dim), nn.Linear(config.dim, wide), nn.SiLU(), nn.Dropout(drop),
            nn.Linear(wide, config.dim), nn.Dropout(drop),
        )  # fmt: skip


class ConformerLayer(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, LayerNorm."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.before, self.after = FeedForward(config), FeedForward(config)
        self.attention = RelativeAttention(config)
        self.convolution = ConvolutionModule(config)
        self.norm = nn.LayerNorm(config.dim)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, present: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        x = x + 0.5 * self.before(x)
        context, weights = self.attention(x, present, need_weights)
        x = x + self.drop(context)
        x = x + self.drop(self.convolution(x, present))
        return self.norm(x + 0.5 * self.after(x)), weights


class Conformer(nn.Module):
    """[B, T, input_dim] -> [B, T, dim]."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.input = nn.Linear(config.input_dim, config.dim)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.layers))
        self.drop = nn.Dropout(config.dropout)
        if config.idle_subsampling:
            self.idle_subsampling = nn.Sequential(
                nn.Conv2d(1, config.dim, 3, stride=2), nn.ReLU(), nn.Conv2d(config.dim, config.dim, 3, stride=2)
            )

    def forward(
        self, x: Tensor, present: Tensor | None = None, need_weights: bool = False, states: list[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Returns the frames and, if requested, one [B, heads, T, T] per layer.

        Args:
            present: [B, T] bool, None where all frames are present.
            states: receives each layer's output.
        """
        if present is not None and bool(present.all()):
            present = None
        h, maps = self.drop(self.input(x)), []
        for layer in self.layers:
            h, weights = layer(h, present, need_weights)
            if weights is not None:
                maps.append(weights)
            if states is not None:
                states.append(h)
        return h, maps


def sinusoids(places: Tensor, dim: int) -> Tensor:
    """[places, dim]: interleaved sines and cosines, frequencies 10000^(-2i / dim) (Vaswani et al. 2017)."""
    frequency = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
    angle = places[:, None] * frequency[None]
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
