"""Methods by name, against pytorch-grad-cam on networks that are not ours, and against numbers worked by hand."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.image import scale_cam_image
from torch import Tensor, nn

from affectscope.core.cli.common import ExplanationOption, SoundMethodOption
from affectscope.core.errors import UserError
from affectscope.core.explain.heatmaps import chosen, fitting
from affectscope.core.explain.methods import METHODS, SIDE, enlarged
from affectscope.core.explain.paths import NotApplicable, VisualPath, read

LIBRARY = {
    "layer-cam": "LayerCAM",
    "grad-cam": "GradCAM",
    "grad-cam++": "GradCAMPlusPlus",
    "hires-cam": "HiResCAM",
    "score-cam": "ScoreCAM",
}


class Cnn(nn.Sequential):
    """Pictures [N, 3, 24, 24] -> logits [N, 4]; the last maps are 6x6."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(5, 6, 3, stride=2, padding=1), nn.Tanh(),
            nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 4),
        )  # fmt: skip


class Mean(nn.Module):
    """The scores of a clip: the mean logit of one class over its pictures, for each of two heads."""

    def __init__(self, network: nn.Module, classes: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.classes = network, classes

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(pixels)[:, self.classes].mean(0)


def road(network: nn.Module, layer: nn.Module, pictures: Tensor, *classes: int) -> VisualPath:
    return VisualPath(pictures, Mean(network, classes), (layer,), np.arange(len(pictures)), len(pictures))


@pytest.fixture(scope="module")
def cnn() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    network = Cnn().eval()
    return network, network[3]


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("count", [1, 3])
def test_methods_are_pytorch_grad_cams(cnn, name, count):
    network, layer = cnn
    pictures = torch.randn(count, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    if name == "score-cam" and count > 1:
        pytest.skip("of several faces, the channels' weights are the clip's")
    found = METHODS[name].maps(road(network, layer, pictures, 2, 0))
    for place, target in enumerate((2, 0)):
        with getattr(pytorch_grad_cam, LIBRARY[name])(network, [layer]) as library:
            expected = library(pictures, [lambda logits, t=target: logits[t]] * count)
        assert found.shape == (2, count, 6, 6)
        # The library scales each picture by itself and enlarges it; ours stays on the clip's scale, as it lies on the layer.
        ours = scale_cam_image(scale_cam_image(found[place].numpy(), (24, 24)))
        assert expected.any()
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def in_another_thread(work) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def test_what_another_thread_sends_through_the_network_meanwhile_is_not_read(cnn):
    """The encoder of faces is one for all models: while one clip is explained, the features of the next are read with it."""
    network, layer = cnn
    pictures, others = torch.randn(2, 3, 24, 24), torch.randn(4, 3, 24, 24)

    class Interrupted(Mean):
        def forward(self, pixels: Tensor) -> Tensor:
            def pass_through() -> None:
                with torch.inference_mode():
                    assert not network(others).requires_grad

            in_another_thread(pass_through)
            scores = super().forward(pixels)
            in_another_thread(pass_through)
            return scores

    alone = road(network, layer, pictures, 1, 2)
    disturbed = VisualPath(pictures, Interrupted(network, (1, 2)), (layer,), np.arange(2), 2)
    for (before,), (after,) in [(read(alone, g), read(disturbed, g)) for g in (True, False)]:
        torch.testing.assert_close(after.values, before.values, rtol=0, atol=0)
        torch.testing.assert_close(after.slopes, before.slopes, rtol=0, atol=0)


def test_what_follows_a_layer_may_write_into_it():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 1))
    picture = torch.randn(1, 1, 4, 4)
    (reading,) = read(road(network, network[0], picture, 0))
    torch.testing.assert_close(reading.values, network[0](picture).detach())
    assert (reading.values < 0).any()
    assert not reading.slopes[0][reading.values < 0].any()


