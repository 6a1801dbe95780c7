"""Two timelines as one, against numbers worked by hand."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from affectscope.core.export import files as export
from affectscope.core.inference.table import PredictionTable
from affectscope.core.timeline.compare import agreement, apart, difference, disagreements, merged
from affectscope.core.timeline.timeline import Heatmap, Lane, Matrix, Timeline
from tests.media_files import clip

TIMES = np.array([0.0, 0.04])


def heatmap(head: str, *values: int) -> Heatmap:
    return Heatmap(head, f"{head} head: why fear", np.array(values, np.uint8).reshape(2, -1), 1, len(values) // 2)


def lane(name: str, kind: str, group: str, value: float = 1.0) -> Lane:
    return Lane(name, name.capitalize(), kind, TIMES, np.full((1, 2), value, np.float32), ("one",), group)  # type: ignore[arg-type]


def timeline(*heatmaps: Heatmap, lanes: tuple[Lane, ...] = (), classes: tuple[str, ...] = ("fear", "joy")) -> Timeline:
    return Timeline(1.0, TIMES, np.zeros((2, 4), np.float32), heatmaps, lanes, classes=classes)


def test_a_difference_is_signed_about_128() -> None:
    found = difference(heatmap("av", 255, 0, 100, 10), heatmap("av", 0, 255, 100, 60))
    # (255, -255) and (0, -50) of 255, in shares of the frame's larger.
    assert found.values.tolist() == [[255, 1], [128, 1]]
    np.testing.assert_allclose(found.peaks, [1, 50 / 255], rtol=1e-6)
    assert found.signed
    assert found.id == "A-B.av"
    assert found.title == "A minus B: av head: why fear minus av head: why fear"


def test_maps_of_two_sizes_have_no_difference() -> None:
    with pytest.raises(ValueError, match="one size"):
        difference(heatmap("av", 1, 2), heatmap("av", 1, 2, 3, 4))


def test_heads_of_one_name_meet_side_by_side_and_in_a_difference() -> None:
    both = merged(timeline(heatmap("av", 9, 9), heatmap("visual", 8, 8)), timeline(heatmap("visual", 7, 7)))
    assert [h.id for h in both.heatmaps] == ["A.av", "A.visual", "B.visual", "A-B.visual"]
    assert [(p.id, p.left, p.right) for p in both.pairs] == [("AB.visual", "A.visual", "B.visual")]
    assert [h.label for h in both.heatmaps] == [
        "A: audio-visual head", "A: visual head", "B: visual head", "A minus B: visual head",
    ]  # fmt: skip


def test_heads_of_other_names_meet_by_their_first() -> None:
    both = merged(timeline(heatmap("av", 9, 9)), timeline(heatmap("fused", 7, 7)))
    assert [(p.id, p.left, p.right, p.title) for p in both.pairs] == [
        ("AB.av-fused", "A.av", "B.fused", "A and B: audio-visual and fused heads")
    ]


def test_a_model_without_heatmaps_is_named() -> None:
    both = merged(timeline(heatmap("av", 9, 9)), timeline())
    assert [h.id for h in both.heatmaps] == ["A.av"]
    assert both.pairs == ()
    assert both.notices == ("B has no heatmap of this clip: only the other model's is shown.",)
    assert merged(timeline(), timeline()).notices == ()


def test_what_the_clip_has_comes_once_and_what_models_say_twice() -> None:
    own = (lane("wave", "wave", "audio"), lane("truth.strength", "truth", "truth"))
    a = timeline(lanes=(*own, lane("attention.audio", "weights", "audio"), lane("prediction.av", "probability", "prediction")))
    b = timeline(
        lanes=(
            *own,
            lane("attention.visual", "weights", "visual"),
            lane("attention.audio", "weights", "audio", 2.0),
            lane("prediction.av", "line", "prediction"),
            lane("truth.attributes", "line", "truth"),
        )
    )
    both = merged(a, b)
    assert [(drawn.id, drawn.group) for drawn in both.lanes] == [
        ("wave", "audio"),
        ("A.attention.audio", "A.audio"),
        ("B.attention.audio", "B.audio"),
        ("B.attention.visual", "B.visual"),
        ("A.prediction.av", "A.prediction"),
        ("B.prediction.av", "B.prediction"),
        ("truth.strength", "truth"),
        ("truth.attributes", "truth"),
    ]
    assert both.lanes[2].title == "B: Attention.audio"
    assert both.lanes[2].values.tolist() == [[2.0, 2.0]]


def test_a_lane_that_two_models_fill_differently_is_not_the_clips() -> None:
    """As the sharpness of a network's own attention: the second model's was left out in silence."""
    wave = lane("wave", "wave", "audio")
    both = merged(
        timeline(lanes=(wave, lane("sharpness.spatial", "line", "visual"))),
        timeline(lanes=(wave, lane("sharpness.spatial", "line", "visual", 2.0))),
    )
    assert [lane.id for lane in both.lanes] == ["wave", "A.sharpness.spatial", "B.sharpness.spatial"]
    assert [float(lane.values[0, 0]) for lane in both.lanes[1:]] == [1.0, 2.0]


def test_matrices_classes_and_notices_say_whose_they_are() -> None:
    matrix = Matrix("cross", "Audio looks", TIMES, TIMES, np.zeros((1, 4), np.uint8), "audio", "visual", 1, 1)
    a = replace(timeline(), matrices=(matrix,), notices=("No sound.", "Short."))
    b = replace(timeline(classes=("joy", "awe")), matrices=(matrix,), notices=("Short.", "Dark."))
    both = merged(a, b)
    assert [(m.id, m.title) for m in both.matrices] == [("A.cross", "A: Audio looks"), ("B.cross", "B: Audio looks")]
    assert both.classes == ("fear", "joy", "awe")
    assert both.notices == ("Short.", "A: No sound.", "B: Dark.")


def test_two_clips_are_not_one() -> None:
    other = replace(timeline(), frame_times=np.array([0.0, 0.08]))
    with pytest.raises(ValueError, match="one clip"):
        merged(timeline(), other)


def test_the_merged_timeline_travels() -> None:
    both = merged(timeline(heatmap("av", 255, 0)), timeline(heatmap("av", 0, 255)))
    back = Timeline.from_bytes(both.to_bytes())
    assert back.pairs == both.pairs
    assert back.heatmaps[2].signed
    assert back.heatmaps[2].values.tolist() == [[255], [1]]


def test_agreement_is_by_head_and_only_among_answers_of_one_kind() -> None:
    a = {"decision": {"fear": 0.7, "joy": 0.3}, "audio": {"fear": 0.4, "joy": 0.6}, "av": {"fear": 1.0, "joy": 0.0}}
    b = {"decision": {"fear": 0.2, "joy": 0.8}, "audio": {"fear": 0.1, "joy": 0.9}}
    assert agreement(a, b) == {"decision": False, "audio": True}
    assert agreement(a, {"decision": {"arousal": 0.1}}) == {}


def test_a_signed_map_is_painted_in_two_colours_and_leaves_what_is_alike() -> None:
    picture = np.full((8, 8, 3), 100, np.uint8)
    for value, colour in ((128, (100, 100, 100)), (255, (138, 58, 0)), (1, (7, 51, 101))):
        painted = replace(heatmap("d", value, value), signed=True)
        whole = replace(timeline(painted), boxes=np.array([[0, 0, 1, 1]] * 2, np.float32))
        # The middle: the box's frame lies on the edge.
        found = export.paint(picture, whole, 0, painted, opacity=1.0)[4, 4]
        np.testing.assert_allclose(found, colour, atol=3)


def test_a_pair_is_exported_side_by_side(tmp_path) -> None:
    media = clip(tmp_path / "clip.mp4", frames=2)
    both = merged(timeline(heatmap("av", 255, 255)), timeline(heatmap("av", 0, 0)))
    both = replace(both, boxes=np.array([[0, 0, 1, 1]] * 2, np.float32))
    sizes = {
        name: Image.open(io.BytesIO(export.frame_png(media, both, 0.0, name))).size for name in ("", "AB.av", "A.av", "A-B.av")
    }
    width, height = sizes["A.av"]
    assert sizes == {"": (2 * width, height), "AB.av": (2 * width, height), "A.av": (width, height), "A-B.av": (width, height)}


def prediction_table(
    answers: list[list[float]], clips: str, task: str = "classification", outputs: tuple[str, ...] = ("fear", "joy")
) -> PredictionTable:
    table = pd.DataFrame({"label": ["fear"] * len(clips)}, index=list(clips))
    rows = np.array(answers)
    if task == "classification":
        table["predicted"] = [outputs[i] for i in rows.argmax(1)]
    else:
        table = table.assign(**{f"{name}_predicted": rows[:, i] for i, name in enumerate(outputs)})
    return PredictionTable("x", task, outputs, ("av",), (), table, {"decision": rows}, {}, {})


def test_clips_on_which_two_models_differ_come_by_how_far_apart_they_are() -> None:
    a = prediction_table([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3]], "abcd")
    # The other way round, and without the last clip.
    b = prediction_table([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], "acb", outputs=("joy", "fear"))
    found = disagreements(a, b)
    assert found.index.tolist() == ["a", "c"]
    assert found["A"].tolist() == ["fear", "fear"]
    assert found["B"].tolist() == ["joy", "joy"]
    # (|0.9 - 0.1| + |0.1 - 0.9|) / 2 and (|0.8 - 0.4| + |0.2 - 0.6|) / 2
    np.testing.assert_allclose(found["apart"], [0.8, 0.4])
    assert (found.attrs["clips"], found.attrs["common"]) == (4, 3)
    assert apart(a, b) == pytest.approx(2 / 3)


def test_attributes_differ_by_a_distance_and_never_from_classes() -> None:
    names = ("arousal", "valence")
    a = prediction_table([[0.1, 0.2], [0.5, 0.5]], "ab", "regression", names)
    b = prediction_table([[0.1, 0.4], [0.1, 0.1]], "ab", "regression", names)
    found = disagreements(a, b)
    assert found.index.tolist() == ["b", "a"]
    np.testing.assert_allclose(found["apart"], [0.4, 0.1])
    np.testing.assert_allclose(found["B: valence"], [0.1, 0.4])
    assert apart(a, b) == pytest.approx(0.25)
    assert disagreements(a, prediction_table([[1.0, 0.0]], "a")) is None
    assert apart(a, prediction_table([[1.0, 0.0]], "a")) is None
    assert apart(a, prediction_table([[0.1, 0.2]], "z", "regression", names)) is None


def test_faces_are_those_of_whoever_looked_for_them() -> None:
    blind = replace(timeline(), boxes=np.full((2, 4), np.nan, np.float32))
    seeing = replace(timeline(heatmap("av", 9, 9)), boxes=np.ones((2, 4), np.float32))
    for both in (merged(blind, seeing), merged(seeing, blind)):
        assert both.boxes.tolist() == [[1] * 4] * 2
