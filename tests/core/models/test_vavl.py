import dataclasses

import pytest
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.layouts import VAVL_FILES
from affectscope.core.models.vavl import VAVL, VAVLConfig
from affectscope.core.streams import Batch
from tests.reference import SHARED, golden_input, golden_state, goldens, needs_shared, weight

SMALL = VAVLConfig(audio_dim=5, visual_dim=6, projected=4, width=8, heads=2, layers=1, shared_layers=1, kernel=3, hidden=(8, 6))


def small(**changes) -> VAVL:
    torch.manual_seed(0)
    return VAVL(dataclasses.replace(SMALL, **changes)).eval()


def batch(rows: int = 3, audio: int = 9, visual: int = 5) -> Batch:
    make = torch.Generator().manual_seed(1)
    return Batch.of(audio=torch.randn(rows, audio, 5, generator=make), visual=torch.randn(rows, visual, 6, generator=make))


@needs_shared
def test_public_code_is_reproduced(tmp_path):
    golden = goldens()["vavl"]
    for name in VAVL_FILES:
        shapes = {k: list(v.shape) for k, v in golden_state("vavl_keys.txt", name).items() if not k.endswith(".pe")}
        torch.save({key: weight(key, shape, f"{name}:") for key, shape in shapes.items()}, tmp_path / name)
    model = checkpoints.load_foreign(tmp_path, layout="vavl")
    output = model(Batch.of(audio=golden_input("audio", golden["audio"]), visual=golden_input("visual", golden["visual"])))

    def agrees(found, key):
        torch.testing.assert_close(found, torch.tensor(golden[key]), atol=1e-5, rtol=0)

    for head, key in (("av", "av"), ("audio", "audio_head"), ("visual", "visual_head")):
        agrees(output.predictions[head], key)
    for name in ("audio", "visual"):
        agrees(output.reconstruction[name][:, :8], f"reconstruction_{name}_first8")
    agrees(output.embeddings["shared audio"][:, :8], "shared_audio_first8")


@pytest.mark.skipif(not (SHARED / "reference").is_dir(), reason="the shared reference material is not here")
def test_a_missing_file_is_one_sentence(tmp_path):
    torch.save({"projav1.weight": torch.zeros(2, 2)}, tmp_path / "MLP_a_head.pt")
    with pytest.raises(checkpoints.UserError, match="VAVL"):
        checkpoints.load_foreign(tmp_path, layout="vavl")


def test_published_parameter_counts():
    with torch.device("meta"):
        counts = [sum(p.numel() for p in VAVL.preset("paper", variant="code", layers=n).parameters()) for n in (3, 5)]
    assert counts == [61_375_128, 86_667_928]


def test_a_clips_answer_depends_neither_on_neighbours_nor_on_padding():
    model, whole = small(), batch()
    padded = Batch.of(
        audio=torch.nn.functional.pad(whole.values["audio"], (0, 0, 0, 7), value=3.0),
        visual=torch.nn.functional.pad(whole.values["visual"], (0, 0, 0, 2), value=3.0),
        present={"audio": (torch.arange(16) < 9).expand(3, -1), "visual": (torch.arange(7) < 5).expand(3, -1)},
    )
    expected = model(whole).predictions
    for head, logits in model(padded).predictions.items():
        torch.testing.assert_close(logits, expected[head], atol=1e-6, rtol=0)
    alone = Batch.of(audio=whole.values["audio"][1:2], visual=whole.values["visual"][1:2])
    for head, logits in model(alone).predictions.items():
        torch.testing.assert_close(logits, expected[head][1:2], atol=1e-6, rtol=0)


def test_the_public_code_is_swayed_by_neighbours():
    model, whole = small(variant="code"), batch()
    other = Batch.of(audio=whole.values["audio"].clone(), visual=whole.values["visual"])
    other.values["audio"][2] += 1
    assert (model(whole).predictions["audio"][0] - model(other).predictions["audio"][0]).abs().max() > 1e-5


def test_the_order_of_frames_matters_as_it_should():
    model, whole = small(), batch()
    turned = Batch.of(audio=whole.values["audio"].flip(1), visual=whole.values["visual"])
    assert (model(whole).predictions["audio"] - model(turned).predictions["audio"]).abs().max() > 1e-4


@pytest.mark.parametrize(("missing", "left"), [("audio", "visual"), ("visual", "audio")])
def test_with_one_modality_its_own_prediction_is_the_answer(missing, left):
    model = small()
    output = model(batch().without(missing))
    torch.testing.assert_close(output.predictions["av"], output.predictions[left])
    torch.testing.assert_close(output.predictions[missing], model.prior.expand(3, -1))
    nothing = model(batch().without(missing).without(left))
    torch.testing.assert_close(model.decide(nothing), model.prior.expand(3, -1))


def test_ablations_change_what_they_name():
    plain = {name for name, _ in small().named_parameters()}
    assert not any(n.startswith("rebuild") for n, _ in small(reconstruct=False).named_parameters())
    assert any(n.startswith("rebuild") for n in plain)
    mean = small(audiovisual="mean")(batch()).predictions
    torch.testing.assert_close(mean["av"], (mean["audio"] + mean["visual"]) / 2)
    bare = small(shared_residual=False)
    bare.load_state_dict(small().state_dict())
    assert (bare(batch()).predictions["audio"] - small()(batch()).predictions["audio"]).abs().max() > 1e-4


def test_relative_logits_by_distance():
    """With content switched off, every query's logit for a key depends on their distance alone."""
    attention = small().own["audio"].layers[0].attention
    shifted = attention._shift(torch.arange(7.0).expand(1, 1, 4, 7))
    # Columns run over distances 3, 2, .. -3; query 0 meets key 0 at distance 0.
    assert shifted[0, 0].tolist() == [[3, 4, 5, 6], [2, 3, 4, 5], [1, 2, 3, 4], [0, 1, 2, 3]]


def test_gradients_reach_every_parameter():
    model = small().train()
    output = model(batch(6))
    sum(x.square().sum() for x in (*output.predictions.values(), *output.reconstruction.values())).backward()
    # A constant added to all keys moves no softmax: the keys' bias alone has no effect.
    still = {n for n, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-9}
    assert all(n.endswith("attention.key.bias") for n in still)


def test_attention_rows_sum_to_one_over_present_frames():
    masked = batch().masked(visual=torch.arange(5) < 3)
    for attention in small()(masked, attention=True).attention:
        torch.testing.assert_close(attention.weights.sum(-1), torch.ones(attention.weights.shape[:-1]))
        if attention.key == "visual":
            assert attention.weights[..., 3:].abs().max() == 0
