import pytest
import torch
import torch.nn.functional as F

from affectscope.core.models.affect_rnn import AffectRNN
from affectscope.core.models.affect_transformer import AffectTransformer
from affectscope.core.models.base import MODELS, AVModel
from affectscope.core.models.blocks.frames import aligned, forward_filled
from affectscope.core.models.catalogue import count
from affectscope.core.streams import Batch

SYSTEMS = ("affect-transformer", "affect-rnn")


def demo(system: str, preset: str = "demo", **changes: object) -> AVModel:
    torch.manual_seed(0)
    return MODELS[system].preset(preset, **changes).eval()


def batch_of(frames: int = 8, size: int = 2) -> Batch:
    make = torch.Generator().manual_seed(1)
    return Batch.of(audio=torch.randn(size, frames, 130, generator=make), visual=torch.randn(size, frames, 135, generator=make))


def answer(model: AVModel, batch: Batch) -> torch.Tensor:
    with torch.inference_mode():
        return model(batch).predictions[model.spec.heads[0]]


def test_absent_frames_hold_the_last_answer():
    answers = torch.tensor([[[1.0], [2.0], [3.0], [4.0]], [[5.0], [6.0], [7.0], [8.0]]])
    present = torch.tensor([[False, True, False, True], [False, False, False, False]])
    expected = torch.tensor([[[9.0], [2.0], [2.0], [4.0]], [[9.0]] * 4])
    torch.testing.assert_close(forward_filled(answers, present, torch.tensor([9.0])), expected)


def test_inputs_are_aligned_without_what_the_model_does_not_know():
    given = Batch.of(audio=torch.ones(1, 3, 2), text=torch.ones(1, 9, 2))
    batch, seen = aligned(given, {"audio": 2, "visual": 4})
    assert {name: tuple(value.shape) for name, value in batch.values.items()} == {"audio": (1, 3, 2), "visual": (1, 3, 4)}
    assert seen.tolist() == [[True] * 3]
    batch, seen = aligned(Batch.of(audio=torch.ones(1, 1, 2), visual=torch.ones(1, 3, 4)), {"audio": 2, "visual": 4})
    assert batch.present["audio"].tolist() == [[True, False, False]]
    assert seen.tolist() == [[True] * 3]


@pytest.mark.parametrize(
    ("system", "preset", "parameters"),
    [
        ("affect-transformer", "paper", 18_908_164),
        ("affect-transformer", "paper-residual", 18_908_164),
        ("affect-transformer", "paper-visual", 8_403_970),
        ("affect-rnn", "paper", 18_924_674),
        ("affect-rnn", "paper-visual", 18_503_426),
        ("affect-rnn", "paper-audio", 174_210),
        ("affect-rnn", "paper-static", 16_789_506),
        ("affect-rnn", "paper-static-2000", 8_198_002),
    ],
)
def test_parameter_counts(system, preset, parameters):
    with torch.device("meta"):
        assert count(MODELS[system].preset(preset)) == parameters


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_frame_is_answered_on_the_frames_of_the_picture(system):
    spec = demo(system).spec
    assert (spec.reference, spec.task, spec.labels, spec.heads) == ("visual", "regression", ("arousal", "valence"), ("av",))
    model = demo(system, "demo-visual")
    assert (model.spec.reference, model.spec.heads, dict(model.spec.inputs)) == ("visual", ("visual",), {"visual": 135})
    batch = Batch.of(audio=torch.zeros(1, 11, 130), visual=batch_of(5, 1).values["visual"])
    assert answer(model, batch).shape == (1, 5, 2)
    assert answer(demo(system), batch).shape == (1, 11, 2)


