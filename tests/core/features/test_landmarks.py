"""Regions of the face from five points, and the points of a rendered face."""

import numpy as np
import pytest

from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import open_corpus
from affectscope.core.features.extract import extract, points_of
from affectscope.core.features.extractors.faces import FaceTrack
from affectscope.core.features.extractors.landmarks import REGIONS, find_points, found, regions

# Pupils 0.4 apart at a height of 0.4, the mouth at 0.8: a unit of the face is 0.4 both ways.
UPRIGHT = np.array([[(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.38, 0.8), (0.62, 0.8)]], np.float32)


def region_at(masks: np.ndarray, x: float, y: float) -> str:
    side = masks.shape[-1]
    inside = [name for name, mask in zip(REGIONS, masks[0], strict=True) if mask[int(y * side), int(x * side)]]
    assert len(inside) < 2
    return inside[0] if inside else ""


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [
        (0.3, 0.4, "eyes"), (0.7, 0.4, "eyes"), (0.3, 0.26, "brows"), (0.7, 0.26, "brows"), (0.5, 0.6, "nose"),
        (0.25, 0.6, "cheeks"),
        (0.75, 0.6, "cheeks"), (0.5, 0.8, "mouth"), (0.38, 0.8, "mouth"), (0.62, 0.8, "mouth"), (0.5, 0.97, "jaw"),
        (0.2, 0.85, "jaw"),
        (0.5, 0.05, ""), (0.02, 0.5, ""),
    ],
)  # fmt: skip
def test_places_of_an_upright_face(x, y, name):
    assert region_at(regions(UPRIGHT, 200, 200), x, y) == name


def test_no_pixel_is_in_two_regions():
    assert regions(UPRIGHT, 97, 61).sum(1).max() == 1


def test_regions_turn_and_grow_with_the_face():
    turn, scale, shift = np.deg2rad(20), 0.6, np.array([0.08, -0.03])
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = ((UPRIGHT - 0.5) @ rotation.T + 0.5 + shift).astype(np.float32)
    plain, moved = regions(UPRIGHT, 400, 400), regions(turned, 400, 400)
    for x, y in ((0.3, 0.4), (0.7, 0.26), (0.5, 0.6), (0.25, 0.6), (0.5, 0.8), (0.5, 0.93)):
        to = rotation @ (np.array([x, y]) - 0.5) + 0.5 + shift
        assert region_at(plain, x, y) == region_at(moved, *to) != ""


def test_a_frame_without_a_face_has_no_region():
    points = np.concatenate([UPRIGHT, np.full_like(UPRIGHT, np.nan)])
    masks = regions(points, 32, 32)
    assert masks[0].any()
    assert not masks[1].any()


def test_a_clip_in_which_no_point_is_found_has_a_usual_face(tmp_path):
    track = FaceTrack(np.zeros(0), np.zeros((0, 4), np.float32))
    assert find_points(tmp_path / "none.mp4", track).shape == (0, 5, 2)
    usual = find_points(tmp_path / "none.mp4", FaceTrack(np.arange(2.0), np.full((2, 4), np.nan, np.float32)))
    assert np.isnan(usual).all()
    assert not found(usual)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    corpus = open_corpus("demo")
    store = FeatureStore(tmp_path_factory.mktemp("store"), shipped=[corpus.features])
    media = corpus.media(str(corpus.table.index[0]))
    faces = extract(media, store).faces
    return media, faces, store


def test_points_of_a_rendered_face_are_where_a_face_has_them(rendered):
    media, faces, store = rendered
    points = points_of(media, faces, store)
    assert points.shape == (len(faces.times), 5, 2)
    assert found(points)
    left, right, nose, mouth_left, mouth_right = np.moveaxis(points[faces.present], 1, 0)
    assert (left[:, 0] < right[:, 0]).all()
    assert (mouth_left[:, 0] < mouth_right[:, 0]).all()
    assert (np.maximum(left[:, 1], right[:, 1]) < nose[:, 1]).all()
    assert (nose[:, 1] < np.minimum(mouth_left[:, 1], mouth_right[:, 1])).all()
    assert ((points[faces.present] > 0) & (points[faces.present] < 1)).all()


def test_points_are_kept(rendered, monkeypatch):
    media, faces, store = rendered
    expected = points_of(media, faces, store)
    monkeypatch.setattr("affectscope.core.features.extract.find_points", lambda *_: pytest.fail("looked again"))
    np.testing.assert_array_equal(points_of(media, faces, store), expected)
