import numpy as np
import pytest

from affectscope.core.analysis import distance
from affectscope.core.errors import UserError


def test_distances_by_hand():
    a = np.array([[1.0, 0], [1, 0], [1, 0], [3, 4]])
    b = np.array([[2.0, 0], [0, 5], [-1, 0], [4, 3]])
    np.testing.assert_allclose(distance.cosine_distance(a, b), [0, 1, 2, 1 - 24 / 25])


def test_a_vector_of_zeros_has_no_direction():
    assert np.isnan(distance.cosine_distance(np.zeros((1, 3)), np.ones((1, 3)))).all()


def test_nobody_is_their_own_partner():
    # Each clip's two vectors are the same and at right angles to all others: 0 for its own, 1 for any other's.
    eye = np.eye(7)
    np.testing.assert_allclose(distance.cosine_distance(eye, eye), 0)
    for seed in range(20):
        np.testing.assert_allclose(distance.mismatched(eye, eye, seed), 1)
    assert np.isnan(distance.mismatched(eye[:1], eye[:1])).all()


def test_stages_keep_their_order():
    straight = np.array([[1.0, 0], [0, 1]])
    turned = np.array([[0, 1.0], [0, 1]])
    shared = (("own audio", "own visual"), ("shared layer 1 audio", "shared layer 1 visual"))
    table = distance.by_stage(
        dict(zip((n for p in shared for n in p), (straight, turned, straight, straight), strict=True)), shared
    )
    assert table["stage"].tolist() == ["own", "own", "shared layer 1", "shared layer 1"]
    assert table["clip"].tolist() == [0, 1, 0, 1]
    assert table["distance"].tolist() == pytest.approx([1, 0, 0, 0])
    assert table["mismatched"].tolist() == pytest.approx([1, 0, 1, 1])


def test_a_model_without_shared_layers_is_one_sentence():
    with pytest.raises(UserError, match="no layers"):
        distance.by_stage({}, ())
