import pytest
import torch

from core.evaluation.masking import Missing, mask
from core.evaluation.metrics import evaluate
from core.evaluation.sweep import sweep
from core.models.auxformer import AuxFormer, AuxFormerConfig
from core.streams import Batch

SMALL = AuxFormerConfig(("anger", "fear"), audio_dim=3, visual_dim=4, width=8, heads=2, layers=1, aux_hidden=(8, 8))


def model() -> AuxFormer:
    torch.manual_seed(0)
    return AuxFormer(SMALL).eval()


def clips(sizes: tuple[int, ...]) -> list[tuple[Batch, torch.Tensor]]:
    """The same twelve clips, in batches of other sizes."""
    make = torch.Generator().manual_seed(1)
    audio, visual = torch.randn(12, 20, 3, generator=make), torch.randn(12, 9, 4, generator=make)
    target = torch.randint(2, (12,), generator=make)
    parts = [one.split(sizes) for one in (audio, visual, target)]
    return [(Batch.of(audio=a, visual=v), t) for a, v, t in zip(*parts, strict=True)]


def numbers(metrics: dict) -> dict:
    return {k: v for k, v in metrics.items() if k != "confusion"}


def test_a_curve_is_what_the_plain_loop_over_clips_rates_and_draws_finds():
    net, batches = model(), clips((5, 5, 2))
    table = sweep(net, batches, ["visual"], rates=(0.0, 0.5, 1.0), draws=3, seed=4)
    assert len(table) == 3 * 3 * 4
    assert list(table["head"].unique()) == ["av", "audio", "visual", "decision"]
    for (rate, draw), rows in table.groupby(["rate", "draw"]):
        one_by_one = []
        for number, (batch, target) in enumerate(clips((1,) * 12)):
            drawn = mask(batch, Missing("visual", rate), draws=3, seed=4, clips=[number])
            one_by_one.append(
                (Batch(*({m: v[[draw]] for m, v in part.items()} for part in (drawn.values, drawn.present))), target)
            )
        expected = evaluate(net, one_by_one)
        for _, row in rows.iterrows():
            for name, value in numbers(expected[row["head"]]).items():
                assert row[name] == pytest.approx(value, abs=1e-5), (rate, draw, row["head"], name)


def test_the_size_of_the_batches_does_not_matter_and_the_seed_does():
    net = model()
    table = sweep(net, clips((12,)), rates=(0.4,), draws=4)
    other = sweep(net, clips((7, 5)), rates=(0.4,), draws=4)
    keys = ["modality", "rate", "draw", "head", "clips", "accuracy", "macro_f1"]
    assert table[keys].equals(other[keys])
    assert not table["ece"].equals(sweep(net, clips((12,)), rates=(0.4,), draws=4, seed=9)["ece"])


def test_draws_differ_only_where_chance_decides():
    net = model()
    for pattern, rate, varies in (("random", 0.5, True), ("burst", 0.5, True), ("tail", 0.5, False), ("random", 0.0, False)):
        table = sweep(net, clips((12,)), ["audio"], (rate,), pattern, length=3, draws=3)
        assert sorted(table["draw"].unique()) == [0, 1, 2]
        assert (table[table["head"] == "audio"]["ece"].nunique() > 1) == varies, (pattern, rate)


def test_a_head_that_does_not_hear_does_not_change_as_sound_goes():
    table = sweep(model(), clips((12,)), rates=(0.0, 0.6), draws=2)
    blind = table[(table["modality"] == "audio") & (table["head"] == "visual")]
    assert blind["ece"].max() == pytest.approx(blind["ece"].min(), abs=1e-6)
    whole = table[table["rate"] == 0.0].drop(columns=["modality", "draw"])
    assert len(whole.drop_duplicates()) == 4


def test_every_point_is_reported():
    seen = []
    sweep(model(), clips((12,)), rates=(0.0, 0.5), draws=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
