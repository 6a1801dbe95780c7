"""Where the papers' text differs from the public code, or from what the demos take: published presets follow the text."""

import pytest
import torch

from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS
from affectscope.core.models.blocks.heads import ResidualClassifier, prediction_head
from affectscope.core.streams import Batch

SMALL = {"affect-transformer": {"width": 8, "heads": 2, "layers": 1}, "affect-rnn": {"width": 6, "fc": 5, "layers": 1}}


def small(system: str, preset: str = "paper", **changes: object):
    torch.manual_seed(0)
    return MODELS[system].preset(preset, audio_dim=4, visual_dim=3, **changes).eval()


def batch(frames: int, size: int = 2) -> Batch:
    make = torch.Generator().manual_seed(1)
    return Batch.of(audio=torch.randn(size, frames, 4, generator=make), visual=torch.randn(size, frames, 3, generator=make))


def part(whole: Batch, begin: int, end: int) -> Batch:
    return Batch({m: v[:, begin:end] for m, v in whole.values.items()}, {m: v[:, begin:end] for m, v in whole.present.items()})


@pytest.mark.parametrize("system", ["affect-transformer", "affect-rnn"])
@torch.inference_mode()
def test_long_clips_are_answered_in_sequences_of_a_hundred_frames(system):
    model, whole = small(system, **SMALL[system]), batch(250)
    answers = model(whole).predictions["av"]
    pieces = [model(part(whole, begin, begin + 100)).predictions["av"] for begin in (0, 100, 200)]
    torch.testing.assert_close(answers, torch.cat(pieces, 1))
    together = small(system, **SMALL[system], sequence=0)(whole).predictions["av"]
    assert not torch.allclose(answers, together, atol=1e-4)
    assert MODELS[system].preset("demo").config.sequence == 0


@torch.inference_mode()
def test_no_frame_attends_beyond_its_sequence():
    model, whole = small("affect-transformer", **SMALL["affect-transformer"]), batch(130)
    maps = model(whole, attention=True).attention
    assert {tuple(attention.weights.shape) for attention in maps} == {(2, 2, 130, 130)}
    for attention in maps:
        assert float(attention.weights[..., :100, 100:].abs().sum() + attention.weights[..., 100:, :100].abs().sum()) == 0
        torch.testing.assert_close(attention.weights.sum(-1), torch.ones(2, 2, 130))


@torch.inference_mode()
def test_a_sequence_without_frames_keeps_the_last_answer():
    model, whole = small("affect-transformer", **SMALL["affect-transformer"]), batch(210)
    gone = torch.ones(1, 210, dtype=torch.bool)
    gone[:, 100:200] = False
    answers = model(whole.masked(audio=gone, visual=gone)).predictions["av"]
    torch.testing.assert_close(answers[:, 100:200], answers[:, 99:100].expand(-1, 100, -1))


def test_the_main_classifier_of_goncalves2022robust_by_hand():
    """Two hidden layers with ReLU, no residual (4.3); the code has a residual and no ReLU after the second."""
    head = ResidualClassifier(1, (1,), 1, 0.0, residual=False).eval()
    code = ResidualClassifier(1, (1,), 1, 0.0).eval()
    for classifier in (head, code):
        for parameter, value in zip(classifier.parameters(), (2.0, 0.0, -1.0, 1.0, 3.0, 0.5), strict=True):
            torch.nn.init.constant_(parameter, value)
    # 2 -> 4 -> -4 + 1 = -3 -> ReLU 0 -> 0.5; with the residual -3 + 2 = -1 -> -3 + 0.5.
    token = torch.tensor([[2.0]])
    assert head(token)[0].item() == pytest.approx(0.5)
    assert code(token)[0].item() == pytest.approx(-2.5)


def test_who_has_which_main_classifier():
    with torch.device("meta"):
        paper, demo = MODELS["auxformer"].preset("paper"), MODELS["auxformer"].preset("demo")
        public = MODELS["auxformer"].preset("paper", variant="code")
        alone = {name: MODELS["unimodal-attention"].preset(name) for name in ("paper", "paper-visual", "demo", "demo-visual")}
    assert (paper.main.residual, demo.main.residual, public.main.residual) == (False, True, True)
    assert {name: model.main.residual for name, model in alone.items()} == {
        "paper": False, "paper-visual": False, "demo": True, "demo-visual": True
    }  # fmt: skip
    assert paper.aux.residual
    assert all(model.aux.residual for model in alone.values())


def test_heads_of_goncalves2025versatile_have_relu_after_each_layer_but_the_last():
    torch.manual_seed(0)
    first, each = prediction_head(3, (5, 4), 2), prediction_head(3, (5, 4), 2, "each")
    each.load_state_dict(first.state_dict())
    x = torch.randn(7, 3)
    hidden = torch.relu(x @ first[0].weight.T + first[0].bias) @ first[3].weight.T + first[3].bias
    torch.testing.assert_close(first.eval()(x), hidden @ first[4].weight.T + first[4].bias)
    torch.testing.assert_close(each.eval()(x), torch.relu(hidden) @ first[4].weight.T + first[4].bias)
    with torch.device("meta"):
        paper, public = MODELS["vavl"].preset("paper"), MODELS["vavl"].preset("paper", variant="code")
    assert (len(paper.predict["av"]), len(public.predict["av"])) == (7, 5)


@torch.inference_mode()
def test_a_head_that_is_not_trained_has_no_say():
    asked = batch(6)
    model = small("auxformer", width=4, heads=2, layers=1, loss_weights=(0.9, 0.0, 0.1))
    output = model(asked)
    assert model.spec.decision == ("av", "visual")
    torch.testing.assert_close(model.decide(output), (output.predictions["av"] + output.predictions["visual"]) / 2)
    assert small("auxformer", width=4, heads=2, layers=1).spec.decision == ("av", "audio", "visual")


@torch.inference_mode()
def test_the_model_of_one_modality_of_goncalves2022auxformer_has_an_encoder_more():
    sizes = {"width": 4, "heads": 2, "layers": 1}
    single, two = small("unimodal-attention", **sizes), small("unimodal-attention", **sizes, plain_first=True)
    encoder = sum(p.numel() for p in two.first.parameters())
    assert sum(p.numel() for p in two.parameters()) - sum(p.numel() for p in single.parameters()) == encoder
    maps = two(batch(6), attention=True).attention
    assert [m.name for m in maps] == ["first", "fused", "auxiliary"] == [s.name for s in two.spec.attention]
    before = two(batch(6)).predictions
    for parameter in two.first.parameters():
        parameter.mul_(0.5)
    after = two(batch(6)).predictions
    assert not torch.allclose(before["main"], after["main"])
    torch.testing.assert_close(before["auxiliary"], after["auxiliary"])
