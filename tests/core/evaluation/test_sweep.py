import pandas as pd
import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.evaluation import sweep as sweeping
from affectscope.core.evaluation.masking import Missing, mask
from affectscope.core.evaluation.sweep import sweep
from affectscope.core.metrics.metrics import classification_metrics, evaluate
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.models.base import MODELS
from affectscope.core.streams import Batch

SMALL = AuxFormerConfig(("anger", "fear"), audio_dim=3, visual_dim=4, width=8, heads=2, layers=1, aux_hidden=(8, 8))


def model() -> AuxFormer:
    torch.manual_seed(0)
    return AuxFormer(SMALL).eval()


def clips(sizes: tuple[int, ...]) -> list[tuple[Batch, torch.Tensor]]:
    """The same twelve clips, in batches of other sizes."""
    make = torch.Generator().manual_seed(1)
    audio, visual = torch.randn(12, 20, 3, generator=make), torch.randn(12, 9, 4, generator=make)
    target = torch.randint(2, (12,), generator=make)
    parts = [values.split(sizes) for values in (audio, visual, target)]
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


def test_clips_of_any_length_and_with_holes_are_answered_as_if_each_were_asked_alone():
    torch.manual_seed(0)
    net = AuxFormer.preset("demo").eval()
    make = torch.Generator().manual_seed(2)
    lengths = {"audio": (31, 9, 0, 24, 1), "visual": (12, 15, 7, 0, 2)}
    values, present = {}, {}
    for name, dim in net.spec.inputs.items():
        frames = torch.tensor(lengths[name])[:, None]
        values[name] = torch.randn(5, 33, dim, generator=make)
        present[name] = (torch.arange(33) < frames) & (torch.rand(5, 33, generator=make) > 0.2)
    batch, target = Batch.of(present=present, **values), torch.tensor([0, 1, 2, 3, 4])
    table = sweep(net, [(batch, target)], rates=(0.0, 0.3, 0.9, 1.0), draws=2, seed=1)
    for (name, rate, draw), rows in table.groupby(["modality", "rate", "draw"]):
        # With maps a model leaves no frame out.
        drawn = mask(batch, Missing(name, rate), draws=2, seed=1)
        with torch.inference_mode():
            output = net(Batch(dict(drawn.values), dict(drawn.present)), attention=True)
        for head, logits in {**output.predictions, "decision": net.decide(output)}.items():
            expected = classification_metrics(logits[5 * draw : 5 * draw + 5], target)
            row = rows[rows["head"] == head].iloc[0]
            for metric, value in numbers(expected).items():
                assert row[metric] == pytest.approx(value, abs=1e-5), (name, rate, draw, head, metric)


@pytest.mark.parametrize("system", MODELS)
def test_every_system_answers_draws_that_share_memory_as_it_does_copies(system):
    torch.manual_seed(0)
    net = MODELS[system].preset("demo").eval()
    batch = Batch.of(**{name: torch.randn(1, 11, dim) for name, dim in net.spec.inputs.items()})
    for name in net.spec.inputs:
        drawn = mask(batch, Missing(name, 0.5), draws=3)
        copies = Batch(*({m: v.clone().contiguous() for m, v in part.items()} for part in (drawn.values, drawn.present)))
        with torch.inference_mode():
            shared, alone = net(drawn), net(copies)
        for part in ("predictions", "embeddings"):
            for key, value in getattr(alone, part).items():
                torch.testing.assert_close(getattr(shared, part)[key], value, atol=2e-6, rtol=2e-6, msg=f"{part} {key}")


def test_cores_are_as_they_were_after_a_sweep_that_ends_well_and_one_that_does_not():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        sweep(model(), clips((12,)), rates=(0.5,), draws=2)
        assert torch.get_num_threads() == 2
        with pytest.raises(UserError, match="no modality 'smell'"):
            sweep(model(), clips((12,)), ["smell"], rates=(0.2, 0.5), draws=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


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


def test_processes_find_what_threads_find_and_say_what_is_wrong(monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        expected = sweep(model(), clips((12,)), rates=(0.0, 0.4), draws=2)
        monkeypatch.setattr(sweeping, "ROWS_FOR_PROCESSES", 0)
        pd.testing.assert_frame_equal(sweep(model(), clips((12,)), rates=(0.0, 0.4), draws=2), expected)
        with pytest.raises(UserError, match="no modality 'smell'"):
            sweep(model(), clips((12,)), ["smell"], rates=(0.2, 0.5), draws=2)
    finally:
        torch.set_num_threads(before)


def test_every_point_is_reported():
    seen = []
    sweep(model(), clips((12,)), rates=(0.0, 0.5), draws=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
