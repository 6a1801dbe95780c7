import numpy as np
import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.evaluation.masking import RATES, Missing, mask, repeated
from affectscope.core.streams import Batch

LENGTHS = (20, 7, 1, 0, 33, 2)


def batch_of(lengths=LENGTHS, padding: int = 0) -> Batch:
    """Clips whose frames hold 1 and up; every third frame of the long ones is absent, as a lost face is."""
    longest = max(lengths) + padding
    there = torch.arange(longest) < torch.tensor(lengths)[:, None]
    holes = (torch.arange(longest) % 3 == 1) & (torch.tensor(lengths) > 10)[:, None]
    values = (torch.arange(longest) + 1.0)[None, :, None].expand(len(lengths), -1, 2)
    return Batch.of(audio=values, visual=values, present={"audio": there & ~holes, "visual": there})


def lost(batch: Batch, masked: Batch, modality: str, draws: int = 1) -> torch.Tensor:
    """[draws, B, T], the frames that are gone."""
    before = repeated(batch.present[modality], draws)
    assert not (masked.present[modality] & ~before).any()
    return (before & ~masked.present[modality]).view(draws, len(batch), -1)


def runs(gone: torch.Tensor, present: torch.Tensor) -> list[int]:
    """Lengths of the runs of lost frames, counted in frames that were there."""
    text = "".join("x" if g else "." for g in gone[present].tolist())
    return [len(run) for run in text.split(".") if run]


@pytest.mark.parametrize("pattern", ["random", "burst", "tail"])
@pytest.mark.parametrize("rate", [*RATES, 1.0])
def test_every_clip_loses_its_exact_share_and_nothing_else_changes(pattern, rate):
    batch = batch_of()
    for modality, other in (("audio", "visual"), ("visual", "audio")):
        masked = mask(batch, Missing(modality, rate, pattern, length=4), draws=3, seed=5)
        had = batch.present[modality].sum(1)
        assert lost(batch, masked, modality, 3).sum(2).tolist() == [[round(rate * n) for n in had.tolist()]] * 3
        assert (masked.values[modality][~masked.present[modality]] == 0).all()
        kept = masked.present[modality]
        torch.testing.assert_close(masked.values[modality][kept], repeated(batch.values[modality], 3)[kept])
        torch.testing.assert_close(masked.values[other], repeated(batch.values[other], 3))
        assert (masked.present[other] == repeated(batch.present[other], 3)).all()


def test_a_whole_modality_is_a_share_of_one():
    batch = batch_of()
    masked = mask(batch, Missing("visual"))
    assert not masked.present["visual"].any()
    assert (masked.present["audio"] == batch.present["audio"]).all()
    assert (masked.present["visual"] == batch.without("visual").present["visual"]).all()


def test_a_draw_is_the_same_again_and_other_draws_seeds_and_modalities_differ():
    batch = batch_of((200, 150))
    gone = lost(batch, mask(batch, Missing("visual", 0.5), draws=3, seed=1), "visual", 3)
    again = lost(batch, mask(batch, Missing("visual", 0.5), draws=5, seed=1), "visual", 5)
    assert (again[:3] == gone).all()
    patterns = [*gone.flatten(1).tolist(), lost(batch, mask(batch, Missing("visual", 0.5), seed=2), "visual").flatten().tolist()]
    assert len(set(map(tuple, patterns))) == 4
    same = Batch(dict.fromkeys(batch, batch.values["visual"]), dict.fromkeys(batch, batch.present["visual"]))
    both = mask(same, Missing("audio", 0.5), Missing("visual", 0.5), seed=1)
    assert (both.present["audio"] != both.present["visual"]).any()
    # Losing sound as well changes nothing in what is lost of the picture.
    assert (lost(same, both, "visual") == gone[:1]).all()
    assert (gone[0, 0, :150] != gone[0, 1, :150]).any()


@pytest.mark.parametrize("pattern", ["random", "burst", "tail"])
def test_neither_padding_nor_neighbours_matter(pattern):
    missing = Missing("audio", 0.4, pattern, length=3)
    batch, padded = batch_of(), batch_of(padding=50)
    together = lost(batch, mask(batch, missing, draws=2, seed=3), "audio", 2)
    assert (lost(padded, mask(padded, missing, draws=2, seed=3), "audio", 2)[:, :, : together.shape[2]] == together).all()
    for i in range(len(LENGTHS)):
        alone = Batch(
            {m: v[[i], : max(1, LENGTHS[i])] for m, v in batch.values.items()},
            {m: v[[i], : max(1, LENGTHS[i])] for m, v in batch.present.items()},
        )
        gone = lost(alone, mask(alone, missing, draws=2, seed=3, clips=[i]), "audio", 2)
        assert (gone[:, 0] == together[:, i, : gone.shape[2]]).all()


