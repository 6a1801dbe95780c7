"""A person's own: arousal and valence at every frame, by a transformer that calls PyTorch's attention itself."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv = heads, nn.Linear(width, 3 * width)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class AffectNet(nn.Module):
    def __init__(self, width=24, heads=3):
        super().__init__()
        self.audio, self.visual = (nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, width)) for dim in (130, 135))
        self.blocks = nn.ModuleList([Block(width, heads), Block(width, heads)])
        self.arousal, self.valence = nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, audio, visual):
        x = self.audio(audio) + self.visual(visual)
        for block in self.blocks:
            x = block(x)
        return torch.tanh(torch.cat([self.arousal(x), self.valence(x)], -1))


def save(path):
    torch.manual_seed(3)
    torch.save(AffectNet().state_dict(), path)
