"""Several people in a film: all are followed, and the one that was chosen is read on every road."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.errors import UserError
from affectscope.core.export import files as export
from affectscope.core.features.clipfile import ClipFile
from affectscope.core.features.extract import extract
from affectscope.core.features.extractors.faces import track_faces
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.standalone.gather import clip_grid
from affectscope.core.timeline.timeline import Timeline
from tests import films
from tests.small_corpus import affectscope

# A face is up to so many pixels off the middle of its picture.
OFF = 30
LARGE, SMALL = 170, 480


def middles(boxes: np.ndarray) -> np.ndarray:
    """Where a face is across a film, in pixels."""
    return (boxes[:, 0] + boxes[:, 2]) / 2 * films.WIDTH


@pytest.fixture(scope="module")
def people() -> tuple[str, str]:
    return films.shows("happiness", 0), films.shows("anger", 1)


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory, people) -> Path:
    out = tmp_path_factory.mktemp("films") / "two.mp4"
    large, small = people
    return films.film(out, {large: films.still(LARGE, 320), small: films.still(SMALL, 250)}, 1.2, sound=large)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


def test_all_are_found_and_the_largest_is_read(side_by_side, store):
    found = extract(side_by_side, store)
    assert found.faces.everyone.shape == (2, 30, 4)
    np.testing.assert_allclose(np.nanmedian(middles(found.faces.boxes)), LARGE, atol=OFF)
    np.testing.assert_allclose(np.nanmedian(middles(found.faces.everyone[1])), SMALL, atol=OFF)
    assert "2 people are in the picture; the larger one is read: click another, or take --face 2." in found.notices


def test_every_feature_set_reads_the_chosen_face(side_by_side, store):
    sets = {"audio": "llds", "visual": "faces-96"}
    first, second = (extract(side_by_side, store, sets=sets, face=face) for face in (1, 2))
    again = extract(side_by_side, store, sets=sets, face=1)
    np.testing.assert_array_equal(first.streams["visual"].values, again.streams["visual"].values)
    plugin = ClipFile(side_by_side, faces=second.faces).faces(96)
    pixels = np.round((second.streams["visual"].values.reshape(-1, 96, 96, 3) + 1) * 127.5).astype(np.uint8)
    np.testing.assert_array_equal(pixels, plugin[second.faces.present])
    assert np.abs(first.streams["visual"].values - second.streams["visual"].values).mean() > 0.1
    maps = [extract(side_by_side, store, face=face).streams["visual"].values for face in (None, 1, 2)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.abs(maps[0] - maps[2]).mean() > 0.01


def test_the_second_face_costs_no_second_search(side_by_side, store, monkeypatch):
    extract(side_by_side, store)
    monkeypatch.setattr("affectscope.core.features.extract.track_faces", None)
    found = extract(side_by_side, store, face=2)
    assert found.faces.number == 2
    assert "2 people are in the picture; face 2 is read: click another, or take --face 1." in found.notices


def test_a_face_that_is_not_there_is_refused(side_by_side, store):
    with pytest.raises(UserError, match="no face 3 in the clip, where 2 faces were found: choose 1 to 2"):
        extract(side_by_side, store, face=3)


def test_the_analysis_is_of_the_chosen_face(side_by_side, store, tmp_path):
    torch.manual_seed(0)
    checkpoints.save(tmp_path / "random.safetensors", AuxFormer.preset("demo"), checkpoints.Normaliser(), {})
    analyzer = Analyzer(checkpoints.load(tmp_path / "random.safetensors"), store)
    first, second = (analyzer.analyze(side_by_side, face=face) for face in (None, 2))
    assert first.predictions["visual"] != second.predictions["visual"]
    assert first.predictions["audio"] == second.predictions["audio"]
    assert not np.array_equal(first.timeline.heatmaps[0].values, second.timeline.heatmaps[0].values)
    assert analyzer.key(side_by_side, face=2) == second.key != first.key == analyzer.key(side_by_side, face=1)
    kept = Timeline.from_bytes(second.timeline.to_bytes())
    assert kept.face == 2
    np.testing.assert_array_equal(kept.boxes, kept.people[1])


def test_exports_are_of_the_chosen_face(side_by_side, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    checkpoints.save(tmp_path / "random.safetensors", AuxFormer.preset("demo"), checkpoints.Normaliser(), {})
    command = ("analyze", side_by_side, "--checkpoint", tmp_path / "random.safetensors", "--no-video", "--json")
    answers = {}
    for face in (1, 2):
        asked = (*command, "--out", tmp_path / str(face), "--face", face)
        code, out, _ = affectscope(*asked, monkeypatch=monkeypatch, capsys=capsys)
        assert code == 0
        answers[face] = {row["head"]: row for row in json.loads(out)}
        written = json.loads((tmp_path / str(face) / "analysis.json").read_text())
        assert written["face"] == face
        assert written["face_boxes"] == written["people_boxes"][face - 1]
    assert answers[1]["visual"] != answers[2]["visual"]
    assert answers[1]["audio"] == answers[2]["audio"]
    code, _, error = affectscope(*command, "--out", tmp_path, "--face", 4, monkeypatch=monkeypatch, capsys=capsys)
    assert code != 0
    assert "no face 4 in the clip" in " ".join(error.split())


def test_the_pages_own_grid_is_of_the_chosen_face(side_by_side, store, tmp_path):
    torch.manual_seed(0)
    checkpoints.save(tmp_path / "random.safetensors", AuxFormer.preset("demo"), checkpoints.Normaliser(), {})
    analyzer = Analyzer(checkpoints.load(tmp_path / "random.safetensors"), store)
    first, again, second = (clip_grid(analyzer, side_by_side, face=face).to_json() for face in (None, 1, 2))
    assert first == again != second


def test_pictures_show_everybody_and_number_them():
    people = np.array([[[0.1, 0.2, 0.4, 0.8]], [[0.6, 0.2, 0.9, 0.8]]], np.float32)
    blank = np.full((100, 200, 3), 50, np.uint8)
    timeline = Timeline(1.0, np.zeros(1), people[1], people=people, face=2)
    painted = export.paint(blank, timeline, 0, None, 1.0)
    # The box of the other, the box of the chosen one, and a number over each.
    for left, right in ((20, 80), (120, 180)):
        assert painted[50, left].tolist() == [235, 238, 242]
        assert (painted[5:19, right - 16 : right] > 200).any()
    alone = Timeline(1.0, np.zeros(1), people[0])
    assert export.paint(blank, alone, 0, None, 1.0)[50, 120].tolist() == [50, 50, 50]


def crossing(start: float, end: float, side: float, y: float) -> films.Way:
    return lambda t: (start + (end - start) * min(max((t - 0.4) / 1.6, 0), 1), y, side)


def test_two_that_cross_keep_their_numbers(tmp_path, people):
    behind, before = people
    ways = {behind: crossing(150, 490, 230, 150), before: crossing(490, 150, 290, 165)}
    track = track_faces(films.film(tmp_path / "cross.mp4", ways, 2.4))
    assert len(track.everyone) == 2
    front, back = middles(track.everyone[0]), middles(track.everyone[1])
    np.testing.assert_allclose([front[0], front[-1]], [490, 150], atol=OFF)
    np.testing.assert_allclose([back[0], back[-1]], [150, 490], atol=OFF)


def test_whoever_leaves_is_not_followed_in_others(tmp_path, people):
    stays, leaves = people
    ways = {stays: films.still(200, 230), leaves: lambda t: (480 + 600 * max(0, t - 0.8), 160, 300)}
    track = track_faces(films.film(tmp_path / "leaves.mp4", ways, 2.4))
    assert len(track.everyone) == 2
    stayed = next(boxes for boxes in track.everyone if middles(boxes)[0] < 320)
    gone = next(boxes for boxes in track.everyone if middles(boxes)[0] > 320)
    assert np.isfinite(stayed).all()
    assert np.isnan(gone[-20:]).all()


def test_people_change_places_at_a_cut_and_keep_their_numbers(tmp_path, people):
    large, small = people
    before = {large: films.still(170, 310), small: films.still(480, 240)}
    other = {large: films.still(470, 310), small: films.still(170, 240)}
    track = track_faces(films.cut(tmp_path / "cut.mp4", [(before, 1.2), (other, 1.2)]))
    assert len(track.everyone) == 2
    first = middles(track.everyone[0])
    np.testing.assert_allclose([first[5], first[-5]], [170, 470], atol=OFF)
    # The last frame before the cut and the first one after it have their own boxes, not one between.
    assert np.abs(first[28] - 170) < 25
    assert np.abs(first[31] - 470) < 25


def test_a_film_of_one_has_one(tmp_path, people):
    track = track_faces(films.film(tmp_path / "one.mp4", {people[0]: films.still(320, 300)}, 1.0))
    assert len(track.everyone) == 1
    assert track.remarks == ()