def test_what_is_gone_at_a_low_rate_is_gone_at_a_higher_one():
    batch = batch_of()
    before = torch.zeros(4, len(LENGTHS), max(LENGTHS), dtype=torch.bool)
    for rate in RATES:
        gone = lost(batch, mask(batch, Missing("visual", rate), draws=4), "visual", 4)
        assert not (before & ~gone).any()
        before = gone


def test_a_tail_is_the_last_frames_that_are_there():
    batch = Batch.of(audio=torch.ones(2, 6, 1), present={"audio": [[1, 1, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0]]})
    masked = mask(batch, Missing("audio", 0.5, "tail"))
    assert masked.present["audio"].int().tolist() == [[1, 1, 0, 1, 0, 0], [1, 1, 0, 0, 0, 0]]


def test_bursts_are_runs_of_the_length_asked_for():
    batch = batch_of((400, 90))
    for length, rate in ((10, 0.1), (10, 0.25), (50, 0.5), (500, 0.3)):
        masked = mask(batch, Missing("audio", rate, "burst", length), draws=6)
        gone = lost(batch, masked, "audio", 6)
        for draw in range(6):
            for clip in range(2):
                there = batch.present["audio"][clip]
                count = round(rate * int(there.sum()))
                number = -(-count // length)
                shortest = count // number
                found = runs(gone[draw, clip], there)
                # Two that touch are one: then it is as long as both.
                assert min(found) >= shortest
                assert len(found) <= number
                if len(found) == number:
                    assert max(found) <= length
    lengths = [
        runs(g[0], batch.present["audio"][0])
        for g in lost(batch, mask(batch, Missing("audio", 0.1, "burst", 27), draws=30), "audio", 30)
    ]
    assert all(found == [27] for found in lengths)


@pytest.mark.parametrize(("pattern", "length"), [("random", 1), ("burst", 5)])
def test_every_frame_is_as_likely_to_go_as_any_other(pattern, length):
    """Bursts spare the ends a little: a run needs room. In the middle all frames are alike."""
    batch = Batch.of(audio=torch.ones(1, 40, 1))
    share = lost(batch, mask(batch, Missing("audio", 0.25, pattern, length), draws=4000), "audio", 4000).float().mean((0, 1))
    inner = share if pattern == "random" else share[length:-length]
    # Five standard deviations of a share of 4000.
    assert (inner - inner.mean()).abs().max() < 5 * np.sqrt(0.25 * 0.75 / 4000)


def test_draws_follow_one_another_and_targets_with_them():
    batch = Batch.of(audio=torch.tensor([[[1.0]], [[2.0]]]))
    assert mask(batch, draws=3).values["audio"].flatten().tolist() == [1, 2, 1, 2, 1, 2]
    assert repeated(torch.tensor([7, 8]), 3).tolist() == [7, 8, 7, 8, 7, 8]
    assert repeated(torch.ones(2, 5, 3), 4).shape == (8, 5, 3)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda b: mask(b, Missing("text", 0.5)), "no modality 'text'"),
        (lambda b: mask(b, Missing("audio", 0.5), Missing("audio", 0.1, "tail")), "at most once"),
        (lambda b: mask(b, Missing("audio", 0.5), draws=0), "once or more"),
        (lambda b: Missing("audio", 1.5), "between 0 and 1"),
        (lambda b: Missing("audio", float("nan")), "between 0 and 1"),
        (lambda b: Missing("audio", 0.5, "burst", 0), "one frame or more"),
        (lambda b: Missing("audio", 0.5, "stripes"), "stripes"),
    ],
)
def test_what_cannot_be_lost_is_one_sentence(ask, says):
    with pytest.raises(UserError, match=says):
        ask(batch_of())


def test_clips_lose_frames_of_their_own():
    batch = Batch.of(audio=torch.ones(6, 40, 1))
    kept = mask(batch, Missing("audio", 0.5), seed=3).present["audio"]
    assert len({tuple(row.tolist()) for row in kept}) == 6
    # By their numbers, wherever they stand in the batch.
    turned = mask(batch, Missing("audio", 0.5), seed=3, clips=[5, 4, 3, 2, 1, 0]).present["audio"]
    assert torch.equal(turned, kept.flip(0))
