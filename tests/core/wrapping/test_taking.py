"""Attention out of networks that are not ours: what a hook sees is what the network used, and it changes no answer."""

from __future__ import annotations

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from affectscope.core.wrapping.taking import recording, watch_attention, weights_in

T, D = 7, 8


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def taken(module: nn.Module, *given: torch.Tensor, attention: bool = True, **more) -> tuple[torch.Tensor, list[torch.Tensor]]:
    with recording(attention) as tape, torch.inference_mode():
        answer = module(*given, **more)
    return answer, tape.weights["a"]


@pytest.mark.parametrize("asked", [{}, {"need_weights": False}, {"average_attn_weights": False}])
def test_multihead_attention_gives_its_weights_by_head_whatever_it_is_asked_for(asked) -> None:
    module, x = nn.MultiheadAttention(D, 2, batch_first=True).eval(), torch.randn(1, T, D)
    bare = module(x, x, x, **asked)
    _, expected = module(x, x, x, average_attn_weights=False)
    watch_attention("a", module, None)
    (answer, weights), (found,) = taken(module, x, x, x, **asked)
    assert torch.allclose(answer, bare[0], atol=1e-6)
    assert torch.allclose(found, expected, atol=1e-6)
    assert found.shape == (1, 2, T, T)
    assert (weights is None) == (bare[1] is None)
    assert weights is None or torch.allclose(weights, bare[1], atol=1e-6)


def test_arguments_by_place_are_forced_too() -> None:
    module, x = nn.MultiheadAttention(D, 2, batch_first=True).eval(), torch.randn(1, T, D)
    mask = torch.zeros(1, T, dtype=torch.bool)
    mask[0, -1] = True
    watch_attention("a", module, None)
    (_, weights), (found,) = taken(module, x, x, x, mask, False)
    assert weights is None
    assert (found[..., -1] == 0).all()


def test_layers_of_a_transformer_encoder_come_in_their_order_though_it_has_a_fast_path() -> None:
    layer = nn.TransformerEncoderLayer(D, 2, 16, batch_first=True, dropout=0.0)
    encoder, x = nn.TransformerEncoder(layer, 3).eval(), torch.randn(2, T, D)
    bare = encoder(x)
    watch_attention("a", encoder, None)
    answer, found = taken(encoder, x)
    assert torch.allclose(answer, bare, atol=1e-6)
    assert [weights.shape for weights in found] == [(2, 2, T, T)] * 3
    _, first = encoder.layers[0].self_attn(x, x, x, average_attn_weights=False)
    assert torch.allclose(found[0], first, atol=1e-6)


class Dot(nn.Module):
    """Attention by PyTorch's function, under a name of its own."""

    def forward(self, q, k, mask=None):
        attend = F.scaled_dot_product_attention
        return attend(q, k, k, attn_mask=mask, is_causal=mask is None)


def test_callers_of_scaled_dot_product_attention_are_seen_with_mask_and_causality() -> None:
    module, q = Dot(), torch.randn(1, 2, T, D)
    watch_attention("a", module, None)
    bare = F.scaled_dot_product_attention(q, q, q, is_causal=True)
    answer, (found,) = taken(module, q, q)
    assert torch.equal(answer, bare)
    assert torch.allclose(found @ q, bare, atol=1e-6)
    assert found[0, 0, 0, 0] == 1
    assert (found.triu(1) == 0).all()
    keep = torch.ones(1, 1, T, T, dtype=torch.bool)
    keep[..., 2] = False
    _, (found,) = taken(module, q, q, keep)
    assert (found[..., 2] == 0).all()
    assert torch.allclose(found.sum(-1), torch.ones(1, 2, T))


class Pool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Linear(D, 1)

    def forward(self, x):
        weights = self.score(x).softmax(1)
        return (weights * x).sum(1), weights


def test_returned_weights_are_told_by_their_rows_and_a_softmax_is_its_own() -> None:
    pool, x = Pool(), torch.randn(1, T, D)
    watch_attention("a", pool, None)
    (_, weights), (found,) = taken(pool, x)
    assert torch.equal(found, weights)
    softmax = nn.Softmax(-1)
    watch_attention("a", softmax, None)
    answer, (found,) = taken(softmax, x)
    assert torch.equal(found, answer)
    assert weights_in((x, {"attn": answer}, [x])) is answer
    assert weights_in((x, x)) is None


def test_what_picks_them_out_goes_first() -> None:
    pool, x = Pool(), torch.randn(1, T, D)
    watch_attention("a", pool, lambda output: output[1].squeeze(-1) * 2)
    (_, weights), (found,) = taken(pool, x)
    assert torch.equal(found, weights.squeeze(-1) * 2)


def test_nothing_is_taken_where_nobody_records_and_none_of_another_thread() -> None:
    module, x = nn.MultiheadAttention(D, 2, batch_first=True).eval(), torch.randn(1, T, D)
    watch_attention("a", module, None)
    assert taken(module, x, x, x, attention=False)[1] == []
    with recording(True) as tape:
        other = threading.Thread(target=lambda: module(x, x, x))
        other.start()
        other.join()
    assert not tape.weights


def test_a_network_that_fails_leaves_nothing_behind() -> None:
    class Fails(nn.Module):
        def forward(self, x):
            raise RuntimeError("no")

    module, x = Fails(), torch.randn(1, 2, T, D)
    watch_attention("a", module, None)
    with pytest.raises(RuntimeError):
        taken(module, x)
    # Outside of a recording, the function is PyTorch's own again.
    assert not torch._C._len_torch_function_stack()
    assert taken(Dot(), x, x)[1] == []
