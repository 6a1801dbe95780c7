"""Integrated gradients and occlusion of faces against Captum, through an encoder and through a network without one."""

import captum.attr as captum
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from affectscope.core.explain.attributing import CELLS, FRAMES, edges, integrated_pixels, occluded, plain
from affectscope.core.explain.methods import METHODS
from affectscope.core.explain.paths import VisualPath

FACES = FRAMES + 3


class Clip(nn.Module):
    """Pictures [P, 2, 12, 12] -> two scores that hang on all of them together, as a clip's do."""

    def __init__(self, split: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten())
        self.head = nn.Linear(300, 2)
        if split:
            self.encoder = self.layer

    def features(self, pixels: Tensor) -> Tensor:
        return self.layer(pixels)

    def of_features(self, features: Tensor) -> Tensor:
        return self.of_many(features[None])[0]

    def of_many(self, features: Tensor) -> Tensor:
        return self.head(features).tanh().sum(1) ** 2

    def forward(self, pixels: Tensor) -> Tensor:
        return self.of_features(self.features(pixels))


def clip(split: bool = True) -> VisualPath:
    network = Clip(split).eval()
    pixels = torch.randn(FACES, 2, 12, 12, generator=torch.Generator().manual_seed(1))
    return VisualPath(pixels, network, (network.layer[0],), np.arange(FACES), FACES)


def scores(road: VisualPath, place: int):
    """The score of films [G, P, C, H, W], as Captum wants them."""
    return lambda films: torch.stack([road.network(film)[place] for film in films])


def test_integrated_gradients_are_captums_and_add_up() -> None:
    road = clip()
    start = plain(road.pixels).expand_as(road.pixels)
    found = integrated_pixels(road, 16)
    for place in range(2):
        library = captum.IntegratedGradients(scores(road, place))
        expected = library.attribute(road.pixels[None], start[None], n_steps=16, method="gausslegendre")[0]
        torch.testing.assert_close(found[place], expected.float(), atol=1e-5, rtol=1e-5)
        gained = road.network(road.pixels)[place] - road.network(start)[place]
        torch.testing.assert_close(integrated_pixels(road, 64)[place].sum(), gained, atol=1e-4, rtol=1e-4)


class Pair(nn.Module):
    """Pictures [P, 1, 32, 32] -> one score: what one corner is brighter than grey; in the other corner, neighbours cancel."""

    def forward(self, pixels: Tensor) -> Tensor:
        board = torch.ones(8, 8)
        board[::2, ::2] = board[1::2, 1::2] = -1
        return (0.2 * pixels[:, 0, :8, :8].sum() + (10 * board * pixels[:, 0, -8:, -8:]).sum()).view(1)


def test_pixels_are_added_up_before_what_speaks_against_is_cut_off() -> None:
    """A chequered corner says ten times as much for the score, pixel by pixel, and as much against it: in all, nothing."""
    pixels = torch.zeros(3, 1, 32, 32)
    pixels[..., :8, :8] = pixels[..., -8:, -8:] = 1.0
    road = VisualPath(pixels, Pair(), (), np.arange(3), 3)
    drawn = METHODS["integrated-gradients"].maps(road)
    assert drawn.shape == (1, 3, 16, 16)
    whole = integrated_pixels(road)[0].sum(1)
    assert whole[:, -8:, -8:].relu().sum() > 5 * whole[:, :8, :8].sum()
    for place in drawn[0].flatten(1).argmax(1).tolist():
        assert max(divmod(place, 16)) < 4
    assert drawn[0, :, -4:, -4:].max() < 0.01 * drawn.max()


@pytest.mark.parametrize("split", [True, False])
def test_occlusion_is_captums(split: bool) -> None:
    road = clip(split)
    frames = FRAMES if split else FACES
    shape = (frames, 2, 12 // CELLS, 12 // CELLS)
    start = plain(road.pixels).expand_as(road.pixels)[None]
    found = occluded(road)
    assert found.shape == (2, FACES, CELLS, CELLS)
    for place in range(2):
        library = captum.Occlusion(scores(road, place))
        expected = library.attribute(road.pixels[None], sliding_window_shapes=shape, strides=shape, baselines=start)
        expected = expected[0, :, 0, :: 12 // CELLS, :: 12 // CELLS]
        torch.testing.assert_close(found[place], expected, atol=1e-5, rtol=1e-5)
    assert (found < 0).any()
    torch.testing.assert_close(METHODS["occlusion"].maps(road), found.relu())


def test_patches_tile_sides_of_any_length() -> None:
    assert edges(13) == [0, 2, 4, 6, 9, 11, 13]
    assert edges(64)[-1] == 64
