"""Contributions as lanes: which values, which frames, where they stand, and which model's they are."""

import numpy as np

from affectscope.core.timeline.timeline import Lane, Timeline
from affectscope.core.why import beside, joining, lanes, tables, with_reasons
from affectscope.core.why.face import Face
from affectscope.core.why.flip import Flip
from affectscope.core.why.modality import Modality
from affectscope.core.why.moments import Moments
from affectscope.core.why.why import Why

EDGES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
LABELS = ("anger", "joy")


def made() -> Why:
    """Two heads; the second does not draw on the picture, of which the last window has no frame."""
    answers = np.full((2, 4, 2), 0.5)
    away = {
        "audio": np.array([[1.0, -0.5, 0.0, 0.25], [0.5, 0.0, 0.0, 0.0]]),
        "visual": np.array([[0.0, 2.0, 0.0, 0.0], [0.0] * 4]),
    }
    frames = {"audio": np.array([25, 25, 25, 25]), "visual": np.array([6, 6, 6, 0])}
    flip = Flip((("audio", 0), ("visual", 1)), answers[0, 3], np.array([0.4, 0.6]), False, 9)
    face = Face(("brows",), np.array([0.2]), np.array([[0.7], [0.1]]), {"av": np.array([0.5])}, True)
    return Why(
        "small", "classification", LABELS, ("decision", "av"), "anger", "", "absent", "", 1.0,
        Modality(("audio", "visual"), (True, True), answers, np.zeros((2, 4))),
        Moments(EDGES, frames, away, {m: np.zeros((2, 4)) for m in away}), face=face, flip=flip,
    )  # fmt: skip


def test_each_head_that_draws_on_a_modality_has_a_lane() -> None:
    found = {lane.id: lane for lane in lanes(made())}
    assert list(found) == ["contribution.audio.decision", "contribution.audio.av", "contribution.visual.decision"]
    first, head, picture = found.values()
    assert first.values.tolist() == [[1.0, -0.5, 0.0, 0.25], [1.0, 0.0, 0.0, 0.0]]
    # What changes the answer is the decision's alone.
    assert head.values[1].tolist() == [0.0] * 4
    assert np.isnan(picture.values[0, 3])
    assert picture.values[1].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert first.times.tolist() == [0.125, 0.375, 0.625, 0.875]
    assert [lane.title for lane in found.values()] == [
        "Sound contribution, decision", "Sound contribution, audio-visual head", "Picture contribution, decision",
    ]  # fmt: skip
    assert first.group == "audio"


def test_they_stand_after_the_attention_of_their_modality() -> None:
    def lane(name: str, kind: str, group: str) -> Lane:
        return Lane(name, name, kind, np.zeros(1), np.zeros((1, 1), np.float32), ("a",), group)  # type: ignore[arg-type]

    own = (lane("wave", "wave", "audio"), lane("v", "weights", "visual"), lane("a", "weights", "audio"))
    given = Timeline(1.0, np.zeros(0), np.zeros((0, 4)), lanes=(*own, lane("p", "probability", "prediction")))
    ids = [placed.id.replace("contribution.", "") for placed in with_reasons(given, made()).lanes]
    assert ids == ["wave", "v", "visual.decision", "a", "audio.decision", "audio.av", "p"]
    # Arrays have no single truth: the lanes themselves are the same.
    assert all(a is b for a, b in zip(with_reasons(given, None).lanes, given.lanes, strict=True))
    of_b = with_reasons(given, made(), "B").lanes
    assert [drawn.group for drawn in of_b if drawn.kind == "contribution"] == ["B.visual", "B.audio", "B.audio"]


def test_two_models_lanes_come_in_one() -> None:
    both = Timeline.from_bytes(beside([joining(made())] * 2)).lanes
    assert [lane.id for lane in both if "decision" in lane.id] == [
        f"{side}.contribution.{modality}.decision" for side in "AB" for modality in ("audio", "visual")
    ]
    assert both[0].title == "A: Sound contribution, decision"


def test_tables_of_every_head_say_heads_by_their_titles_and_what_would_turn_the_answer() -> None:
    found = {table.title: table for table in tables(made(), every=True)}
    assert "Audio-visual: when (log-odds of anger)" in found
    assert found["Audio-visual: when (log-odds of anger)"].rows[0][1] == "+0.50"
    assert [row[0] for row in found["Which modality (log-odds of anger)"].rows] == ["Decision", "Audio-visual"]
    assert found["Audio-visual: where in the face (log-odds of anger)"].columns[-1] == "of the audio-visual heatmap"
    (turns,) = [table for title, table in found.items() if title.startswith("What would change the answer")]
    assert turns.rows == (("sound", "0–0.25 s"), ("picture", "0.25–0.5 s"))
    assert "the smallest change found (then anger 40" in turns.title
    assert len(tables(made())) == len(tables(made(), every=True)) - 2
