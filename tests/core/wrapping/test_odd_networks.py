"""Networks in other precisions and wrappers, and those that say of themselves what is not so: taken right, or said."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

import affectscope as afs
from affectscope.core.errors import UserError
from affectscope.core.streams import Batch
from affectscope.core.wrapping import declared as declarations
from affectscope.core.wrapping.making import make
from tests.core.wrapping.odd_script import Heard, scripted

LABELS = ("anger", "joy", "neutral")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations.WRAPPED, "_entries", dict(declarations.WRAPPED._entries))


def declare(build=Heard, **more):
    return afs.model("net", **{"labels": LABELS, "inputs": {"audio": "llds"}} | more)(lambda: build())


def sound(frames: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(1, frames, 130, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def said(model, audio: Tensor) -> Tensor:
    return model(Batch.of(audio=audio)).predictions["audio"]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@torch.inference_mode()
def test_a_network_is_handed_its_own_precision_and_answers_in_32_bits(kind: torch.dtype) -> None:
    declaration = declare(lambda: Heard().to(kind))
    declaration.embedding("hidden", module="body")
    model, audio = make(declaration).model, sound()
    output = model(Batch.of(audio=audio))
    assert torch.equal(output.predictions["audio"], Heard().to(kind)(audio.to(kind)).float())
    assert output.embeddings["hidden"].dtype == torch.float32


@pytest.mark.parametrize("put_around", [torch.compile, nn.DataParallel, lambda net: nn.DataParallel(torch.compile(net))])
@torch.inference_mode()
def test_a_wrapper_is_taken_off_so_that_parts_have_their_names_and_are_seen(put_around) -> None:
    declaration = declare(lambda: put_around(Heard()))
    declaration.embedding("hidden", module="head", of="input")
    output, net = make(declaration).model(Batch.of(audio=sound())), Heard()
    torch.testing.assert_close(output.predictions["audio"], net(sound()))
    torch.testing.assert_close(output.embeddings["hidden"], net.body(sound()).tanh().mean(1))


def test_a_part_that_was_compiled_is_seen_too() -> None:
    def build() -> nn.Module:
        net = Heard()
        net.body = torch.compile(net.body)
        net.head.compile()
        return net

    declaration = declare(build)
    declaration.embedding("hidden", module="body")
    output = make(declaration).model(Batch.of(audio=sound()))
    torch.testing.assert_close(output.embeddings["hidden"], Heard().body(sound()).mean(1))


@torch.inference_mode()
def test_torchscript_answers_and_what_names_its_parts_is_said() -> None:
    torch.testing.assert_close(said(make(declare(scripted)).model, sound()), Heard()(sound()))
    declaration = declare(scripted)
    declaration.embedding("hidden", module="body")
    with pytest.raises(UserError, match="names body, which is TorchScript, and nobody can look into it: build the network from"):
        make(declaration)


class WritesOver(Heard):
    def forward(self, a):
        return super().forward(a.sub_(1).mul_(2))


@torch.inference_mode()
def test_a_network_may_write_over_what_it_is_given_and_the_clip_stays_as_it_was() -> None:
    model, audio = make(declare(WritesOver)).model, sound()
    batch = Batch.of(audio=audio.clone())
    first = model(batch).predictions["audio"]
    assert torch.equal(batch.values["audio"], audio)
    assert torch.equal(model(batch).predictions["audio"], first)
    torch.testing.assert_close(first, Heard()((audio - 1) * 2))


def test_gradients_reach_a_clip_that_the_network_writes_over() -> None:
    audio = sound().requires_grad_(True)
    make(declare(WritesOver)).model(Batch({"audio": audio}, {"audio": torch.ones(1, 9, dtype=torch.bool)})).predictions[
        "audio"
    ].sum().backward()
    assert audio.grad is not None
    assert bool((audio.grad != 0).any())


class Meddles(Heard):
    def forward(self, a):
        answer = super().forward(a)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        return answer


def test_what_a_network_sets_for_the_whole_process_is_set_back() -> None:
    try:
        make(declare(Meddles)).model(Batch.of(audio=sound()))
        assert torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float32
    finally:
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)


def test_threads_take_turns_as_many_networks_keep_what_they_compute_as_an_attribute() -> None:
    declaration, made, free = declare(), [], []

    @declaration.forward
    def answer(net, batch):
        for model in made:
            other = threading.Thread(target=lambda model=model: free.append(model._turn.acquire(blocking=False)))
            other.start()
            other.join()
        return net(batch.audio)

    made.append(make(declaration).model)
    said(made[0], sound())
    assert free == [False]
    assert made[0]._turn.acquire(blocking=False)


@pytest.mark.parametrize(
    ("end", "more", "sentence"),
    [
        (nn.LogSoftmax(-1), {"outputs": "probabilities"}, "no probabilities.*some lie below 0. Of logits, or logarithms"),
        (nn.Sigmoid(), {"outputs": "probabilities"}, 'those of a clip are .* in all. Of sigmoids.*say task="regression"'),
        (nn.Softmax(-1), {"outputs": "probabilities", "task": "regression"}, "is a regression, whose outputs are values"),
        (nn.Identity(), {"labels": ("joy",)}, "has one class, and a class alone has all of the probability"),
    ],
)
def test_what_is_said_of_the_outputs_and_is_not_so(end: nn.Module, more, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make(declare(lambda: nn.Sequential(Heard(), end), **more))


class TimeFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.out = nn.GRU(130, 8), nn.Linear(8, 3)

    def forward(self, a):
        return self.out(self.gru(a.transpose(0, 1))[0])


def test_time_first_is_told_from_a_wrong_shape() -> None:
    with pytest.raises(UserError, match=r"answers with \[\d+, 1, 3\].*; where time comes first, return its transpose\(0, 1\)"):
        make(declare(TimeFirst, reference="audio"))
    with pytest.raises(UserError, match='and reference="audio" where it answers by frame'):
        make(declare(lambda: nn.Linear(130, 3)))


class FixedLength(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(130 * 7, 3)

    def forward(self, a):
        return self.out(a.flatten(1))


class OwnStatistics(Heard):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8, track_running_stats=False)

    def forward(self, a):
        return self.head(self.norm(self.body(a).mean(1)))


def test_a_network_that_cannot_answer_is_told_with_what_it_was_given() -> None:
    with pytest.raises(UserError, match=r"could not answer, given audio \[1, \d+, 130\]: RuntimeError: .*cannot be multiplied"):
        make(declare(FixedLength))
    with pytest.raises(UserError, match=r"; norm normalises by the batch's own statistics, of which one clip has none\.$"):
        make(declare(OwnStatistics))


class Crossed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.v, self.head = nn.Linear(130, 8), nn.Linear(135, 8), nn.Linear(8, 3)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, a, v):
        a = self.a(a)
        return self.head(self.attn(a, self.v(v), self.v(v))[0].mean(1))


def test_an_attention_the_other_way_round_is_said() -> None:
    # Of 2 s, 200 frames of llds and 60 of faces.
    declaration = declare(Crossed, inputs={"audio": "llds", "visual": "face-maps"})
    declaration.attention("looks", query="visual", key="audio", module="attn")
    with pytest.raises(UserError, match=r"is the other way round: of 60 frames of visual and .* of audio it has .* rows and 60"):
        make(declaration)


def in_seven(more: float = 0.0) -> nn.Module:
    class Rated(Heard):
        def forward(self, a):
            return 4 + more + super().forward(a).tanh()

    return Rated()


@torch.inference_mode()
def test_a_regression_on_another_scale_says_what_it_answers_without_evidence() -> None:
    rated = {"labels": ("valence", "arousal", "dominance"), "task": "regression"}
    made = make(declare(in_seven, **rated))
    assert any("without any evidence it would say 0" in remark for remark in made.remarks)
    made = make(declare(in_seven, **rated, prior=4))
    assert made.remarks == ()
    output = made.model(Batch.of(audio=sound()).without("audio"))
    assert output.predictions["audio"].tolist() == [[4.0, 4.0, 4.0]]
    with pytest.raises(UserError, match="one value for each of its labels, or one for all: net is a regression of 3"):
        declare(in_seven, **rated, prior=(4, 4))
    with pytest.raises(UserError, match="net is a classification of 3"):
        declare(prior=4)
