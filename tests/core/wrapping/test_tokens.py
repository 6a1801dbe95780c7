"""Frames of several modalities as the tokens of one sequence, and other ways in which networks answer: taken right, or said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import affectscope as afs
from affectscope.core.errors import UserError
from affectscope.core.streams import Batch
from affectscope.core.wrapping import declared as declarations
from affectscope.core.wrapping.making import make

LABELS = ("anger", "joy", "neutral")
AUDIO, VISUAL = 9, 5


class Joint(nn.Module):
    """A transformer over a class token, the visual frames and the audio frames."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.v, self.first = nn.Linear(130, 8), nn.Linear(135, 8), nn.Parameter(torch.ones(1, 1, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def tokens(self, a: Tensor, v: Tensor) -> Tensor:
        return torch.cat([self.first, self.v(v), self.a(a)], 1)

    def forward(self, a: Tensor, v: Tensor) -> Tensor:
        return self.head(self.encoder(self.tokens(a, v))[:, 0])


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations.WRAPPED, "_entries", dict(declarations.WRAPPED._entries))


def declare(build=Joint, **more):
    return afs.model("net", labels=LABELS, inputs={"audio": "llds", "visual": "face-maps"}, **more)(lambda: build())


def first_layer(network: Joint, a: Tensor, v: Tensor) -> Tensor:
    """The weights [heads, tokens, tokens] of the first layer, asked of PyTorch's own module."""
    x = network.tokens(a, v)
    return network.encoder.layers[0].self_attn(x, x, x, average_attn_weights=False)[1][0]


@torch.inference_mode()
def test_of_tokens_of_both_modalities_the_frames_that_were_asked_for_are_taken() -> None:
    net = declare()
    among = {"skip": 1, "among": ("visual", "audio"), "module": "encoder.layers.*.self_attn"}
    net.attention("faces", query="visual", key="visual", **among)
    net.attention("crossed", query="audio", key="visual", **among)
    model = make(net).model.eval()
    a, v = torch.randn(1, AUDIO, 130), torch.randn(1, VISUAL, 135)
    maps = {(m.name, m.layer): m.weights for m in model(Batch.of(audio=a, visual=v), attention=True).attention}
    whole = first_layer(model.network, a, v)
    visual, audio = slice(1, 1 + VISUAL), slice(1 + VISUAL, 1 + VISUAL + AUDIO)
    for name, rows in (("faces", visual), ("crossed", audio)):
        part = whole[:, rows, visual]
        torch.testing.assert_close(maps[name, 0][0], part / part.sum(-1, keepdim=True))
        assert (name, 1) in maps


def test_tokens_of_both_modalities_are_not_taken_for_those_of_one() -> None:
    net = declare()
    net.attention("faces", query="visual", key="visual", module="encoder.layers.0.self_attn")
    with pytest.raises(UserError, match="as many as frames of audio and visual together: say with among="):
        make(net)


def test_as_many_tokens_as_frames_are_wanted() -> None:
    net = declare()
    net.attention("faces", query="visual", key="visual", module="encoder.layers.0.self_attn", among=("visual", "audio"))
    with pytest.raises(UserError, match=r"has 261 tokens, and its frames are 60 of visual and 200 of audio"):
        make(net)


def test_a_query_is_one_modality() -> None:
    with pytest.raises(UserError, match="is one modality; where frames of several are tokens of one sequence"):
        declare().attention("all", query=("audio", "visual"), key="visual", module="encoder")


def test_take_is_given_the_weights_of_pytorchs_attention() -> None:
    net, given = declare(), []

    def take(output):
        given.append(output)
        return output[1][:, :1]

    net.attention(
        "one", query="audio", key="visual", module="encoder.layers.0.self_attn", take=take, skip=1, among=("visual", "audio")
    )
    assert make(net).model.spec.attention[0].heads == 1
    assert given[0][1].shape == (1, 2, 261, 261)


def test_several_answers_without_names_are_not_cut_to_the_first() -> None:
    class Two(Joint):
        def forward(self, a, v):
            return super().forward(a, v), self.head(self.a(a).mean(1))

    with pytest.raises(UserError, match="several answers without names: return a dict by head, or name the heads"):
        make(declare(Two))
    assert make(declare(Two, heads={"both": ("audio", "visual"), "voice": ("audio",)})).model.spec.heads == ("both", "voice")


def test_returned_weights_may_hold_all_layers_and_must_sum_to_one() -> None:
    class Returns(Joint):
        scale = 1.0

        def forward(self, a, v):
            weights = torch.rand(1, 2, 4, a.shape[1], v.shape[1]).softmax(-1)
            return {"av": super().forward(a, v), "looks": weights * self.scale}

    class Halves(Returns):
        scale = 0.5

    net = declare(Returns)
    net.attention("looks", query="audio", key="visual")
    (found,) = make(net).model.spec.attention
    assert (found.layers, found.heads) == (2, 4)
    net = declare(Halves)
    net.attention("looks", query="audio", key="visual")
    with pytest.raises(UserError, match="the rows of what was returned under its name do not sum to one"):
        make(net)


def test_the_keys_that_weights_lack_are_told() -> None:
    def build():
        network = Joint()
        network.load_state_dict({"head.bias": torch.zeros(3)})
        return network

    with pytest.raises(UserError, match=r'Missing key\(s\) in state_dict: "first"'):
        make(declare(build))


def test_a_name_that_nothing_has_is_answered_with_what_there_is() -> None:
    with pytest.raises(UserError, match=r"There is no model nett, and no file: .*those shipped are auxformer"):
        afs.load("nett")
