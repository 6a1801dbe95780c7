"""Recurrent layers with absent frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def run_present(rnn: nn.Module, x: Tensor, present: Tensor) -> Tensor:
    """Run ``rnn`` (batch first) over ``x`` [B, T, D] as if absent frames were cut out; their outputs are zeros.

    Args:
        rnn: an ``nn.LSTM`` or ``nn.GRU``; typed as Module because that is the item type of a ``ModuleDict``.
        present: [B, T] bool.
    """
    if bool(present.all()):
        all_of_them: Tensor = rnn(x)[0]
        return all_of_them
    order = (~present).byte().argsort(dim=1, stable=True)[..., None]
    front = x.gather(1, order.expand_as(x))
    # A row without present frames runs over one frame of zeros; its output is zeroed below.
    lengths = present.sum(1).clamp(min=1).cpu()
    packed, _ = rnn(pack_padded_sequence(front, lengths, batch_first=True, enforce_sorted=False))
    h, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    h = torch.zeros_like(h).scatter(1, order.expand_as(h), h)
    return torch.where(present[..., None], h, 0)
