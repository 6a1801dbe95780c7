"""A wrapped network answers as the bare one does, and keeps our contract on the outside."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import affectscope as afs
from affectscope.core.errors import UserError
from affectscope.core.registry import Registry
from affectscope.core.streams import Batch
from affectscope.core.wrapping import asking
from affectscope.core.wrapping import declared as declarations
from affectscope.core.wrapping.making import make

LABELS = ("anger", "joy", "neutral")


class Net(nn.Module):
    """Audio asks, picture answers; the mean over audio frames."""

    def __init__(self, outputs: int = 3, by_frame: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.v = nn.Linear(130, 8), nn.Linear(135, 8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, outputs)
        self.by_frame = by_frame

    def forward(self, a, v):
        a, v = self.a(a), self.v(v)
        x = a + self.attn(a, v, v, need_weights=False)[0]
        return self.head(x if self.by_frame else x.mean(1))


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of what a test declares stays."""
    monkeypatch.setattr(declarations.WRAPPED, "_entries", dict(declarations.WRAPPED._entries))
    assert isinstance(declarations.WRAPPED, Registry)


def declare(name: str = "net", build=Net, **more):
    given = {"labels": LABELS, "inputs": {"audio": "llds", "visual": "face-maps"}} | more
    return afs.model(name, **given)(lambda: build())


