"""Which frames go, and what the model is given in their place, by numbers worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.perturbation import PATTERNS, Perturbation, attention_by_frame, gaps, left_of, orders, perturb
from affectscope.core.streams import Stream

SMALL = AuxFormerConfig(("anger", "fear"), audio_dim=2, visual_dim=3, width=8, heads=2, layers=1, aux_hidden=(8, 8))


def checkpoint(stats: bool = True) -> Checkpoint:
    torch.manual_seed(0)
    both = {"audio": torch.tensor([1.0, 2.0]), "visual": torch.tensor([0.0, 0.0, 0.0])}
    wide = {"audio": torch.tensor([2.0, 4.0]), "visual": torch.tensor([1.0, 1.0, 1.0])}
    return Checkpoint(AuxFormer(SMALL).eval().requires_grad_(False), Normaliser(both, wide) if stats else Normaliser(), {})


def streams() -> dict[str, Stream]:
    rng = np.random.default_rng(3)
    there = np.ones(10, bool)
    there[[0, 7]] = False
    audio = Stream(rng.normal(size=(10, 2)).astype("f4") * there[:, None], 0.05 + 0.1 * np.arange(10), there)
    return {"audio": audio, "visual": Stream(rng.normal(size=(5, 3)).astype("f4"), 0.2 * np.arange(5), np.ones(5, bool))}


def given(modality: str = "audio", **facts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the model gets of a modality, what of it is present, and which frames are as they were."""
    changed = perturb(Perturbation(**facts), streams(), checkpoint())
    return changed.streams[modality].values, changed.streams[modality].present, changed.kept[modality]


def test_halves_are_kept_and_shares_are_of_the_present_frames():
    assert [left_of(8, share) for share in (100, 50, 44, 43, 7, 6, 0)] == [8, 4, 4, 3, 1, 0, 0]
    assert [left_of(5, share) for share in (100, 50, 10, 0)] == [5, 3, 1, 0]


def test_the_tail_goes_from_the_end_and_never_touches_what_is_absent_anyway():
    _, present, kept = given(keep={"audio": 50}, pattern="tail")
    assert np.flatnonzero(kept).tolist() == [1, 2, 3, 4]
    assert np.flatnonzero(present).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if p != "drawn"])
def test_what_is_gone_at_one_share_is_gone_at_every_smaller_one(pattern):
    change = Perturbation(pattern=pattern, seed=4, burst=0.2)
    before = streams()["audio"].present
    for share in range(90, -1, -10):
        kept = perturb(replace(change, keep={"audio": share}), streams(), checkpoint()).kept["audio"]
        assert kept.sum() == left_of(8, share)
        assert not (kept & ~before).any()
        before = kept


def test_chance_depends_on_the_seed_and_the_modality_alone():
    def rank(**facts):
        return orders(Perturbation(**facts), streams(), checkpoint())["audio"].tolist()

    assert rank(seed=1) == rank(seed=1, keep={"visual": 20})
    assert rank(seed=1) != rank(seed=2)
    assert sorted(rank(seed=1)) == [-1, -1, *range(8)]


def test_bursts_go_one_after_the_other():
    rank = orders(Perturbation(pattern="burst", burst=0.3, seed=2), streams(), checkpoint())["audio"]
    present = rank[rank >= 0]
    # In time order, ranks rise by one inside a run; eight frames in runs of three are three or four runs, and two may touch.
    assert 1 <= (np.diff(present) != 1).sum() <= 3


def test_the_most_attended_go_first():
    weights = attention_by_frame(checkpoint(), streams())["audio"]
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights[0] == weights[7] == 0
    rank = orders(Perturbation(pattern="attended"), streams(), checkpoint())["audio"]
    assert rank[weights.argmax()] == 0
    assert (np.diff(weights[np.argsort(rank)[2:]]) <= 1e-7).all()


def test_drawn_frames_go_and_no_others():
    _, present, kept = given(pattern="drawn", spans={"audio": ((0.3, 0.56), (0.9, 2.0))}, keep={"audio": 0})
    assert np.flatnonzero(kept).tolist() == np.flatnonzero(present).tolist() == [1, 2, 6, 8]
    assert np.flatnonzero(given("visual", pattern="drawn", spans={"audio": ((0.0, 9.0),)})[2]).tolist() == [0, 1, 2, 3, 4]


def test_spans_of_what_is_gone_reach_half_way_to_the_neighbours():
    _, _, kept = given(pattern="drawn", spans={"audio": ((0.3, 0.56),)})
    assert gaps(streams()["audio"], kept) == [(pytest.approx(0.3), pytest.approx(0.6))]


def test_absent_frames_hold_nothing():
    values, present, _ = given(keep={"audio": 50}, pattern="tail")
    assert not values[~present].any()


def test_zeros_are_zeros_before_normalising_and_the_mean_is_zero_after_it():
    values, present, kept = given(keep={"audio": 50}, pattern="tail", imputation="zeros")
    gone = present & ~kept
    assert np.flatnonzero(gone).tolist() == [5, 6, 8, 9]
    # (0 - mean) / deviation: -1/2 and -2/4.
    np.testing.assert_allclose(values[gone], [[-0.5, -0.5]] * 4)
    values, present, kept = given(keep={"audio": 50}, pattern="tail", imputation="mean")
    np.testing.assert_allclose(values[present & ~kept], 0)
    assert not values[[0, 7]].any()
    assert not present[[0, 7]].any()


def test_held_frames_repeat_the_last_that_stayed_and_hold_nothing_before_the_first():
    values, present, _ = given(pattern="drawn", imputation="forward-fill", spans={"audio": ((0.1, 0.3), (0.5, 0.8))})
    whole = streams()["audio"].values
    assert np.flatnonzero(present).tolist() == [3, 4, 5, 6, 8, 9]
    for at in (5, 6):
        np.testing.assert_array_equal(values[at], whole[4])


def test_noise_varies_as_the_clip_does_about_the_mean():
    stream = Stream(
        np.random.default_rng(0).normal(5, [0.1, 3], (4000, 2)).astype("f4"), np.arange(4000) / 100, np.ones(4000, bool)
    )
    changed = perturb(Perturbation({"audio": 0}, imputation="noise"), {"audio": stream}, checkpoint())
    noise = changed.streams["audio"].values
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.2)
    np.testing.assert_allclose(noise.std(0), [0.1, 3], rtol=0.05)
    again = perturb(Perturbation({"audio": 0}, imputation="noise"), {"audio": stream}, checkpoint()).streams["audio"].values
    np.testing.assert_array_equal(noise, again)


def test_the_mean_of_a_checkpoint_that_does_not_hold_it_is_refused():
    change = Perturbation({"audio": 50}, imputation="mean")
    with pytest.raises(UserError, match="training mean"):
        perturb(change, streams(), checkpoint(stats=False))


@pytest.mark.parametrize(
    "facts", [{"pattern": "backwards"}, {"imputation": "music"}, {"keep": {"audio": 101}}, {"seed": -1}, {"burst": 0.0}]
)
def test_nonsense_is_one_sentence(facts):
    with pytest.raises(UserError, match=r"\.$"):
        Perturbation(**facts)


def test_what_does_the_same_has_the_same_facts():
    assert Perturbation({"audio": 100}, seed=3).facts() == {}
    assert Perturbation(pattern="drawn").whole
    assert Perturbation({"audio": 40, "visual": 100}, "tail", seed=3).facts() == Perturbation({"audio": 40}, "tail").facts()
    assert Perturbation({"audio": 40}, seed=3).facts() != Perturbation({"audio": 40}).facts()
