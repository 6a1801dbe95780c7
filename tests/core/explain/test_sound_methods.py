"""Methods on sound, against Captum and against numbers worked by hand."""

import captum.attr as captum
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.explain.hearing import chosen_sound, fitting_sound, sound_maps
from affectscope.core.explain.methods import METHODS
from affectscope.core.explain.paths import NotApplicable
from affectscope.core.explain.sound import Attended, AudioPath, integrated, parts, sound_road
from affectscope.core.features.extractors.descriptors import columns
from tests.core.why.small import Config, question

LLDS = Config({"audio": 130, "visual": 3})
PLACES = {"av": 1, "audio": 0}


@pytest.fixture
def clip() -> AudioPath:
    subject = question(LLDS)
    return sound_road(subject.checkpoint, subject.batch, PLACES)


def scores(road: AudioPath, place: int):
    return lambda rows: road.network(rows)[:, place]


def test_integrated_gradients_are_captums_and_add_up(clip: AudioPath) -> None:
    found = integrated(clip, 20)
    given, start = clip.values[None], clip.blank.expand_as(clip.values)[None]
    gained = clip.network(given)[0] - clip.network(start)[0]
    for place in range(2):
        library = captum.IntegratedGradients(scores(clip, place))
        expected = library.attribute(given, start, n_steps=20, method="gausslegendre")[0]
        torch.testing.assert_close(found[place], expected.float(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.sum((1, 2)), gained, atol=1e-4, rtol=1e-3)


def test_gradient_times_input_is_captums(clip: AudioPath) -> None:
    found = METHODS["gradient-input"].sounds(clip)
    for place in range(2):
        expected = captum.InputXGradient(scores(clip, place)).attribute(clip.values[None].requires_grad_())
        torch.testing.assert_close(found[place], expected[0], atol=1e-5, rtol=1e-5)


def test_occlusion_is_captums_feature_ablation_shared_among_what_was_hidden(clip: AudioPath) -> None:
    found = METHODS["occlusion"].sounds(clip)
    groups = columns("llds", 130)
    mask = torch.zeros(130, dtype=torch.long)
    sizes = torch.zeros(130)
    for number, own in enumerate(groups.values()):
        mask[own], sizes[own] = number, float(len(own))
    # Eight frames, each a part of its own.
    mask = mask[None] + 5 * torch.arange(8)[:, None]
    for place in range(2):
        with torch.no_grad():
            library = captum.FeatureAblation(scores(clip, place))
            expected = library.attribute(clip.values[None], baselines=clip.blank.expand_as(clip.values)[None], feature_mask=mask)
        torch.testing.assert_close(found[place], expected[0] / sizes, atol=1e-5, rtol=1e-4)


def test_absent_frames_get_nothing() -> None:
    subject = question(LLDS)
    streams = {**subject.streams, "audio": subject.streams["audio"].masked(np.arange(8) < 3)}
    given = type(subject)(subject.checkpoint, streams, 1.0)
    road = sound_road(subject.checkpoint, given.batch, PLACES)
    for name in ("integrated-gradients", "gradient-input", "occlusion"):
        maps = sound_maps(road, tuple(PLACES), name)
        assert maps["av"][:3].any(), name
        assert not maps["av"][3:].any(), name


def test_what_is_hidden_together() -> None:
    assert [len(group) for group in parts("spectrogram-128", 128)] == [16] * 8
    assert [len(group) for group in parts("samples", 640)] == [640]
    own = parts("llds-25-10-2s", 4096)
    assert sorted(np.concatenate(own)) == list(range(4096))
    assert list(own[-1]) == [4095]


class Lengthwise(nn.Module):
    """Rows [G, 4, 2] -> one score: what the layer holds, weighted by place."""

    def __init__(self, across: bool) -> None:
        super().__init__()
        self.layer, self.across = nn.Linear(2, 3, bias=False), across
        self.layer.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        self.turn = nn.Flatten(2)

    def forward(self, rows: Tensor) -> Tensor:
        held = self.layer(rows)
        held = self.turn(held.transpose(1, 2)).transpose(1, 2) if self.across else self.turn(held)
        return (held * torch.tensor([1.0, 2.0, -1.0])).sum((1, 2))[:, None]


def road_of(network: nn.Module, **more) -> AudioPath:
    values = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0], [0.0, 0.0]])
    return AudioPath(values, torch.ones(4, dtype=torch.bool), network, torch.zeros(2), (np.arange(2),), **more)


