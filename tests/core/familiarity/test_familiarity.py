"""Distances, temperatures and limits by hand."""

import numpy as np
import pytest
import torch

from affectscope.core.familiarity import reference, temperature
from affectscope.core.familiarity.familiarity import Familiarity, nearest_of
from affectscope.core.familiarity.reference import Reference
from affectscope.core.streams import Batch


def test_mahalanobis_by_hand():
    # Covariance [[4, 0], [0, 1]]: its inverse's root is diag(1/2, 1).
    known = Reference(torch.tensor([[0.0, 0.0], [10.0, 0.0]]), torch.diag(torch.tensor([0.5, 1.0])), 1.5, 3.0)
    # (2, 1) is (1, 1) in its own units: root of 2. (2, 0) is 1. (10, 3) is 3 from the second class.
    found = known.distances(torch.tensor([[2.0, 1.0], [2.0, 0.0], [10.0, 3.0], [20.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([2**0.5, 1.0, 3.0, 5.0]))
    assert known.levels(torch.tensor([[2.0, 1.0], [0.0, 2.0], [20.0, 0.0]])).tolist() == [0, 1, 2]


def test_the_covariance_within_classes_is_what_counts():
    random = np.random.default_rng(0)
    classes = np.repeat([0, 1], 2000)
    # Classes lie 20 apart along the first axis; within them it varies by 1, the second axis by 3.
    vectors = random.normal(0, (1, 3), (4000, 2)) + np.array([20, 0]) * classes[:, None]
    known = reference.fit(vectors, list(classes), vectors[::10])
    assert known is not None
    far = known.distances(torch.tensor([[2.0, 0.0], [0.0, 6.0], [10.0, 0.0]]))
    # Two deviations along either axis, and ten to either class's mean.
    torch.testing.assert_close(far, torch.tensor([2.0, 2.0, 10.0]), rtol=0.06, atol=0.0)
    # Without classes the middle between them is as near as can be.
    alone = reference.fit(vectors, None, vectors[::10])
    assert alone is not None
    assert alone.distances(torch.tensor([[10.0, 0.0]])) < 0.1


def test_limits_are_those_of_the_held_out_clips():
    distances = np.exp(np.random.default_rng(0).normal(1.0, 0.2, 20_000))
    like, never = reference.limits(distances)
    # Of a lognormal distribution: exp(1 + 1.645 * 0.2) and, of its tail or its farthest, at least exp(1 + 3.09 * 0.2).
    assert like == pytest.approx(np.exp(1 + 1.645 * 0.2), rel=0.01)
    assert never == pytest.approx(max(np.exp(1 + 3.09 * 0.2), distances.max()), rel=0.01)


@pytest.mark.parametrize("case", ["few", "few held out", "alike"])
def test_nothing_is_said_of_too_little(case):
    vectors = np.random.default_rng(0).normal(size=(50, 3))
    if case == "alike":
        vectors *= 1e-5
    few = 5 if case == "few" else 50
    assert reference.fit(vectors[:few], None, vectors[: 5 if case == "few held out" else 50]) is None


def test_only_present_frames_are_pooled():
    values = torch.tensor([[[1.0], [3.0], [99.0]], [[7.0], [7.0], [7.0]]])
    present = torch.tensor([[True, True, False], [False, False, False]])
    assert reference.pooled(values, present).tolist() == [[2.0], [0.0]]


def test_the_temperature_of_a_known_miscalibration():
    # Nine of ten right at logits (t, 0): the best temperature makes t / T the log-odds of nine to one.
    target = torch.tensor([0] * 9 + [1])
    for loud in (2.1972245773, 6.5916737320, 1.0):
        logits = torch.tensor([[loud, 0.0]]).expand(10, 2)
        assert temperature.fit(logits, target) == pytest.approx(loud / 2.1972245773, rel=1e-3)


def test_a_temperature_has_bounds_and_needs_answers():
    assert temperature.fit(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)) == 1.0
    always = torch.tensor([[3.0, 0.0]]).expand(20, 2)
    assert temperature.fit(always, torch.zeros(20, dtype=torch.long)) == pytest.approx(temperature.COOLEST, rel=1e-6)
    with torch.inference_mode():
        wrong = temperature.fit(torch.tensor([[3.0, 0.0]]).expand(20, 2), torch.ones(20, dtype=torch.long))
    assert wrong == pytest.approx(temperature.HOTTEST, rel=1e-6)


def test_free_energy_by_hand():
    # Of two classes at 0: minus the logarithm of 2.
    assert float(temperature.energy(torch.zeros(1, 2))) == pytest.approx(-np.log(2))


KNOWN = Familiarity(
    {"audio": Reference(torch.zeros(1, 1), torch.eye(1), 2.0, 6.0)},
    {"audio": (1.0, 2.0, 4.0)},
    {"audio": -1.0},
)


def test_a_clip_has_a_distance_a_level_and_a_confidence():
    batch = Batch.of(audio=torch.tensor([[[1.0]], [[4.0]], [[8.0]], [[8.0]]]), present={"audio": [[1], [1], [1], [0]]})
    apart = KNOWN.distances(batch)["audio"]
    # In units of 2, within which 95 % of the development clips lie.
    torch.testing.assert_close(apart, torch.tensor([0.5, 2.0, 4.0, torch.nan]), equal_nan=True)
    level = KNOWN.levels({"audio": apart})["audio"]
    assert level.tolist() == [0, 1, 2, -1]
    calm = KNOWN.calibrated("audio", torch.tensor([[4.0, 0.0]]).expand(4, 2), level)
    assert calm[:, 0].tolist() == [4.0, 2.0, 1.0, 4.0]
    quiet = KNOWN.fits_none("audio", torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
    # -log(e^2 + 1) = -2.13 is below -1, and -log 2 = -0.69 is not.
    assert quiet is not None
    assert quiet.tolist() == [False, True]


def test_a_head_of_two_modalities_is_as_near_as_the_farther():
    levels = {"audio": torch.tensor([0, 2, -1]), "visual": torch.tensor([1, 0, 0])}
    assert nearest_of(("audio", "visual"), levels).tolist() == [1, 2, 0]
    assert nearest_of(("words",), levels) is None
