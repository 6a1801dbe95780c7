import json
import struct

import numpy as np
import pytest

from affectscope.core.timeline.timeline import Event, Heatmap, Lane, Matrix, Timeline


def make() -> Timeline:
    boxes = np.array([[0.1, 0.2, 0.3, 0.4], [np.nan] * 4], np.float32)
    return Timeline(
        duration=1.5,
        frame_times=np.array([0.0, 0.04]),
        boxes=boxes,
        heatmaps=(Heatmap("av", "av head, <b>fear</b>", np.arange(8, dtype=np.uint8).reshape(2, 4), 2, 2),),
        lanes=(Lane("wave", "Audio", "wave", np.array([0.005]), np.array([[-1.0], [1.0]]), ("low", "high"), "audio"),),
        matrices=(Matrix("m", "M", np.array([0.0]), np.array([0.5]), np.array([[255]], np.uint8), "audio", "visual", 1, 1),),
        events=(Event("phonemes", "ə", 0.1, 0.2),),
        title="clip",
        classes=("anger", "fear"),
        notices=("No face was found.",),
    )


def test_round_trip_keeps_every_number():
    timeline, back = make(), Timeline.from_bytes(make().to_bytes())
    np.testing.assert_allclose(back.frame_times, [0.0, 0.04], rtol=1e-6)
    np.testing.assert_array_equal(back.boxes, timeline.boxes)
    np.testing.assert_array_equal(back.heatmaps[0].values, timeline.heatmaps[0].values)
    np.testing.assert_array_equal(back.lanes[0].values, timeline.lanes[0].values)
    assert back.events == timeline.events
    assert (back.classes, back.notices, back.title, back.duration) == (("anger", "fear"), ("No face was found.",), "clip", 1.5)
    assert back.to_bytes() == timeline.to_bytes()


def test_arrays_start_where_the_header_says_on_multiples_of_eight():
    data = make().to_bytes()
    (length,) = struct.unpack_from("<I", data, 4)
    header = json.loads(data[8 : 8 + length])
    start = -(-(8 + length) // 8) * 8
    values = header["heatmaps"][0]["values"]
    assert values["offset"] % 8 == 0
    assert values["shape"] == [2, 4]
    assert data[start + values["offset"] :][:8] == bytes(range(8))


@pytest.mark.parametrize("data", [b"", b"AFT1", b"nope" + b"\0" * 20, make().to_bytes()[:60]])
def test_what_is_no_timeline_is_a_value_error(data):
    with pytest.raises(ValueError):  # noqa: PT011
        Timeline.from_bytes(data)
