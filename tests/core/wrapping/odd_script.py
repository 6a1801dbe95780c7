"""A network as TorchScript, which is compiled from its source: so that stands in a file."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Heard(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(130, 8), nn.Linear(8, 3)

    def forward(self, a: Tensor) -> Tensor:
        return self.head(self.body(a).tanh().mean(1))


def scripted() -> nn.Module:
    return torch.jit.script(Heard().eval())