def test_a_model_of_sound_alone_answers_on_the_frames_of_the_sound():
    model = demo("affect-rnn", "demo-audio")
    assert (model.spec.reference, model.spec.heads) == ("audio", ("audio",))
    assert answer(model, batch_of()).shape == (2, 8, 2)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_frame_that_holds_nothing_keeps_the_last_answer(system):
    model = demo(system)
    model.prior.copy_(torch.tensor([0.3, -0.2]))
    seen = torch.tensor([False, True, True, False, False, True, False, False])
    answers = answer(model, batch_of().masked(audio=seen, visual=seen))
    torch.testing.assert_close(answers[:, 0], model.prior.expand(2, -1))
    for frame, last in ((3, 2), (4, 2), (6, 5), (7, 5)):
        assert torch.equal(answers[:, frame], answers[:, last])
    assert (answers[:, 5] - answers[:, 2]).abs().min() > 1e-5


def test_with_the_residual_a_frame_without_sound_has_the_pictures_contribution_only():
    model = demo("affect-transformer")
    for scalar in model.encode.scalars.values():
        scalar.data.zero_()
    batch = batch_of().masked(audio=torch.arange(8) != 3)
    together, picture = answer(model, batch), answer(model, batch.without("audio"))
    torch.testing.assert_close(together[:, 3], picture[:, 3])
    assert (together[:, 2] - picture[:, 2]).abs().min() > 1e-3


def test_without_the_residual_one_modality_still_speaks():
    model = demo("affect-transformer", residual=False)
    given, other = batch_of().without("audio"), batch_of(16, 1).without("audio")
    assert (answer(model, given)[:1] - answer(model, other)[:, :8]).abs().max() > 1e-3


def test_the_transformer_hears_what_comes_later_and_the_rnn_does_not():
    batch = batch_of()
    cut = batch.masked(audio=torch.arange(8) < 5, visual=torch.arange(8) < 5)
    transformer, rnn = demo("affect-transformer"), demo("affect-rnn")
    assert (answer(transformer, batch)[:, :5] - answer(transformer, cut)[:, :5]).abs().max() > 1e-4
    torch.testing.assert_close(answer(rnn, batch)[:, :5], answer(rnn, cut)[:, :5])


def test_a_static_model_takes_each_frame_by_itself():
    model, batch = demo("affect-rnn", "demo-static"), batch_of()
    order = torch.tensor([4, 0, 7, 2, 1, 3, 6, 5])
    shuffled = Batch.of(visual=batch.values["visual"][:, order])
    torch.testing.assert_close(answer(model, shuffled), answer(model, batch)[:, order])
    assert (answer(demo("affect-rnn"), shuffled) - answer(demo("affect-rnn"), batch)[:, order]).abs().max() > 1e-4
    with pytest.raises(ValueError, match="picture alone"):
        AffectRNN.preset("demo", layers=0)


def test_recurrent_layers_skip_what_they_lack():
    """Against the same layers run by hand: the picture lacks frame 1, the sound all frames from 3 on; nothing holds frame 6."""
    model, batch = demo("affect-rnn"), batch_of(7)
    picture = torch.tensor([True, False, True, True, True, True, False])
    with torch.inference_mode():
        sound, _ = model.recurrent["audio"](batch.values["audio"][:, :3])
        seen, _ = model.recurrent["visual"](F.relu(model.fc(batch.values["visual"][:, picture])))
        h = torch.cat([sound[:, [0, 1, 2, 2, 2, 2]], seen[:, [0, 0, 1, 2, 3, 4]]], 2)
        expected = model.out(model.fusion(h)[0])
    answers = answer(model, batch.masked(audio=torch.arange(7) < 3, visual=picture))
    torch.testing.assert_close(answers[:, :6], expected)
    torch.testing.assert_close(answers[:, 6], expected[:, 5])


@pytest.mark.parametrize("residual", [False, True])
def test_the_transformer_learns_a_signal_by_frame(residual):
    """A frame's own features are its label: without a way from a frame to its answer this is not learned."""
    torch.manual_seed(0)
    sizes = {"audio_dim": 4, "visual_dim": 4, "width": 16, "layers": 1, "dropout": 0.0}
    model = AffectTransformer.preset("demo", residual=residual, **sizes)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(150):
        label = torch.randn(16, 6, 2)
        batch = Batch.of(audio=label.repeat(1, 1, 2), visual=label.repeat(1, 1, 2))
        loss = (model(batch).predictions["av"] - label).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) / 10 < 0.5