def test_the_clips_scale_is_kept():
    """The second picture is twice as bright, and the score is linear in what the layer holds."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Flatten(), nn.Linear(8, 1, bias=False))
    picture = torch.rand(1, 1, 4, 4)
    maps = METHODS["grad-cam"].maps(road(network, network[0], torch.cat([picture, 2 * picture]), 0))[0]
    torch.testing.assert_close(maps[1], 2 * maps[0])


def test_score_cam_asks_once_for_each_channel_with_all_faces_masked():
    calls = []

    class Score(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(1, 2, 1, bias=False)
            self.layer.weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)

        def forward(self, pixels: Tensor) -> Tensor:
            calls.append(pixels)
            self.layer(pixels)
            return pixels.sum()[None]

    network = Score()
    pixels = torch.tensor([[0.0, 1.0], [2.0, 4.0]]).expand(2, 1, 2, 2).clone()
    clip = VisualPath(pixels, network, (network.layer,), np.arange(2), 2)
    (maps,) = METHODS["score-cam"].maps(clip)
    # Channel one marks by brightness, 0, 1/4, 1/2 and 1: 0 + 1/4 + 1 + 4 a face; two the other way round: 0 + 3/4 + 1 + 0.
    torch.testing.assert_close(torch.stack([call.sum() for call in calls[1:]]), torch.tensor([2 * 5.25, 2 * 1.75]))
    weight = torch.tensor([10.5, 3.5]).softmax(0)
    torch.testing.assert_close(maps[0], (weight[0] - weight[1]) * pixels[0, 0])


def test_pixels_alone_are_explained_by_gradient_times_input():
    weights = torch.tensor([[1.0, -2.0], [0.5, -1.0]])

    class Score(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return (pixels * weights).sum((1, 2, 3)).sum(0, keepdim=True)

    network = Score()
    network.unused = nn.Parameter(torch.zeros(1))
    pixels = torch.tensor([[[[1.0, 1.0], [-1.0, -1.0]]]])
    alone = VisualPath(pixels, network, (), np.arange(1), 1)
    offered = fitting(alone)
    # One more that reads pixels alone may stand among them.
    assert {METHODS[name].reads for name in offered} == {"pixels"}
    known = ("hires-cam", "integrated-gradients", "occlusion")
    assert tuple(name for name in offered if name in known) == known
    # A dark place that should be dark speaks for the score as a bright one that should be bright.
    assert METHODS["hires-cam"].maps(alone).tolist() == [[[[1.0, 0.0], [0.0, 1.0]]]]


def test_a_method_that_finds_nothing_to_read_says_what_it_needs(cnn):
    network, layer = cnn
    pictures = torch.randn(1, 3, 24, 24)
    with pytest.raises(UserError, match=r"needs two layers to read.*choose one of layer-cam, grad-cam"):
        chosen(road(network, layer, pictures, 0), "layer-cam-product")
    with pytest.raises(UserError, match="Attention rollout needs tokens that attend to each other"):
        chosen(road(network, layer, pictures, 0), "attention-rollout")
    with pytest.raises(UserError, match="Gradient times input explains the sound, not the picture: choose one of layer-cam"):
        chosen(road(network, layer, pictures, 0), "gradient-input")
    with pytest.raises(UserError, match=r"There is no explanation called 'grad'; choose one of .*layer-cam"):
        chosen(road(network, layer, pictures, 0), "grad")
    with pytest.raises(NotApplicable, match="never calls"):
        read(road(network, nn.Identity(), pictures, 0))


def test_every_map_comes_to_one_size():
    assert enlarged(torch.rand(2, 3, 4, 4)).shape == (2, 3, SIDE, SIDE)
    large = torch.zeros(1, 32, 32)
    large[0, :2, :2] = torch.tensor([[4.0, 0.0], [2.0, 2.0]])
    assert enlarged(large)[0, 0, 0] == 2


def test_maps_find_their_frames():
    places = np.array([0, 2, 3, 5])
    on = VisualPath(torch.zeros(4, 1, 2, 2), nn.Identity(), (), places, 6, 9).on_frames

    def rows(count: int) -> Tensor:
        return torch.arange(float(count)).view(-1, 1, 1)

    assert on(rows(4)).flatten().tolist() == [0, 1, 2, 3]
    # A network that ran over absent frames too, or to the end of a longer modality.
    assert on(rows(6)).flatten().tolist() == [0, 2, 3, 5]
    assert on(rows(9)).flatten().tolist() == [0, 2, 3, 5]
    # Two snippets share the present frames; each may have several moments.
    assert on(rows(2)).flatten().tolist() == [0, 0, 1, 1]
    assert on(rows(4).view(2, 2, 1, 1)).flatten().tolist() == [0, 1, 2, 3]
    # Three snippets of four frames: 0, 1, and 2 with 3, as blocks.snippets cuts them.
    assert on(rows(3)).flatten().tolist() == [0, 1, 2, 2]
    # One film of the whole stream in three moments: frames 0 and 1, 2 and 3, 4 and 5.
    assert on(rows(3).view(1, 3, 1, 1)).flatten().tolist() == [0, 1, 1, 2]


def two_layers(pictures: Tensor) -> VisualPath:
    """The score is the sum of all pixels, through two layers that change nothing."""
    network = nn.Sequential(nn.Identity(), nn.Identity(), nn.Flatten(), nn.Linear(16, 1, bias=False))
    nn.init.ones_(network[3].weight)
    return VisualPath(pictures, Mean(network, (0,)), (network[0], network[1]), np.arange(len(pictures)), len(pictures))


def test_contrast_points_at_what_a_moment_has_beyond_the_clips_average():
    """Twelve faces with a bright corner; the last has a lesser light at another, which is all that moves."""
    faces = torch.zeros(12, 1, 4, 4)
    faces[:, 0, 0, 0] = 9.0
    faces[11, 0, 3, 3] = 1.0
    (maps,) = METHODS["contrast"].maps(two_layers(faces))
    assert min(divmod(int(maps[11].argmax()), SIDE)) >= 13
    assert maps[11, :8, :8].max() < 1e-6
    assert maps[0].max() < 1e-6
    (evidence,) = METHODS["layer-cam-product"].maps(two_layers(faces))
    assert max(divmod(int(evidence[11].argmax()), SIDE)) <= 2


def test_contrast_of_what_speaks_against_the_class_is_nothing():
    faces = torch.ones(12, 1, 4, 4)
    faces[11, 0, 3, 3] = 0.2
    (maps,) = METHODS["contrast"].maps(two_layers(faces))
    # The face's own part is nothing; its neighbours in time, which have more than the average there, weigh less than half.
    assert 0 < maps[11, 15, 15] < maps[4, 15, 15] / 2


def test_contrast_of_one_face_is_where_both_layers_find_evidence():
    face = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(METHODS["contrast"].maps(two_layers(face)), METHODS["layer-cam-product"].maps(two_layers(face)))


@pytest.mark.parametrize(("option", "makes"), [(ExplanationOption, "maps"), (SoundMethodOption, "sounds")])
def test_the_terminal_names_every_method(option, makes):
    """Its help is written by hand: the names are known only once PyTorch is imported, which no help waits for."""
    told = set(re.findall(r"[a-z][a-z+-]+", get_args(option)[1].help))
    assert not [name for name in METHODS if getattr(METHODS[name], makes) is not None and name not in told]
