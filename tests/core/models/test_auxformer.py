import dataclasses

import pytest
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.streams import Batch
from tests.reference import golden_input, golden_state, goldens, needs_shared

SMALL = AuxFormerConfig(audio_dim=6, visual_dim=9, width=8, heads=2, layers=2, aux_hidden=(12, 10))
PUBLIC = {"auxformer-v1": ("auxformer_keys.txt", "AUXFORMER (v1"), "auxformer-v2": ("auxformer_v2_keys.txt", "AVmodel (v2")}


def small(variant: str = "paper", seed: int = 0) -> AuxFormer:
    torch.manual_seed(seed)
    return AuxFormer(dataclasses.replace(SMALL, variant=variant)).eval()


def batch(rows: int = 3, audio: int = 11, visual: int = 7, seed: int = 1) -> Batch:
    make = torch.Generator().manual_seed(seed)
    return Batch.of(audio=torch.randn(rows, audio, 6, generator=make), visual=torch.randn(rows, visual, 9, generator=make))


def same(a, b, tolerance=1e-6):
    for head in a.predictions:
        torch.testing.assert_close(a.predictions[head], b.predictions[head], atol=tolerance, rtol=0)


@needs_shared
@pytest.mark.parametrize("layout", PUBLIC)
def test_public_code_is_reproduced(layout, tmp_path):
    golden = goldens()[layout]
    torch.save(golden_state(*PUBLIC[layout]), tmp_path / "public.pt")
    model = checkpoints.load_foreign(tmp_path / "public.pt", layout=layout)
    assert sum(p.numel() for p in model.parameters()) == golden["parameters"]
    audio, visual = golden_input("audio", golden["audio"]), golden_input("visual", golden["visual"])
    for name, frames in golden.get("zero_tail_of_sample_1", {}).items():
        {"audio": audio, "visual": visual}[name][1, -frames:] = 0
    predictions = model(Batch.of(audio=audio, visual=visual)).predictions
    for head, key in (("av", "av"), ("audio", "audio_head"), ("visual", "visual_head")):
        torch.testing.assert_close(predictions[head], torch.tensor(golden[key]), atol=1e-5, rtol=0)


def test_published_parameter_counts():
    def count(classes):
        labels = tuple(map(str, range(classes)))
        return sum(p.numel() for p in AuxFormer.preset("paper", variant="code", labels=labels).parameters())

    assert (count(6), count(4)) == (7_038_632, 7_037_848)


def test_absent_frames_cannot_influence_the_answer():
    model, whole = small(), batch()
    keep = {"audio": torch.rand(3, 11) > 0.4, "visual": torch.rand(3, 7) > 0.4}
    other = Batch.of(**{m: torch.where(keep[m][..., None], v, torch.full_like(v, 1e3)) for m, v in whole.values.items()})
    poisoned = Batch.of(**{m: v.masked_fill(~keep[m][..., None], torch.nan) for m, v in whole.values.items()})
    expected = model(whole.masked(**keep))
    same(expected, model(other.masked(**keep)), 0)
    same(expected, model(poisoned.masked(**keep)), 0)
    changed = model(whole).predictions["av"] - expected.predictions["av"]
    assert changed.abs().max() > 1e-3


def test_padding_and_neighbours_cannot_influence_the_answer():
    model, whole = small(), batch()
    alone = Batch.of(audio=whole.values["audio"][:1], visual=whole.values["visual"][:1])
    padded = Batch.of(
        audio=torch.nn.functional.pad(whole.values["audio"], (0, 0, 0, 9)),
        visual=torch.nn.functional.pad(whole.values["visual"], (0, 0, 0, 4)),
        present={"audio": torch.arange(20).expand(3, -1) < 11, "visual": torch.arange(11).expand(3, -1) < 7},
    )
    same(model(padded), model(whole))
    for head, logits in model(whole).predictions.items():
        torch.testing.assert_close(logits[:1], model(alone).predictions[head], atol=1e-6, rtol=0)


