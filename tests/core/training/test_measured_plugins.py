"""Networks of plugins, measured: answers by frame where clips have one label, clips that cannot be answered, other scales."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import affectscope as afs
from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.errors import UserError
from affectscope.core.metrics.scales import apart
from affectscope.core.streams import Clip, Stream
from affectscope.core.training import measured
from affectscope.core.wrapping import declared as declarations
from affectscope.core.wrapping.making import make

LABELS = ("anger", "joy")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations.WRAPPED, "_entries", dict(declarations.WRAPPED._entries))


class FirstTwo(nn.Module):
    """The first two columns are the logits of each frame."""

    def __init__(self, longest: int = 1000) -> None:
        super().__init__()
        self.longest = longest

    def forward(self, a):
        if a.shape[1] > self.longest:
            raise IndexError("index out of range in self")
        return a[..., :2]


def checkpoint(build=FirstTwo, **more) -> Checkpoint:
    declared = afs.model("net", **{"labels": LABELS, "inputs": {"audio": "llds"}, "reference": "audio"} | more)(lambda: build())
    return Checkpoint(make(declared).model, Normaliser(), {})


def clip(name: str, label: str, logits: list[list[float]], present: list[bool] | None = None, **values: float) -> Clip:
    frames = np.zeros((len(logits), 130), np.float32)
    frames[:, :2] = logits
    there = np.ones(len(logits), bool) if present is None else np.array(present)
    return Clip(name, {"audio": Stream(frames, np.arange(len(logits)) / 60, there)}, 1.0, {"label": label, **values})


def test_answers_by_frame_are_measured_by_clip_as_the_pages_read_them() -> None:
    # Of the first, logits sum up to joy and probabilities, 0.88, 0.88 and 0.00 for anger, to anger.
    first = clip("one", "anger", [[2, 0], [2, 0], [0, 9]])
    # The last frame is absent: what lies there does not count.
    second = clip("two", "joy", [[0, 3], [9, 0]], [True, False])
    rows = {row["head"]: row for row in measured.measure_clips(checkpoint(), [first, second])}
    assert rows["audio"]["clips"] == 2
    assert "frames" not in rows["audio"]
    assert rows["audio"]["accuracy"] == 1.0
    assert rows["audio"]["confusion"] == [[1, 0], [0, 1]]


def test_clips_that_a_network_cannot_answer_are_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [clip("short", "joy", [[0, 1]] * 3), clip("long", "joy", [[0, 1]] * 201), clip("other", "anger", [[1, 0]] * 2)]
    monkeypatch.setattr(measured, "read_clips", lambda *rest: (clips, ["c9: broken"]))
    monkeypatch.setattr(measured, "given_for", lambda *rest: {})
    rows, broken = measured.measure(checkpoint(lambda: FirstTwo(200)), None)
    assert [row["clips"] for row in rows] == [2, 2]
    assert rows[0]["unreadable"] == 2
    assert broken[0] == "c9: broken"
    assert broken[1].startswith("long: net could not answer, given audio [1, 201, 130]: IndexError: index out of range in self")
    monkeypatch.setattr(measured, "read_clips", lambda *rest: (clips[1:2], []))
    with pytest.raises(UserError, match="No clip is answered; long: net could not answer"):
        measured.measure(checkpoint(lambda: FirstTwo(200)), None)


@pytest.mark.parametrize(
    ("said", "true", "other"),
    [
        # 1 to 7 here, -1 to 1 there.
        ([4.0, 4.5, 5.0, 3.0, 2.0], [-0.5, 0.0, 0.8, -1.0, 0.3], True),
        # One lies within.
        ([4.0, 4.5, 5.0, 3.0, 0.5], [-0.5, 0.0, 0.8, -1.0, 0.3], False),
        ([4.0, 4.5, 5.0, 3.0, np.nan], [-0.5, 0.0, 0.8, -1.0, 0.3], False),
        ([4.0, 4.5, 5.0, 3.0, 2.0], [0.5] * 5, False),
    ],
)
def test_two_scales_are_told_where_no_answer_lies_in_the_corpus_range(said, true, other: bool) -> None:
    told = apart("valence", np.array(said), np.array(true))
    assert bool(told) == other
    if other:
        assert told.startswith("Of valence the corpus gives -1 to 0.8, and the model says 2 to 5: where these are two scales,")


def test_a_model_on_another_scale_is_measured_with_a_remark() -> None:
    class OneToSeven(nn.Module):
        def forward(self, a):
            return 4 + a[..., :1].mean(1)

    clips = [clip(f"c{i}", "", [[float(torch.tensor(i).sin()), 0]], valence=v) for i, v in enumerate([-1, 0.5, 0, 0.2, 1])]
    (row, *_) = measured.measure_clips(
        checkpoint(OneToSeven, labels=("valence",), task="regression", reference="", prior=4), clips
    )
    assert row["remarks"][0].startswith("Of valence the corpus gives -1 to 1, and the model says 3.24 to 4.91")
