import dataclasses

import pytest
import torch

from affectscope.core.models.unimodal_conformer import UnimodalConformer, UnimodalConformerConfig
from affectscope.core.models.vavl import VAVL
from affectscope.core.streams import Batch

SMALL = UnimodalConformerConfig(audio_dim=5, visual_dim=6, projected=4, width=8, heads=2, layers=2, kernel=3, hidden=8)


def small(modality: str = "audio") -> UnimodalConformer:
    torch.manual_seed(0)
    return UnimodalConformer(dataclasses.replace(SMALL, modality=modality)).eval()


def batch() -> Batch:
    make = torch.Generator().manual_seed(1)
    return Batch.of(audio=torch.randn(3, 9, 5, generator=make), visual=torch.randn(3, 4, 6, generator=make))


def count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_parameter_counts():
    with torch.device("meta"):
        counts = [count(UnimodalConformer.preset(name)) for name in ("paper", "paper-visual")]
        branch = VAVL.preset("five-layers")
        own = count(branch.own["audio"]) + count(branch.project["audio"])
    assert counts == [32_163_846, 32_259_846]
    # VAVL's branch of as many layers, and two fully connected ones.
    assert counts[0] == own + (512 * 512 + 512) + (512 * 6 + 6)


@pytest.mark.parametrize(("modality", "other"), [("audio", "visual"), ("visual", "audio")])
def test_only_its_modality_counts(modality, other):
    model, whole = small(modality), batch()
    assert model.spec.inputs == {modality: whole.values[modality].shape[2]}
    output = model(whole)
    assert list(output.predictions) == [modality]
    torch.testing.assert_close(model(whole.without(other)).predictions[modality], output.predictions[modality])
    blind = model(whole.without(modality))
    assert blind.evidence[modality].tolist() == [False] * 3
    torch.testing.assert_close(model.decide(blind), model.prior.expand(3, -1))


def test_the_answer_is_that_of_the_mean_over_present_frames():
    model, whole = small(), batch()
    encoded, _ = model.encoder(model.project(whole.values["audio"].transpose(1, 2)).transpose(1, 2))
    torch.testing.assert_close(model(whole).embeddings["audio"], encoded.mean(1))
    torch.testing.assert_close(model(whole).predictions["audio"], model.head(encoded.mean(1)))
    masked = whole.masked(audio=torch.arange(9) < 5)
    short = Batch.of(audio=whole.values["audio"][:, :5])
    torch.testing.assert_close(model(masked).predictions["audio"], model(short).predictions["audio"])


def test_attributes_are_not_classes():
    model = UnimodalConformer(dataclasses.replace(SMALL, labels=("arousal", "valence"), task="regression")).eval()
    model.prior.copy_(torch.tensor([0.3, -2.0]))
    blind = model(batch().without("audio"))
    torch.testing.assert_close(model.decide(blind), torch.tensor([[0.3, -2.0]] * 3))
    assert model(batch()).predictions["audio"].shape == (3, 2)


def test_the_order_of_frames_matters():
    model, whole = small(), batch()
    turned = Batch.of(audio=whole.values["audio"].flip(1))
    assert (model(turned).predictions["audio"] - model(whole).predictions["audio"]).abs().max() > 1e-5
