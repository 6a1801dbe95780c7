import dataclasses
import re

import pytest
import safetensors.torch
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.models.uavm import UAVM, UAVMConfig
from affectscope.core.streams import Batch
from tests.reference import golden_input, golden_state, needs_shared

SMALL = UAVMConfig(audio_dim=5, visual_dim=8, width=8, heads=2, layers=1, shared_layers=2, steps=6)
# The public forward pass on weights and inputs by the rule of the shared reference, written out a second time in plain torch.
PUBLIC = {
    "audio": [
        [0.0480041, -3.4968724, 0.7823532, 3.4224784, -1.4152960, -2.9107127],
        [0.0783164, -3.4190700, 0.7336243, 3.3562105, -1.3508810, -2.8596926],
    ],
    "visual": [
        [0.8401006, -3.5442619, 0.0014743, 3.6547093, -0.6893882, -3.3147721],
        [0.8560150, -3.5603652, -0.0106284, 3.6736767, -0.6817753, -3.3355420],
    ],
}


def small(**changes) -> UAVM:
    torch.manual_seed(0)
    return UAVM(dataclasses.replace(SMALL, **changes)).eval()


def batch(audio: int = 12, visual: int = 9) -> Batch:
    make = torch.Generator().manual_seed(1)
    return Batch.of(audio=torch.randn(3, audio, 5, generator=make), visual=torch.randn(3, visual, 8, generator=make))


def of_audio(values: torch.Tensor) -> Batch:
    return Batch.of(audio=values, visual=torch.zeros(len(values), 1, 8))


@needs_shared
def test_a_public_state_loads_and_answers(tmp_path):
    state = golden_state("uavm_keys.txt", "UnifiedTrans")
    safetensors.torch.save_file({f"module.{key}": value for key, value in state.items()}, tmp_path / "public.safetensors")
    model = checkpoints.load_foreign(tmp_path / "public.safetensors", layout="uavm")
    assert sum(p.numel() for p in model.parameters()) == 117_004_050
    inputs = {"audio": golden_input("audio", [2, 30, 1024]), "visual": golden_input("visual", [2, 30, 1408])}
    with torch.inference_mode():
        predictions = model(Batch.of(**inputs)).predictions
    # In float32 processors differ: the figures are an Intel's, and an AMD EPYC is 7e-5 off at 3.5.
    for name, expected in PUBLIC.items():
        torch.testing.assert_close(predictions[name], torch.tensor(expected), atol=2e-5, rtol=3e-5)
    torch.testing.assert_close(predictions["av"], torch.tensor(list(PUBLIC.values())).mean(0), atol=2e-5, rtol=3e-5)


def test_a_state_of_another_repository_is_one_sentence(tmp_path):
    torch.save({"a_trans.in_proj.weight": torch.zeros(2, 2)}, tmp_path / "public.pt")
    with pytest.raises(checkpoints.UserError, match="does not hold the tensors of uavm"):
        checkpoints.load_foreign(tmp_path / "public.pt", layout="uavm")


def test_published_parameter_counts():
    with torch.device("meta"):
        models = [UAVM.preset("paper"), UAVM.preset("attributes"), UAVM.preset("paper", idle_parts=False)]
        square = UAVM.preset("paper", visual_dim=1024)
    counts = [sum(p.numel() for p in model.parameters()) for model in models]
    assert counts == [117_004_050, 116_994_825, 117_004_050 - 2_115_596]
    # What the reference measured without a gradient when both inputs are 1024 wide.
    assert sum(p.numel() for name, p in square.named_parameters() if name.startswith("idle")) == 3_165_196


def test_both_are_the_mean_and_one_alone_is_itself():
    model = small()
    both = model(batch()).predictions
    torch.testing.assert_close(both["av"], (both["audio"] + both["visual"]) / 2)
    for missing, left in (("audio", "visual"), ("visual", "audio")):
        output = model(batch().without(missing))
        torch.testing.assert_close(model.decide(output), both[left])
        torch.testing.assert_close(output.predictions[missing], model.prior.expand(3, -1))


def test_modalities_never_look_at_each_other():
    model, whole = small(), batch()
    other = Batch.of(audio=whole.values["audio"], visual=whole.values["visual"].flip(1))
    first, second = model(whole).predictions, model(other).predictions
    torch.testing.assert_close(first["audio"], second["audio"], atol=0, rtol=0)
    assert (first["visual"] - second["visual"]).abs().max() > 1e-4


def test_the_shared_part_is_shared():
    """The same steps from both modalities' own transformers get the same answer."""
    model = small(audio_dim=8)
    model.own["audio"].load_state_dict(model.own["visual"].state_dict())
    frames = batch().values["visual"]
    predictions = model(Batch.of(audio=frames, visual=frames)).predictions
    torch.testing.assert_close(predictions["audio"], predictions["visual"])
    assert not any(re.match(r"shared\.(audio|visual)", name) for name, _ in model.named_parameters())


def test_a_clip_of_any_length_is_six_steps():
    model = small()
    frames = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(3))
    expected = model(of_audio(frames)).predictions["audio"]
    twice = frames.repeat_interleave(2, 1)
    torch.testing.assert_close(model(of_audio(twice)).predictions["audio"], expected)
    # Three frames for six steps: each stands twice.
    few = model(of_audio(frames[:, :3])).predictions["audio"]
    torch.testing.assert_close(model(of_audio(frames[:, :3].repeat_interleave(2, 1))).predictions["audio"], few)


def test_a_step_is_the_mean_of_directions():
    """The length of a frame's vector does not count; where the frame stands does."""
    model = small()
    frames = torch.randn(2, 12, 5, generator=torch.Generator().manual_seed(3))
    expected = model(of_audio(frames)).predictions["audio"]
    louder = frames * torch.linspace(0.5, 9, 12)[:, None]
    torch.testing.assert_close(model(of_audio(louder)).predictions["audio"], expected)
    assert (model(of_audio(frames.flip(1))).predictions["audio"] - expected).abs().max() > 1e-4


def test_attention_between_steps_is_given_back_between_frames():
    model = small()
    frames = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(3))
    of_steps = model(of_audio(frames), attention=True).attention
    of_frames = model(of_audio(frames.repeat_interleave(2, 1)), attention=True).attention
    for steps, spread in zip(of_steps, of_frames, strict=True):
        if steps.key == "audio":
            # Two frames a step: each asks as the step does, and gets half of what the step gets.
            expected = steps.weights.repeat_interleave(2, 2).repeat_interleave(2, 3) / 2
            torch.testing.assert_close(spread.weights, expected)
