"""Two close views of a face: what they are cut of, what they are averaged to, and where their maps lie."""

import numpy as np
import pytest
import torch

from affectscope.core.features.extractors.encoders import (
    FaceViews,
    MiniXception,
    load_face_encoder,
    load_face_views,
    placed,
    prepare,
)
from affectscope.core.features.extractors.faces import CropKind, FaceTrack


def test_a_close_crop_is_the_part_of_the_box_that_the_views_see() -> None:
    track = FaceTrack(np.array([0.0, 0.1]), np.array([[0.2, 0.4, 0.6, 0.8], [np.nan] * 4], np.float32))
    close = track.within(CropKind.of("close-72").part)
    # A box of 0.4: 0.1 and 0.9 of it across, 0.15 and 0.95 down.
    assert close.boxes[0] == pytest.approx([0.24, 0.46, 0.56, 0.78])
    assert close.present.tolist() == [True, False]
    assert CropKind.of("rgb-224").shape(track) == (2, 224, 224, 3)
    assert CropKind.of("close-72").shape(track) == (2, 72, 72)


def test_features_are_the_mean_of_the_whole_crop_and_of_its_middle_in_a_mirror() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 72, 72), np.uint8)
    views, encoder = load_face_views(), load_face_encoder()
    middle = prepare(np.ascontiguousarray(crops[:, 4:68, 4:68][:, :, ::-1]))
    wide = torch.nn.functional.interpolate(prepare(crops), (64, 64), mode="bilinear", antialias=True)
    with torch.inference_mode():
        expected = (encoder(middle) + encoder(wide)) / 2
        assert torch.allclose(views(prepare(crops)), expected, atol=1e-5)
    assert FaceViews.dim == MiniXception.dim == 135


def test_a_face_that_is_the_same_in_a_mirror_and_without_edges_reads_as_one_view() -> None:
    grey = np.full((1, 72, 72), 90, np.uint8)
    with torch.inference_mode():
        view = load_face_encoder()(prepare(np.full((1, 64, 64), 90, np.uint8)))
        assert torch.allclose(load_face_views()(prepare(grey)), view, atol=1e-5)


def test_a_map_is_placed_where_its_part_lies() -> None:
    spot = torch.zeros(1, 2, 2)
    spot[0, 0, 0] = 1.0
    # The lower right quarter: its own upper left is the cell just right of and below the middle.
    drawn = placed(spot, (0.5, 0.5, 1.0, 1.0), (4, 4))
    assert drawn[0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_a_finer_map_is_averaged_wherever_its_spot_lies() -> None:
    """A pixel of a map of pixels counts for its cell, not only where the cell's middle falls on it."""
    for row in range(8):
        spot = torch.zeros(1, 64, 64)
        spot[0, row, 5] = 1.0
        drawn = placed(spot, (0.0, 0.0, 1.0, 1.0), (8, 8))
        assert drawn[0, 0, 0].item() == pytest.approx(1 / 64)
        assert drawn.sum().item() == pytest.approx(1 / 64)


def test_the_mirrored_view_is_turned_back() -> None:
    maps = torch.zeros(2, 8, 8)
    maps[1, 4, 0] = 1.0
    drawn = load_face_views().on_crop(maps)
    assert drawn.shape == (1, 16, 16)
    row, column = divmod(int(drawn[0].argmax()), 16)
    assert column >= 13
    assert row in (8, 9)