def clip(audio: int = 9, visual: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(1, audio, 130, generator=chance), torch.randn(1, visual, 135, generator=chance)


@torch.inference_mode()
def ask(model, batch: Batch, attention: bool = True):
    return model(batch, attention)


def padded(*clips: tuple[torch.Tensor, torch.Tensor]) -> Batch:
    """Several clips, filled up with numbers that must not be read."""
    values, present = {}, {}
    for place, name in enumerate(("audio", "visual")):
        longest = max(streams[place].shape[1] for streams in clips)
        values[name] = torch.full((len(clips), longest, clips[0][place].shape[2]), 7.0)
        present[name] = torch.zeros(len(clips), longest, dtype=torch.bool)
        for row, streams in enumerate(clips):
            count = streams[place].shape[1]
            values[name][row, :count], present[name][row, :count] = streams[place][0], True
    return Batch(values, present)


def test_numbers_are_the_bare_networks_in_any_batch() -> None:
    declaration = declare()
    declaration.attention("cross", query="audio", key="visual", module="attn")
    declaration.embedding("fused", module="head", of="input")
    model, clips = make(declaration).model, [clip(), clip(4, 12, 1), clip(1, 1, 2)]
    together = ask(model, padded(*clips))
    for row, given in enumerate(clips):
        with torch.inference_mode():
            bare, net = Net().eval()(*given), Net().eval()
            a, v = net.a(given[0]), net.v(given[1])
            _, weights = net.attn(a, v, v, average_attn_weights=False)
        assert torch.allclose(together.predictions["av"][row], bare[0], atol=1e-6)
        alone = ask(model, Batch.of(audio=given[0], visual=given[1]))
        assert torch.allclose(alone.predictions["av"], bare, atol=1e-6)
        assert torch.allclose(alone.attention[0].weights, weights, atol=1e-6)
        count_q, count_k = weights.shape[2:]
        found = together.attention[0].weights[row]
        assert torch.allclose(found[:, :count_q, :count_k], weights[0], atol=1e-6)
        assert (found[:, count_q:] == 0).all()
        assert (found[..., count_k:] == 0).all()
        assert torch.allclose(together.embeddings["fused"][row], alone.embeddings["fused"][0], atol=1e-6)


def test_the_spec_tells_what_came() -> None:
    declaration = declare()
    declaration.attention("cross", query="audio", key="visual", module="attn")
    declaration.embedding("fused", module="head", of="input")
    spec = make(declaration).model.spec
    assert (spec.attention[0].layers, spec.attention[0].heads) == (1, 2)
    assert spec.inputs == {"audio": 130, "visual": 135}
    assert spec.heads == spec.decision == ("av",)
    assert spec.modalities == {"av": ("audio", "visual")}


@pytest.mark.parametrize(
    ("inputs", "head"),
    [({"audio": "llds"}, "audio"), ({"visual": "face-maps", "audio": "llds"}, "av"), ({"audio": "llds", "text": "glove"}, "all")],
)
def test_the_only_head_is_called_by_what_it_draws_on(inputs: dict[str, str], head: str) -> None:
    assert asking._only_head(declarations.Declared("net", nn.Module, ("a",), inputs)) == head


def test_without_any_frame_the_answer_is_the_prior_and_the_network_is_not_asked() -> None:
    declaration = declare()
    declaration.attention("cross", query="audio", key="visual", module="attn")
    declaration.embedding("fused", module="head", of="input")
    model = make(declaration).model
    given = Batch.of(audio=torch.ones(2, 3, 130), visual=torch.ones(2, 4, 135))
    output = ask(model, given.masked(audio=torch.tensor([[True], [False]]), visual=torch.tensor([[True], [False]])))
    assert output.evidence["av"].tolist() == [True, False]
    assert torch.equal(output.predictions["av"][1], model.prior)
    assert (output.attention[0].weights[1] == 0).all()
    assert (output.embeddings["fused"][1] == 0).all()
    nothing = ask(model, given.without("audio").without("visual"))
    assert nothing.attention[0].weights.shape == (2, 2, 3, 4)
    assert not nothing.evidence["av"].any()


def test_what_stands_for_an_absent_modality_is_no_key() -> None:
    declaration = declare()
    declaration.attention("cross", query="audio", key="visual", module="attn")
    model = make(declaration).model
    batch = Batch.of(audio=torch.ones(2, 3, 130), visual=torch.ones(2, 4, 135))
    keep = torch.tensor([[True], [False]])
    weights = ask(model, batch.masked(visual=keep)).attention[0].weights
    assert torch.allclose(weights[0].sum(-1), torch.ones(2, 3))
    assert (weights[1] == 0).all()


@pytest.mark.parametrize(
    ("absence", "expected"),
    [
        ("zeros", [0, 1, 0, 3, 0]),
        ("mask", [0, 1, 0, 3, 0]),
        ("mean", [2, 1, 2, 3, 2]),
        ("forward-fill", [1, 1, 1, 3, 3]),
    ],
)
def test_what_stands_for_missing_frames(absence, expected) -> None:
    seen = []
    declaration = declare(absence={"audio": absence})

    @declaration.forward
    def answer(net, batch):
        seen.append((batch.audio[0, :, 0].tolist(), batch.audio_present[0].tolist(), batch.audio_lengths.tolist()))
        return net(batch.audio, batch.visual)

    model = make(declaration).model
    audio = torch.arange(5.0).view(1, 5, 1).expand(1, 5, 130)
    there = torch.tensor([[False, True, False, True, False]])
    ask(model, Batch.of(present={"audio": there}, audio=audio, visual=torch.ones(1, 6, 135)))
    # What comes after the last present frame is cut off.
    assert seen[-1] == (expected[:4], [False, True, False, True], [4])
    assert model.spec.absence == {"audio": absence, "visual": "zeros"}


def test_noise_is_the_same_for_the_same_clip_and_as_strong_as_its_frames_vary() -> None:
    seen = []
    declaration = declare(absence="noise")
    declaration.forward(lambda net, batch: (seen.append(batch.audio[0]), net(batch.audio, batch.visual))[1])
    model = make(declaration).model
    audio = 5 + 0.1 * torch.randn(1, 400, 130, generator=torch.Generator().manual_seed(1))
    there = torch.arange(400)[None] % 2 == 1
    batch = Batch.of(present={"audio": there}, audio=audio, visual=torch.ones(1, 6, 135))
    ask(model, batch)
    ask(model, batch)
    assert torch.equal(seen[-1], seen[-2])
    filled = seen[-1][~there[0]]
    assert filled.mean().item() == pytest.approx(5, abs=0.01)
    assert filled.std().item() == pytest.approx(0.1, abs=0.01)


def test_an_absent_modality_lasts_as_long_as_the_clip() -> None:
    seen = []
    declaration = declare()
    declaration.forward(lambda net, batch: (seen.append(tuple(batch.visual.shape)), net(batch.audio, batch.visual))[1])
    model = make(declaration).model
    # 200 frames at 100 a second are two seconds, of which face-maps have 30 each.
    given = Batch.of(audio=torch.ones(1, 200, 130))
    ask(model, given)
    assert seen[-1] == (1, 60, 135)
    # However long the row is that is all absent.
    ask(model, Batch.of(audio=torch.ones(1, 200, 130), visual=torch.ones(1, 90, 135)).without("visual"))
    assert seen[-1] == (1, 60, 135)


def test_answers_by_frame_are_on_the_clips_frames() -> None:
    declaration = declare(
        build=lambda: Net(2, by_frame=True), labels=("arousal", "valence"), task="regression", reference="visual"
    )
    model = make(declaration).model
    audio, visual = torch.randn(1, 6, 130), torch.randn(1, 6, 135)
    with torch.inference_mode():
        bare = Net(2, by_frame=True).eval()(audio, visual)
    longer = Batch(
        {"audio": torch.cat([audio, torch.ones(1, 3, 130)], 1), "visual": torch.cat([visual, torch.ones(1, 3, 135)], 1)},
        dict.fromkeys(("audio", "visual"), torch.arange(9)[None] < 6),
    )
    output = ask(model, longer)
    assert output.predictions["av"].shape == (1, 9, 2)
    assert torch.allclose(output.predictions["av"][:, :6], bare, atol=1e-6)
    assert (output.predictions["av"][:, 6:] == model.prior).all()


def test_a_network_that_makes_fewer_frames_is_matched_by_proportion_and_that_is_said() -> None:
    class Strided(Net):
        def forward(self, a, v):
            return super().forward(a[:, ::2], v[:, ::2])

    declaration = declare(
        build=lambda: Strided(2, by_frame=True), labels=("arousal", "valence"), task="regression", reference="visual"
    )
    declaration.attention("cross", query="audio", key="visual", module="attn")
    made = make(declaration)
    assert any("answers 30 times for 60 frames of visual" in remark for remark in made.remarks)
    output = ask(made.model, Batch.of(audio=torch.randn(1, 8, 130), visual=torch.randn(1, 8, 135)))
    found = output.predictions["av"][0]
    assert torch.equal(found[0], found[1])
    assert torch.allclose(output.attention[0].weights.sum(-1), torch.ones(1, 2, 8))


def test_several_heads_and_what_forward_returns_beside_them() -> None:
    declaration = declare(build=lambda: nn.ModuleDict({"a": nn.Linear(130, 3), "v": nn.Linear(135, 3)}))
    declaration.attention("pool", query="audio", key="audio")
    declaration.embedding("mean")

    @declaration.forward
    def answer(net, batch):
        weights = batch.audio.norm(dim=-1).softmax(-1)
        audio, visual = net["a"](batch.audio.mean(1)), net["v"](batch.visual.mean(1))
        return {"audio": audio, "visual": visual, "pool": weights, "mean": batch.audio.mean(1)}

    model = make(declaration).model
    assert model.spec.heads == ("audio", "visual")
    assert model.spec.modalities == {"audio": ("audio",), "visual": ("visual",)}
    audio, visual = clip()
    output = ask(model, Batch.of(audio=audio, visual=visual).without("visual"))
    assert output.evidence["visual"].tolist() == [False]
    assert torch.equal(output.predictions["visual"][0], model.prior)
    assert torch.allclose(output.attention[0].weights[0, 0, 3], audio[0].norm(dim=-1).softmax(-1), atol=1e-6)
    assert torch.allclose(output.embeddings["mean"], audio.mean(1), atol=1e-6)


def test_a_batched_network_is_handed_all_clips_with_their_lengths() -> None:
    seen = []
    declaration = declare(batched=True)

    @declaration.forward
    def answer(net, batch):
        seen.append((batch.audio_lengths.tolist(), tuple(batch.audio.shape)))
        mask = batch.audio_present[..., None]
        return net.head((net.a(batch.audio) * mask).sum(1) / batch.audio_lengths[:, None])

    model, clips = make(declaration).model, [clip(), clip(4, 12, 1)]
    output = ask(model, padded(*clips))
    assert seen[-1] == ([9, 4], (2, 9, 130))
    net = Net().eval()
    for row, (audio, _) in enumerate(clips):
        assert torch.allclose(output.predictions["av"][row], net.head(net.a(audio).mean(1))[0], atol=1e-6)


def test_probabilities_become_logits_that_read_the_same() -> None:
    class Soft(Net):
        def forward(self, a, v):
            return super().forward(a, v).softmax(-1)

    made = make(declare(build=Soft))
    assert any('outputs="probabilities"' in remark for remark in made.remarks)
    model = make(declare("soft", build=Soft, outputs="probabilities")).model
    audio, visual = clip()
    with torch.inference_mode():
        bare = Soft().eval()(audio, visual)
    found = model.spec.readable(ask(model, Batch.of(audio=audio, visual=visual)).predictions["av"])
    assert torch.allclose(found, bare, atol=1e-6)


def test_gradients_reach_what_goes_in() -> None:
    model = make(declare()).model
    audio, visual = clip()
    audio.requires_grad_(True)
    values, present = {"audio": audio, "visual": visual}, {m: torch.ones(1, v, dtype=torch.bool) for m, v in
                                                          (("audio", 9), ("visual", 5))}  # fmt: skip
    model(Batch(values, present)).predictions["av"][0, 0].backward()
    assert audio.grad is not None
    assert (audio.grad.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])  # noqa: S301
