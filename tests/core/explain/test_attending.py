"""Vision transformers: attention rollout, its gradient-weighted form, and CAMs on the grid of their tokens."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.explain import attending
from affectscope.core.explain.attending import attends, weighing
from affectscope.core.explain.heatmaps import fitting
from affectscope.core.explain.methods import METHODS
from affectscope.core.explain.paths import NotApplicable, VisualPath


class Block(nn.Module):
    """Attention by ``nn.MultiheadAttention`` with a residual, nothing else."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(x, x, x, need_weights=False)[0]


class Vit(nn.Module):
    """Pictures [N, 1, 8, 8] in four patches, with a class token -> the score of a clip [S]."""

    def __init__(self, depth: int = 2, extra: int = 1) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 6, 4, stride=4)
        self.tokens = nn.Parameter(torch.randn(extra, 6))
        self.blocks = nn.ModuleList(Block(6, 2) for _ in range(depth))
        self.out = nn.Linear(6, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.tokens.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.out(x[:, 0])


class Clip(nn.Module):
    """Scores [S] of a clip: what an encoder says of its pictures, squared, on average. ``whole`` hides the encoder."""

    def __init__(self, encoder: nn.Module, whole: bool) -> None:
        super().__init__()
        self.encoder = nn.Identity() if whole else encoder
        self.inside = encoder

    def of_features(self, features: Tensor) -> Tensor:
        return features.square().mean(0)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.of_features(self.inside(pixels))


class Mean(Clip):
    def of_features(self, features: Tensor) -> Tensor:
        return features.mean(0)


def road(network: Vit, count: int = 3, kind: type[Clip] = Mean, whole: bool = True, block: int = -1) -> VisualPath:
    pixels = torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    scores = kind(network.eval().requires_grad_(False), whole)
    return VisualPath(pixels, scores, (network.blocks[block],), np.arange(count), count)


def by_hand(network: Vit, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
    """The weights [N, heads, T, T] of each block, asked of the module itself, and its tokens at the end."""
    x = network.patches(pixels).flatten(2).transpose(1, 2)
    x = torch.cat([network.tokens.expand(len(x), -1, -1), x], 1)
    found = []
    for block in network.blocks:
        y, weights = block.attention(x, x, x, need_weights=True, average_attn_weights=False)
        found.append(weights)
        x = x + y
    return found, x


def test_rollout_is_the_product_of_mean_weights_and_residuals():
    torch.manual_seed(0)
    network = Vit()
    clip = road(network)
    weights, _ = by_hand(network, clip.pixels)
    first, second = ((layer.mean(1) + torch.eye(5)) / 2 for layer in weights)
    expected = (second @ first)[:, 0, 1:].unflatten(1, (2, 2))
    found = METHODS["attention-rollout"].maps(clip)
    # Rollout does not know what is asked: both scores have the same maps.
    assert found.shape == (2, 3, 2, 2)
    for drawn in found:
        torch.testing.assert_close(drawn, expected)


def test_weighted_attention_of_one_layer_by_hand():
    torch.manual_seed(0)
    network = Vit(depth=1)
    clip = road(network)
    (weights,), _ = by_hand(network, clip.pixels)
    attention = network.blocks[0].attention
    x = network.patches(clip.pixels).flatten(2).transpose(1, 2)
    x = torch.cat([network.tokens.expand(len(x), -1, -1), x], 1)
    values = (x @ attention.in_proj_weight[12:].T + attention.in_proj_bias[12:]).unflatten(2, (2, 3)).transpose(1, 2)
    # d(score)/d(weight) of the class token's row: value times output projection times classifier, a third for each picture.
    reads = (network.out.weight @ attention.out_proj.weight).unflatten(1, (2, 3))
    found = METHODS["gradient-attention"].maps(clip)
    for score in range(2):
        slope = torch.einsum("nhtd,hd->nht", values, reads[score]) / 3
        expected = (slope * weights[:, :, 0]).relu().mean(1)[:, 1:].unflatten(1, (2, 2))
        torch.testing.assert_close(found[score], expected)


def test_tokens_without_a_class_token_are_all_asked():
    torch.manual_seed(0)
    network = Vit(extra=0)
    weights, _ = by_hand(network, road(network).pixels)
    first, second = ((layer.mean(1) + torch.eye(4)) / 2 for layer in weights)
    found = METHODS["attention-rollout"].maps(road(network))[0]
    torch.testing.assert_close(found, (second @ first).mean(1).unflatten(1, (2, 2)))


def test_a_transformer_is_read_by_its_attention_first_and_by_cams_on_its_grid():
    torch.manual_seed(0)
    network = Vit()
    names = fitting(road(network, whole=False))
    assert names[0] == "gradient-attention"
    # The gradient through a whole network may be more than memory holds.
    assert fitting(road(network))[0] == "layer-cam"
    assert {"attention-rollout", "layer-cam", "grad-cam"} <= set(names)
    # What comes before attention still reaches the class token.
    early = road(network, block=0)
    assert METHODS["layer-cam"].maps(early).shape == (2, 3, 2, 2)
    assert METHODS["layer-cam"].maps(early).any()
    convolving = VisualPath(early.pixels, early.network, (network.patches,), np.arange(3), 3)
    assert not attends(convolving)
    assert fitting(convolving)[0] == "layer-cam"


@pytest.mark.parametrize("name", ["gradient-attention", "attention-rollout"])
def test_picture_after_picture_gives_what_the_whole_clip_gives(name: str) -> None:
    torch.manual_seed(0)
    network = Vit(depth=3)
    together = METHODS[name].maps(road(network, 19, Clip))
    assert together.shape == (2, 19, 2, 2)
    assert together.any()
    torch.testing.assert_close(METHODS[name].maps(road(network, 19, Clip, whole=False)), together)
    assert fitting(road(network, 19, Clip, whole=False))[0] == "gradient-attention"


def test_two_threads_that_listen_at_once_leave_torch_as_it_was() -> None:
    attention, softmax = F.scaled_dot_product_attention, F.softmax
    begun = threading.Barrier(2, timeout=60)

    def listen(count: int) -> int:
        begun.wait()
        with weighing() as found:
            for _ in range(count):
                F.scaled_dot_product_attention(*torch.randn(3, 1, 1, 4, 2))
        return len(found)

    for _ in range(20):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(listen, (3, 30))) == [3, 30]
    assert (F.scaled_dot_product_attention, F.softmax) == (attention, softmax)


@pytest.mark.parametrize("mask", [None, "bool", "float"])
def test_listening_to_attention_changes_no_number(mask):
    q, k, v = torch.randn(3, 2, 4, 5, 6).unbind()
    allowed = torch.rand(5, 5) > 0.3
    allowed[:, 0] = True
    given = {None: None, "bool": allowed, "float": torch.where(allowed, 0.5, -torch.inf)}[mask]
    original = nn.functional.scaled_dot_product_attention
    expected = original(q, k, v, attn_mask=given, scale=0.3)
    with weighing() as found:
        found_out = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=given, scale=0.3)
    torch.testing.assert_close(found_out, expected)
    torch.testing.assert_close(found[0].sum(-1), torch.ones(2, 4, 5))
    assert nn.functional.scaled_dot_product_attention is original