@pytest.mark.parametrize("across", [True, False])
def test_a_layer_of_frames_is_read_whichever_way_it_lies(across: bool) -> None:
    network = Lengthwise(across)
    road = road_of(network, layer=network.turn)
    # Held are (1, 0, -1), (0, 1, 0), (2, -1, -2) and zeros; the gradients are 1, 2, -1 throughout.
    assert METHODS["layer-cam"].sounds(road)[0, :, 0].tolist() == [1.0, 2.0, 0.0, 0.0]
    assert METHODS["hires-cam"].sounds(road)[0, :, 0].tolist() == [2.0, 2.0, 2.0, 0.0]
    assert METHODS["grad-cam"].sounds(road)[0, :, 0].tolist() == [2.0, 2.0, 2.0, 0.0]
    with pytest.raises(NotApplicable, match="as long as the sound"):
        METHODS["layer-cam"].sounds(road_of(network, layer=nn.Identity()))


def test_attention_and_its_rollout_by_hand() -> None:
    first = torch.zeros(2, 4, 4)
    first[:, :, 0] = 1.0
    second = torch.zeros(2, 4, 4)
    second[:, :, 1] = 1.0
    own = Attended(torch.stack([first, second]), torch.tensor([True, True, True, False]), True)
    other = Attended(torch.full((1, 1, 2, 4), 0.25), torch.tensor([True, False]), False)
    road = road_of(Lengthwise(False), attention=lambda: (own, other), deep=True)
    # Its own: half on frame 0, half on 1; the other's: a quarter each.
    assert METHODS["attention"].sounds(road)[0, :, 0].tolist() == [0.375, 0.375, 0.125, 0.125]
    # (A2 + I)/2 (A1 + I)/2: row 0 is (3/4, 1/4, 0, 0), row 1 (1/2, 1/2, 0, 0), row 2 (1/2, 1/4, 1/4, 0).
    expected = torch.tensor([0.75 + 0.5 + 0.5, 0.25 + 0.5 + 0.25, 0.25, 0.0]) / 3
    torch.testing.assert_close(METHODS["attention-rollout"].sounds(road)[0, :, 0], expected)


def test_a_method_that_cannot_work_says_why() -> None:
    road = road_of(Lengthwise(False))
    assert fitting_sound(road) == ("integrated-gradients", "gradient-input", "occlusion")
    with pytest.raises(
        UserError, match="Grad-CAM needs a layer of the sound's network to read, and this model names none: choose"
    ):
        chosen_sound(road, "grad-cam")
    with pytest.raises(UserError, match="Attention needs attention to the sound, and this model has none: choose one of"):
        chosen_sound(road, "attention")
    with pytest.raises(UserError, match="Score-CAM explains the picture, not the sound: choose one of integrated-gradients"):
        chosen_sound(road, "score-cam")


def test_where_no_gradient_reaches_the_sound_it_is_hidden() -> None:
    class Deaf(Lengthwise):
        def forward(self, rows: Tensor) -> Tensor:
            return super().forward(rows.detach()).detach()

    road = road_of(Deaf(False))
    # All is hidden frame by frame: 2, 2, 2 and 0 of the score, shared by two columns.
    assert sound_maps(road, ("av",))["av"].tolist() == [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    with pytest.raises(NotApplicable, match="no gradient of the answer reaches the sound"):
        sound_maps(road, ("av",), "integrated-gradients")