def test_copies_answer_alike(again) -> None:
    declaration = declare()
    declaration.attention("cross", query="audio", key="visual", module="attn")
    model = make(declaration).model
    other, batch = again(model), padded(clip())
    assert torch.equal(ask(model, batch).predictions["av"], ask(other, batch).predictions["av"])
    assert torch.equal(ask(model, batch).attention[0].weights, ask(other, batch).attention[0].weights)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"inputs": {"audio": "nothing"}}, "there is no such feature set"),
        ({"labels": ("a", "b")}, r"answers with \[1, 3\] as its head av, where \[1, 2\] is wanted"),
        (
            {"inputs": {"audio": "llds", "visual": "llds"}},
            r"could not answer, given .*RuntimeError: .*\(test_wrapped.py, line",
        ),
        ({"heads": {"audio": ("audio",), "visual": ("visual",)}}, "gives no answer as its head visual"),
        ({"build": lambda: None}, "must return an nn.Module"),
        ({"build": lambda: 1 / 0}, r"could not be built: ZeroDivisionError: division by zero \(test_wrapped.py, line \d+\)"),
    ],
)
def test_what_does_not_fit_is_one_sentence(change, sentence) -> None:
    with pytest.raises(UserError, match=sentence):
        make(declare(**change))


def test_weights_of_another_network_are_named_with_the_keys_that_do_not_fit(tmp_path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"backbone.weight": torch.zeros(2, 2)}, path)

    def build(path):
        net = Net()
        net.load_state_dict(afs.read_weights(path))
        return net

    net = afs.model("net", labels=LABELS, inputs={"audio": "llds", "visual": "face-maps"})(build)
    with pytest.raises(
        UserError, match=r"could not be built of other\.safetensors: .*Missing key.*a\.weight.*test_wrapped\.py, line"
    ):
        make(net, path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "auxformer"}, "already a model of AffectScope's own"),
        ({"name": "a=b"}, "cannot be a model's name"),
        ({"absence": {"audio": "silence"}}, "There is no absence silence"),
        ({"absence": {"text": "zeros"}}, "takes no text"),
        ({"reference": "text"}, "takes no text"),
        ({"labels": ()}, "needs labels"),
        ({"task": "ranking"}, "There is no task ranking"),
    ],
)
def test_what_makes_no_sense_is_said_where_it_stands(change, sentence) -> None:
    with pytest.raises(UserError, match=sentence):
        declare(**change)


def test_modules_that_are_not_there_are_said_with_those_that_are() -> None:
    declaration = declare()
    declaration.attention("cross", query="audio", key="visual", module="fusion.attn")
    with pytest.raises(UserError, match=r"no module fusion.attn: it has attn, "):
        make(declaration)
    other = declare("other")
    other.attention("cross", query="audio", key="visual", module="head")
    with pytest.raises(UserError, match="no weights came"):
        make(other)
