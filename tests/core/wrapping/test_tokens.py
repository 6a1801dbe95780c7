"""Frames of several modalities as the tokens of one sequence, and other ways in which networks answer: taken right, or said."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
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


class Called(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None])[:, 0]


class Returned(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weights = by_hand(x)
        return weights @ x, weights


def by_hand(x: Tensor) -> Tensor:
    return (x @ x.transpose(1, 2) / x.shape[-1] ** 0.5).softmax(-1)


@pytest.mark.parametrize("block", [Called, Returned])
@torch.inference_mode()
def test_one_module_may_be_the_attention_of_every_pair_whatever_computes_it(block: type[nn.Module]) -> None:
    class Own(Joint):
        def __init__(self) -> None:
            super().__init__()
            self.block = block()

        def forward(self, a, v):
            x = self.block(self.tokens(a, v))
            return self.head((x[0] if isinstance(x, tuple) else x)[:, 0])

    net = declare(Own)
    for query, key in (("visual", "audio"), ("audio", "visual"), ("audio", "audio")):
        net.attention(f"{query} {key}", query=query, key=key, module="block", skip=1, among=("visual", "audio"))
    model = make(net).model.eval()
    a, v = torch.randn(1, AUDIO, 130), torch.randn(1, VISUAL, 135)
    whole = by_hand(model.network.tokens(a, v))[0]
    places = {"visual": slice(1, 1 + VISUAL), "audio": slice(1 + VISUAL, 1 + VISUAL + AUDIO)}
    maps = model(Batch.of(audio=a, visual=v), attention=True).attention
    assert len(maps) == 3
    for found in maps:
        part = whole[places[found.query], places[found.key]]
        torch.testing.assert_close(found.weights[0, 0], part / part.sum(-1, keepdim=True))


def test_weights_beside_the_answer_are_no_second_answer_where_a_clip_has_as_many_frames_as_there_are_labels() -> None:
    class Weighed(Joint):
        def forward(self, a, v):
            weights = self.a(a).mean(-1).softmax(-1)
            return super().forward(a, v), weights

    model = make(declare(Weighed)).model
    with torch.inference_mode():
        batch = Batch.of(audio=torch.rand(1, len(LABELS), 130), visual=torch.rand(1, len(LABELS), 135))
        assert model(batch).predictions["av"].shape == (1, len(LABELS))


def test_an_embedding_as_wide_as_a_clip_is_long_is_said() -> None:
    class Convolved(Joint):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(8, 4, 3, padding=1)

        def forward(self, a, v):
            return self.head(self.conv(self.a(a).transpose(1, 2)).mean(2).repeat(1, 2))

    net = declare(Convolved)
    net.embedding("heard", module="conv")
    model = make(net).model
    batch = Batch.of(audio=torch.rand(1, AUDIO, 130), visual=torch.rand(1, VISUAL, 135))
    with pytest.raises(UserError, match=f"The embedding heard of net .* has {AUDIO} numbers of this clip and .* of another"):
        model(batch)


def test_what_is_no_head_in_a_dict_is_said_with_what_to_do() -> None:
    class Beside(Joint):
        def forward(self, a, v):
            return {"logits": super().forward(a, v), "features": self.a(a).mean(1)}

    net = declare(Beside)
    with pytest.raises(UserError, match=r"as its head features, .* what is no head is declared with embedding"):
        make(net)
    net.embedding("features")
    assert make(net).model.spec.heads == ("logits",)


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
