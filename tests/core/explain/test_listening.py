"""Encoders are shared by all threads; an explanation hears its own."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from affectscope.core.explain.paths import listening


def test_what_another_thread_sends_through_a_layer_is_not_heard():
    layer = nn.Linear(2, 2).requires_grad_(False)
    with listening((layer,), True) as heard, ThreadPoolExecutor(1) as pool:
        other = pool.submit(layer, torch.ones(7, 2)).result()
        own = layer(torch.ones(3, 2))
    assert [len(call) for call in heard[0]] == [3]
    # Nor is anything changed for it.
    assert own.requires_grad
    assert not other.requires_grad
