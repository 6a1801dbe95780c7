"""The level and its reasons, from measures made up for the purpose; every number of a sentence is one of theirs."""

from dataclasses import replace

import numpy as np
import pytest

from affectscope.core.trust.curves import Curves
from affectscope.core.trust.measure import Change, Measured, Other
from affectscope.core.trust.verdict import verdict

SHARES = np.array([0, 0.1, 0.3, 0.6, 1])


def made(own: float = 0.2, p_losses: int = 0, random: float = 0.1, stable: float = 0.9, other: float = 0.3) -> Measured:
    """A map that lies ``own`` better than other places, and better than all but ``p_losses`` of 19 maps of random weights."""
    flat = np.full(5, 0.5)
    untaught = np.tile(flat, (19, 1))
    untaught[:p_losses] -= 1
    drawn = Curves(SHARES, flat - own, flat + own, np.tile(flat, (9, 1)), np.tile(flat, (9, 1)), untaught,
                   np.tile(flat, (19, 1)), 0)  # fmt: skip
    change = Change("re-encoded", stable, np.nan, 0.2, 0.1, 0.1, True)
    return Measured("contrast", "Contrast", "visual", "av", "fear", drawn, np.full(19, random), 0.9, (),
                    (Other("joy", other, np.nan),), (change,))  # fmt: skip


def test_all_good_is_high_and_says_so():
    found = verdict(made())
    assert found.level == "high"
    assert found.reasons == (
        "What it marks matters to fear more than 9 of 9 other places of the same size, and than 19 of 19 maps of random weights. "
        "With random weights it is a different map (rank correlation 0.10), it stays when the clip changes a little (0.90), and "
        "other classes have other maps (0.30)."
    )


@pytest.mark.parametrize(
    ("how", "level", "words"),
    [
        ({"p_losses": 1}, "medium", "than 18 of 19 maps of random weights."),
        ({"p_losses": 9}, "low", "no more than what random weights mark (more than 10 of 19"),
        ({"own": -0.1}, "low", "no more than other places of the same size (more than 0 of 9)"),
        ({"random": 0.6}, "medium", "With random weights much of it stays (rank correlation 0.60)."),
        ({"random": 0.85}, "low", "Random weights give much the same map (rank correlation 0.85)."),
        ({"stable": 0.5}, "medium", "It shifts when the clip changes a little (0.50)."),
        ({"stable": 0.3}, "low", "It is a different map when the clip changes a little (0.30)."),
        ({"other": 0.95}, "medium", "Other classes have nearly the same map (0.95)."),
    ],
)
def test_one_bad_measure_is_enough(how, level, words):
    found = verdict(made(**how))
    assert found.level == level
    assert words in found.reasons


def test_as_like_random_maps_as_they_are_to_each_other_is_bad():
    """Where all maps of a method are alike, whatever the weights, 0.68 is little, and where they are not, much."""
    assert verdict(replace(made(random=0.68), untrained_chance=0.78)).grades["weights"] == "fair"
    assert verdict(replace(made(random=0.68), untrained_chance=0.65)).grades["weights"] == "bad"
    # By chance they have nothing in common: then 0.1 is nothing either.
    assert verdict(replace(made(random=0.1), untrained_chance=0.0)).grades["weights"] == "good"


def test_a_change_that_turns_the_answer_says_nothing_of_the_map():
    trusted = made(stable=0.1)
    turned = replace(trusted, changes=(replace(trusted.changes[0], same=False), replace(trusted.changes[0], spearman=0.8)))
    assert turned.stable == pytest.approx(0.8)
    assert verdict(turned).level == "high"


def test_what_could_not_be_measured_is_no_reason_to_trust():
    found = replace(made(), changes=(), classes=())
    assert verdict(found).level == "medium"


def test_a_clip_that_is_too_short_says_so():
    found = made()
    none = replace(found.curves, random_deletion=np.zeros((0, 5)), random_insertion=np.zeros((0, 5)))
    assert verdict(replace(found, curves=none)).reasons.startswith("The clip is too short to compare its marks with others.")