def test_code_variant_is_swayed_by_padding_as_the_public_code_is():
    model, whole = small("code"), batch()
    longer = Batch.of(audio=torch.nn.functional.pad(whole.values["audio"], (0, 0, 0, 9)), visual=whole.values["visual"])
    assert (model(longer).predictions["audio"] - model(whole).predictions["audio"]).abs().max() > 1e-3


@pytest.mark.parametrize("missing", ["audio", "visual"])
def test_a_missing_modality_leaves_the_other_in_charge(missing):
    model, whole = small(), batch()
    other = "visual" if missing == "audio" else "audio"
    output = model(whole.without(missing))
    assert output.evidence[missing].tolist() == [False] * 3
    assert output.evidence["av"].tolist() == output.evidence[other].tolist() == [True] * 3
    torch.testing.assert_close(output.predictions[missing], model.prior.expand(3, -1))
    torch.testing.assert_close(output.predictions[other], model(whole).predictions[other])
    # The answer still depends on what is there.
    assert (output.predictions["av"][0] - output.predictions["av"][1]).abs().max() > 1e-3
    expected = (output.predictions["av"] + output.predictions[other]) / 2
    torch.testing.assert_close(model.decide(output), expected)


def test_nothing_at_all_gives_the_prior_and_says_so():
    model = small()
    model.prior.copy_(torch.tensor([0.5, 0.1, 0.1, 0.1, 0.1, 0.1]).log())
    output = model(batch().without("audio").without("visual"))
    assert not any(flags.any() for flags in output.evidence.values())
    for logits in (*output.predictions.values(), model.decide(output)):
        torch.testing.assert_close(logits.softmax(1)[0], torch.tensor([0.5, 0.1, 0.1, 0.1, 0.1, 0.1]))


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_attention_rows_sum_to_one_over_present_frames(variant):
    model, keep = small(variant), torch.tensor([True] * 4 + [False] * 3).expand(3, -1)
    masked = batch().masked(visual=keep)
    output = model(masked, attention=True)
    declared = {(a.name, a.query, a.key, layer) for a in model.spec.attention for layer in range(a.layers)}
    assert {(m.name, m.query, m.key, m.layer) for m in output.attention} == declared
    for attention in output.attention:
        torch.testing.assert_close(attention.weights.sum(-1), torch.ones(attention.weights.shape[:-1]))
        if variant == "paper" and attention.key == "visual":
            assert attention.weights[..., 4:].abs().max() == 0
    same(output, model(masked), 1e-5)


def test_the_last_present_frame_is_the_token():
    """With one layer's worth of mixing switched off, only the last present frame can reach the auxiliary head."""
    model = small()
    for layer in model.auxiliary["audio"].layers:
        layer.self_attn.out_proj.weight.data.zero_()
    whole = batch()
    first = model(whole.masked(audio=torch.arange(11) <= 4)).predictions["audio"]
    shifted = whole.values["audio"].clone()
    shifted[:, :4] += 5
    torch.testing.assert_close(first, model(Batch.of(audio=shifted[:, :5], visual=whole.values["visual"])).predictions["audio"])


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_gradients_reach_every_parameter(variant):
    model = small(variant).train()
    output = model(batch(8))
    sum(logits.square().sum() for logits in output.predictions.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


def test_saved_and_loaded_it_gives_the_same_numbers(tmp_path):
    model = small()
    stats = checkpoints.Normaliser({"audio": torch.arange(6.0)}, {"audio": torch.full((6,), 2.0)})
    checkpoints.save(tmp_path / "a.safetensors", model, stats, {"seed": 3})
    loaded = checkpoints.load(tmp_path / "a.safetensors")
    same(model(batch()), loaded.model(batch()), 0)
    assert loaded.card == {"seed": 3}
    assert loaded.spec == model.spec
    torch.testing.assert_close(loaded.normaliser("audio", torch.full((6,), 4.0)), (4 - torch.arange(6.0)) / 2)
