import numpy as np
import pytest

from affectscope.core.analysis import neighbours
from affectscope.core.analysis.projection import METHODS, project, restore
from affectscope.core.errors import UserError


def clouds(count: int = 90, dim: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.arange(count) % 3
    return 6 * np.eye(dim)[labels] + random.normal(size=(count, dim)), labels


@pytest.mark.parametrize("method", METHODS)
def test_a_map_keeps_neighbours_together_and_is_the_same_twice(method):
    vectors, labels = clouds()
    seen: list[float] = []
    drawn = project(vectors, method, seed=3, progress=seen.append)
    assert drawn.points.shape == (90, 2)
    assert neighbours.knn_accuracy(drawn.points, labels.tolist(), 5) > 0.9
    np.testing.assert_array_equal(drawn.points, project(vectors, method, seed=3).points)
    if method != "PCA":
        assert seen[-1] == 1
        assert seen == sorted(seen)


@pytest.mark.parametrize("method", METHODS)
def test_others_are_placed_among_their_like(method):
    vectors, labels = clouds(120)
    drawn = project(vectors[:90], method)
    placed = np.asarray(drawn.place(vectors[90:].astype(np.float32)))
    centres = np.stack([drawn.points[labels[:90] == c].mean(0) for c in range(3)])
    told = np.linalg.norm(placed[:, None] - centres[None], axis=2).argmin(1)
    assert (told == labels[90:]).mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_a_map_of_which_only_points_were_kept_places_as_before(method):
    vectors, _ = clouds(120)
    drawn = project(vectors[:90], method, seed=3)
    again = restore(vectors[:90], drawn.points, method, seed=3)
    np.testing.assert_array_equal(again.points, drawn.points)
    spread = drawn.points.std()
    others = vectors[90:].astype(np.float32)
    assert np.median(np.linalg.norm(again.place(others) - drawn.place(others), axis=1)) < 0.05 * spread
    np.testing.assert_array_equal(again.points, drawn.points)


def test_pca_by_hand():
    # Along x the spread is greatest, along y less; z is the same for all.
    vectors = np.array([[-3.0, 0, 7], [3, 0, 7], [0, 1, 7], [0, -1, 7]])
    points = project(vectors, "PCA").points
    np.testing.assert_allclose(np.abs(points), [[3, 0], [3, 0], [0, 1], [0, 1]], atol=1e-6)
    assert project(np.array([[1.0], [2], [4]]), "PCA").points.shape == (3, 2)


@pytest.mark.parametrize(("vectors", "message"), [(np.zeros((2, 3)), "three clips"), (np.full((5, 3), np.nan), "not numbers")])
def test_what_cannot_be_drawn_is_one_sentence(vectors, message):
    with pytest.raises(UserError, match=message):
        project(vectors)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1e30, 1e-30, 3e38])
def test_vectors_of_any_size_make_a_map_of_the_same_neighbours(method, size):
    shape = np.random.default_rng(0).uniform(-1, 1, (40, 4)).astype(np.float32)
    made = project(shape * np.float32(size), method)
    assert np.isfinite(made.points).all()
    assert np.ptp(made.points, 0).min() > 0.1
    placed = made.place(shape[:3] * np.float32(size))
    assert np.isfinite(placed).all()
    # Whoever is shown again lies nearer to where they were than the map is wide.
    assert np.abs(placed - made.points[:3]).max() < np.ptp(made.points, 0).max()


@pytest.mark.parametrize("method", METHODS)
def test_one_number_a_clip_makes_a_map(method):
    line = np.arange(40, dtype=np.float32)[:, None]
    made = project(line, method)
    assert np.isfinite(made.points).all()
    assert np.isfinite(restore(line, made.points, method).place(line[:2])).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("width", [1, 3])
def test_vectors_that_are_all_the_same_are_one_sentence(method, width):
    with pytest.raises(UserError, match="All these vectors are the same"):
        project(np.ones((40, width), np.float32), method)
