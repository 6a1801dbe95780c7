import pytest
import torch

from affectscope.core.models.tlstm import TLSTM, TLSTMConfig
from affectscope.core.streams import Batch

SMALL = TLSTMConfig(audio_dim=5, visual_dim=6, width=8, heads=2, layers=1, recurrent=7)


def small() -> TLSTM:
    torch.manual_seed(0)
    return TLSTM(SMALL).eval()


def batch(audio: int = 9, visual: int = 4) -> Batch:
    make = torch.Generator().manual_seed(1)
    return Batch.of(audio=torch.randn(3, audio, 5, generator=make), visual=torch.randn(3, visual, 6, generator=make))


def without_first_half(whole: Batch) -> Batch:
    return whole.masked(**{name: torch.arange(mask.shape[1]) >= mask.shape[1] // 2 for name, mask in whole.present.items()})


def test_parameter_counts():
    with torch.device("meta"):
        counts = [sum(p.numel() for p in TLSTM.preset(name).parameters()) for name in ("paper", "attributes")]
    assert counts == [489_734, 489_539]


@pytest.mark.parametrize(("left", "missing"), [("audio", "visual"), ("visual", "audio")])
def test_one_modality_is_its_own_sequence(left, missing):
    """By hand: its own transformer, fusion layers that find nothing, the LSTM, the mean over time."""
    model, whole = small(), batch()
    x = model.project[left](whole.values[left])
    own, _ = model.own[left](x)
    fused, _ = model.cross[left](own, torch.zeros(3, 1, 8), torch.zeros(3, 1, dtype=torch.bool))
    steps, _ = model.recurrent(fused)
    output = model(whole.without(missing))
    torch.testing.assert_close(output.embeddings["fused"], steps.mean(1))
    torch.testing.assert_close(output.predictions["av"], model.out(steps.mean(1)))


def test_two_modalities_count_the_same_whatever_their_lengths():
    """The answer's vector is the mean of both sequences' means, each on its own clock."""
    model, whole = small(), batch()
    own = {m: model.own[m](model.project[m](whole.values[m]))[0] for m in ("audio", "visual")}
    means = []
    for m, other in (("audio", "visual"), ("visual", "audio")):
        steps, _ = model.recurrent(model.cross[m](own[m], own[other])[0])
        assert steps.shape[1] == whole.values[m].shape[1]
        means.append(steps.mean(1))
    torch.testing.assert_close(model(whole).embeddings["fused"], sum(means) / 2)


def test_fusion_sees_what_the_other_modality_says():
    """Together the two are more than the mean of what each says alone."""
    model, whole = small(), batch()
    seen = model(whole, attention=True)
    names = {a.name: (a.query, a.key, tuple(a.weights.shape[2:])) for a in seen.attention}
    assert names["cross.audio"] == ("audio", "visual", (9, 4))
    assert names["cross.visual"] == ("visual", "audio", (4, 9))
    alone = [model(whole.without(m)).embeddings["fused"] for m in ("visual", "audio")]
    assert (seen.embeddings["fused"] - sum(alone) / 2).abs().max() > 1e-3


def test_order_matters_and_absent_frames_are_cut_out():
    model, whole = small(), batch()
    turned = Batch.of(**{name: v.flip(1) for name, v in whole.values.items()})
    assert (model(turned).predictions["av"] - model(whole).predictions["av"]).abs().max() > 1e-4
    masked = without_first_half(whole)
    poisoned = Batch.of(
        present=masked.present,
        **{name: v.masked_fill(~masked.present[name][..., None], torch.nan) for name, v in whole.values.items()},
    )
    torch.testing.assert_close(model(poisoned).predictions["av"], model(masked).predictions["av"], atol=0, rtol=0)
