"""Recurrent layers over frames that may be absent."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def run_present(rnn: nn.Module, x: Tensor, present: Tensor) -> Tensor:
    """Run ``rnn`` (batch first) over ``x`` [B, T, D] as if absent frames had been cut out; those come back as zeros.

    Args:
        rnn: an ``nn.LSTM`` or ``nn.GRU``; torch knows a module of a ``ModuleDict`` by no other type than this.
        present: [B, T] bool.
    """
    if bool(present.all()):
        all_of_them: Tensor = rnn(x)[0]
        return all_of_them
    order = (~present).byte().argsort(dim=1, stable=True)[..., None]
    front = x.gather(1, order.expand_as(x))
    # A row without any frame runs over one of zeros; its answer is blanked below.
    lengths = present.sum(1).clamp(min=1).cpu()
    packed, _ = rnn(pack_padded_sequence(front, lengths, batch_first=True, enforce_sorted=False))
    h, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    h = torch.zeros_like(h).scatter(1, order.expand_as(h), h)
    return torch.where(present[..., None], h, 0)