def test_transformers_plain_attention_is_heard_and_parts_of_a_clip_go_one_after_the_other() -> None:
    class Plain(nn.MultiheadAttention):
        """As transformers' eager implementation: softmax of its own, then a product."""

        def forward(self, q, k, v, need_weights=False):
            made = nn.functional.linear(q, self.in_proj_weight, self.in_proj_bias).unflatten(2, (3, 2, 3)).permute(2, 0, 3, 1, 4)
            weights = nn.functional.softmax(made[0] @ made[1].transpose(2, 3) / 3**0.5, dim=-1)
            return (self.out_proj((weights @ made[2]).transpose(1, 2).flatten(2)),)

    class Parts(nn.Module):
        def __init__(self, network: Vit) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: Tensor) -> Tensor:
            return torch.cat([self.network(part) for part in pixels.split(4)]).mean(0)

    torch.manual_seed(0)
    network = Vit()
    clip = road(network, 10)
    expected = {name: METHODS[name].maps(clip) for name in ("gradient-attention", "attention-rollout")}
    for block in network.blocks:
        block.attention.__class__ = Plain
    plain = VisualPath(clip.pixels, Parts(network), clip.layers, clip.places, 10)
    for name, maps in expected.items():
        assert maps.any()
        torch.testing.assert_close(METHODS[name].maps(plain), maps)


def test_more_than_memory_holds_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attending.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(NotApplicable, match="more than memory holds"):
        METHODS["gradient-attention"].maps(road(Vit()))
    assert METHODS["attention-rollout"].maps(road(Vit())).any()
    assert METHODS["gradient-attention"].maps(road(Vit(), whole=False)).any()
