"""A heatmap's numbers as paint: the same table as tests/js/tone.test.mjs, worked by hand with half at 0.5 and full at 0.6."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectscope.core.export import files as export
from affectscope.core.player import tone
from affectscope.core.timeline.timeline import Heatmap, Timeline

TABLE = json.loads((Path(__file__).parents[1] / "js" / "tone.json").read_text(encoding="utf-8"))


def numbers(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def test_the_table_is_of_these_constants() -> None:
    assert (tone.HALF, tone.FULL) == (0.5, 0.6)


@pytest.mark.parametrize("row", TABLE["shown"])
def test_how_strongly_frames_are_painted(row) -> None:
    np.testing.assert_allclose(tone.shown(numbers(row["evidence"]), row["scale"]), row["found"], atol=1e-9)


@pytest.mark.parametrize("row", TABLE["cover"])
def test_how_much_of_the_picture_a_place_covers(row) -> None:
    assert tone.cover(np.array(row["share"]), row["threshold"]) == pytest.approx(row["found"], abs=1e-9)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40))
def test_more_evidence_is_never_painted_weaker_and_only_the_strongest_fully(evidence) -> None:
    found = tone.shown(np.array(evidence))
    assert (np.diff(found[np.argsort(evidence)]) >= -1e-12).all()
    assert found.max() == pytest.approx(1)
    assert found.min() > 0


def test_linear_numbers_come_back_from_shares_and_peaks() -> None:
    maps = np.array([[[0.5, 0.25]], [[4000.0, 1000.0]], [[np.nan, np.nan]], [[0.0, 0.0]]])
    heatmap = Heatmap.of("av", "", maps)
    assert heatmap.values.tolist() == [[255, 128], [255, 64], [0, 0], [0, 0]]
    np.testing.assert_allclose(heatmap.peaks, [0.5, 4000, np.nan, 0])
    np.testing.assert_allclose(heatmap.linear, np.nan_to_num(maps), rtol=1 / 64)
    signed = Heatmap.of("d", "", np.array([[[-3.0, 1.0]]]), signed=True)
    assert signed.values.tolist() == [[1, 170]]
    np.testing.assert_allclose(signed.linear, [[[-3.0, 1.0]]], rtol=0.01)
    np.testing.assert_allclose(signed.shares, [[1, 42 / 127]])


def painted(maps: np.ndarray, index: int, scale: str = "clip", opacity: float = 0.6) -> np.ndarray:
    """How much of a black picture each place lost, 0..1, by the blue channel of viridis; the box's frame is cut off."""
    heatmap = Heatmap.of("av", "", maps)
    boxes = np.array([[0, 0, 1, 1]] * len(maps), np.float32)
    timeline = Timeline(1.0, np.arange(len(maps)) / 25, boxes, (heatmap,))
    picture = np.full((64, 64, 3), 255, np.uint8)
    return export.paint(picture, timeline, index, heatmap, opacity, 0.1, scale)[3:-3, 3:-3].astype(float)


def bump(height: float) -> np.ndarray:
    y, x = np.mgrid[:16, :16]
    return height * np.exp(-((x - 5) ** 2 + (y - 9) ** 2) / 12)


def test_an_outlier_leaves_the_others_to_be_seen_and_keeps_its_own_structure() -> None:
    """A thousand times the evidence of the other frames: it was a solid square, and they were blank."""
    maps = np.stack([*[bump(1.0)] * 9, bump(1000.0)])
    usual, outlier = painted(maps, 0), painted(maps, 9)
    assert np.abs(usual - 255).max() > 80
    assert np.unique(outlier.reshape(-1, 3), axis=0).shape[0] > 50
    assert (outlier[:8, -8:] == 255).all()
    # Of white no more than 0.6 goes.
    assert outlier.min() >= 0.4 * 255 - 1


def test_by_clip_a_frame_with_less_evidence_is_paler_and_by_frame_all_are_alike() -> None:
    maps = np.stack([bump(0.1), *[bump(1.0)] * 9])
    weak, strong = (np.abs(painted(maps, index) - 255).max() for index in (0, 1))
    # Two tenths of half the median's evidence: 0.2 / 1.2, against 1.
    assert weak / strong == pytest.approx(0.2 * (1 + 0.2 / 4) / 1.2, abs=0.02)
    np.testing.assert_array_equal(painted(maps, 0, "frame"), painted(maps, 1, "frame"))
