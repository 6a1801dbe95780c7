import dataclasses
import math
import re

import pytest
import torch
from torch import nn

from affectscope.core.models.blocks.convolution import batch_norm_present
from affectscope.core.models.sfav import SFAV, ConvolutionBlock, Gate, SFAVConfig
from affectscope.core.streams import Batch
from tests.reference import SHARED, needs_shared

SMALL = SFAVConfig(audio_dim=5, visual_dim=6, audio_channels=(8, 8, 12, 8), visual_channels=(6, 6, 8, 8))
FUSIONS = ("lt", "it", "ia")


def small(fusion: str) -> SFAV:
    torch.manual_seed(0)
    return SFAV(dataclasses.replace(SMALL, fusion=fusion)).eval()


def batch(audio: int = 9, visual: int = 5) -> Batch:
    make = torch.Generator().manual_seed(1)
    return Batch.of(audio=torch.randn(3, audio, 5, generator=make), visual=torch.randn(3, visual, 6, generator=make))


@needs_shared
@pytest.mark.parametrize("fusion", FUSIONS)
def test_built_as_the_public_code_from_its_features_on(fusion):
    """Less the values and output projections that "ia" never calls, and the heads of the branches."""
    called = 0
    for line in (SHARED / "reference" / "keys" / f"sfav_{fusion}_keys.txt").read_text().splitlines():
        if match := re.match(r"(?:(?:audio|visual)_model\.conv1d|av|va|classifier)\S*\t\(([\d, ]*)\)\tparam", line):
            size = math.prod(int(n) for n in re.findall(r"\d+", match[1]))
            if fusion == "ia" and ".proj." in line:
                size = 0
            called += size // 2 if fusion == "ia" and ".kv." in line else size
    with torch.device("meta"):
        model = SFAV.preset("paper", fusion=fusion, audio_dim=10, visual_dim=1024, labels=tuple("12345678"))
    assert sum(p.numel() for p in model.parameters()) == called > 500_000


def test_parameter_counts():
    with torch.device("meta"):
        counts = {f: sum(p.numel() for p in SFAV.preset("paper", fusion=f).parameters()) for f in FUSIONS}
    assert counts == {"ia": 815_430, "it": 936_134, "lt": 1_043_270}


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize(("missing", "left"), [("audio", "visual"), ("visual", "audio")])
def test_a_missing_modality_leaves_the_other_in_charge(fusion, missing, left):
    model = small(fusion)
    alone = model(batch().without(missing)).predictions["av"]
    assert (alone[0] - alone[1]).abs().max() > 1e-4
    changed = Batch.of(**{name: v.flip(0) if name == missing else v for name, v in batch().values.items()})
    torch.testing.assert_close(model(changed.without(missing)).predictions["av"], alone, atol=0, rtol=0)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_one_modality_reaches_the_other(fusion):
    """The audio's half of the concatenation moves with the picture."""
    model, whole = small(fusion), batch()
    quiet = Batch.of(audio=whole.values["audio"], visual=whole.values["visual"].flip(0))
    first, second = (model(b).embeddings["fused"][:, :8] for b in (whole, quiet))
    assert (first - second).abs().max() > 1e-5


def test_gate_by_hand():
    """Two frames ask three, of which the last is absent: sums of the weights, times two asked, over two that ask."""
    gate = Gate(2, 1, 1)
    gate.query.weight.data = torch.eye(2)
    gate.key.weight.data = torch.tensor([[math.sqrt(2)], [0.0]])
    query = torch.tensor([[[1.0, 5.0], [0.0, 3.0]]])
    key = torch.tensor([[[math.log(3.0)], [0.0], [9.0]]])
    here = torch.tensor([[True, True, False]])
    # Logits of the first that asks: ln 3 and 0, so 3/4 and 1/4; of the second: even.
    found, weights = gate(query, key, torch.tensor([[True, True]]), here)
    torch.testing.assert_close(weights[0, 0], torch.tensor([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([[1.25, 0.75, 0.0]]))
    found, _ = gate(query, key, torch.tensor([[True, False]]), here)
    torch.testing.assert_close(found, torch.tensor([[1.5, 0.5, 0.0]]))
    found, _ = gate(query, key, torch.tensor([[False, False]]), here)
    assert found.tolist() == [[1.0, 1.0, 1.0]]


def test_gates_multiply_the_frames_that_are_asked_for():
    """With one key frame the gate is 1 whatever asks: the visual half cannot move with the sound."""
    model = small("ia")
    given = batch(visual=1)
    other = Batch.of(audio=given.values["audio"].flip(0), visual=given.values["visual"])
    first, second = (model(b).embeddings["fused"] for b in (given, other))
    torch.testing.assert_close(first[:, 8:], second[:, 8:])
    assert (first[:, :8] - second[:, :8]).abs().max() > 1e-3


def test_late_transformer_has_no_residual():
    """Each half is what it finds in the other: with blocks that find nothing, the input is lost; "it" keeps it."""
    kept = {}
    for fusion in ("lt", "it"):
        model = small(fusion)
        for block in model.cross.values():
            for last in (block.out, block.feed_forward[-1]):
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)
        kept[fusion] = float(model(batch()).embeddings["fused"].detach().abs().max())
    assert kept["lt"] == 0
    assert kept["it"] > 1e-3


def test_convolution_by_hand():
    """Sums of three neighbours, absent ones being zero; then the larger of a frame and the next."""
    block = ConvolutionBlock(1, 1, pool=True).eval()
    block.convolution.weight.data.fill_(1)
    block.convolution.bias.data.zero_()
    x = torch.tensor([[[1.0], [2.0], [0.0], [4.0], [-9.0]]])
    present = torch.tensor([[True, True, False, True, True]])
    # Sums 3, 3, absent, -5, -5; after ReLU 3, 3, absent, 0, 0.
    torch.testing.assert_close(block(x, present).flatten(), torch.tensor([3.0, 3.0, 0.0, 0.0, 0.0]), atol=1e-4, rtol=0)
    x = torch.tensor([[[1.0], [2.0], [5.0]]])
    # Sums 3, 8, 7.
    torch.testing.assert_close(
        block(x, torch.ones(1, 3, dtype=torch.bool)).flatten(), torch.tensor([8.0, 8.0, 7.0]), atol=1e-4, rtol=0
    )


def test_batch_norm_counts_present_frames_only():
    present = torch.tensor([[True, True, False, True]])
    h = torch.tensor([[[1.0], [2.0], [1e6], [6.0]]])
    norm = nn.BatchNorm1d(1, momentum=1.0).train()
    out = batch_norm_present(norm, h, present).flatten()
    # Mean 3, variance (4 + 1 + 9) / 3.
    torch.testing.assert_close(out, torch.tensor([-2.0, -1.0, 0.0, 3.0]) / math.sqrt(14 / 3))
    assert out[2] == 0
    torch.testing.assert_close(norm.running_mean, torch.tensor([3.0]))


@pytest.mark.parametrize("present", [None, torch.tensor([[True]]), torch.tensor([[False]])])
def test_a_lone_frame_can_be_trained_on(present):
    norm = nn.BatchNorm1d(2).train()
    out = batch_norm_present(norm, torch.tensor([[[3.0, -1.0]]]), present)
    expected = torch.tensor([[[3.0, -1.0]]]) * (present is None or bool(present.any()))
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=0)
    assert norm.running_mean.tolist() == [0, 0]
