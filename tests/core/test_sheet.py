"""The annotated picture: everything is on it, nothing overlaps or is cut without an ellipsis."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from affectscope.core import media
from affectscope.core.export import files as export
from affectscope.core.export.answers import HeadPrediction, Predictions
from affectscope.core.export.sheet import Facts, Sheet, cut_to_width
from affectscope.core.media import encode, read_frames, read_sound
from affectscope.core.timeline.compare import merged
from affectscope.core.timeline.timeline import Timeline
from tests.app import fake

EIGHT = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise", "contempt")
LONG = tuple(f"{name} of a kind that takes a great many words to name" for name in EIGHT)
HEADS = tuple(HeadPrediction(title, LONG[0], 0.79) for title in ("Decision", "Audio-visual", "Audio", "Visual"))
SAID = Predictions(
    "a model with a name that somebody thought about for a long time " * 2, HEADS, "version 0123abcd", "A caution. " * 30
)
FACTS = Facts("A clip of a long name " * 12, (SAID,), LONG[0])


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Every text that is drawn, with the rectangle that it covers."""
    seen: list[tuple[str, tuple[float, float, float, float]]] = []
    draw = ImageDraw.ImageDraw.text

    def watched(self, xy, text, fill=None, font=None, anchor=None, **more):
        seen.append((text, self.textbbox(xy, text, font, anchor)))
        return draw(self, xy, text, fill, font, anchor, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", watched)
    return seen


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake.clip(tmp_path_factory.mktemp("sheet") / "clip.mp4", 1.0)


def shaped(clip: Path, out: Path, shape: str) -> Path:
    pads = {"portrait": ((120, 120), (0, 0), (0, 0)), "landscape": ((0, 0), (130, 130), (0, 0))}
    frames = [] if shape == "sound" else [(t, np.pad(p, pads.get(shape, ((0, 0),) * 3))) for t, p in read_frames(clip)]
    encode(out, frames, read_sound(clip))
    return out


def pair(names: tuple[str, ...]) -> Timeline:
    return merged(fake.timeline(1.0, names=names), fake.timeline(1.0, names=names))


@pytest.mark.parametrize("shape", ["square", "portrait", "landscape", "sound", "pair"])
@pytest.mark.parametrize("names", [EIGHT, LONG], ids=["short", "long"])
def test_no_text_touches_another_or_leaves_the_sheet(clip, tmp_path, texts, shape: str, names: tuple[str, ...]) -> None:
    file = shaped(clip, tmp_path / "clip.mp4", shape)
    timeline = pair(names) if shape == "pair" else fake.timeline(1.0, face=shape != "sound", names=names)
    facts = replace(FACTS, predictions=(SAID, SAID)) if shape == "pair" else FACTS
    picture = Image.open(io.BytesIO(export.sheet_png(file, timeline, 0.5, facts=facts)))
    assert picture.height >= 720
    written = [drawn for drawn in texts if drawn[0]]
    for text, (left, top, right, bottom) in written:
        assert left >= 0, text
        assert top >= 0, text
        assert right <= picture.width, text
        assert bottom <= picture.height, text
    for i, (text, a) in enumerate(written):
        for other, b in written[i + 1 :]:
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, (text, other)


def test_every_class_head_and_lane_is_named(clip, texts) -> None:
    facts = Facts("clip", (Predictions("auxformer", HEADS[:1], "version 0123abcd", "It has never seen a person."),), "anger")
    export.sheet_png(clip, fake.timeline(1.0, names=EIGHT), 0.5, facts=facts)
    written = {text for text, _ in texts}
    lanes = {"Audio attention", "Visual attention"}
    assert {*EIGHT, *lanes, "auxformer", "version 0123abcd", "Decision", "True label", "It has never seen a person."} <= written


def test_an_answer_says_whether_it_is_the_true_label() -> None:
    assert HeadPrediction("Decision", "anger", 0.5).right("anger") is True
    assert HeadPrediction("Decision", "anger", 0.5).right("fear") is False
    assert HeadPrediction("Decision", "anger", 0.5).right(None) is None
    assert HeadPrediction("Decision", "anger", 0.5, evidence=False).right("anger") is None
    assert HeadPrediction("Decision", "anger", 0.786).text == "anger 79\N{NO-BREAK SPACE}%"


def test_the_playhead_moves_over_the_lanes() -> None:
    sheet = Sheet(fake.timeline(1.0), FACTS, [""], (256, 256))
    start, end = sheet.track
    row = sheet.lanes_top - 3
    for time in (0.25, 0.5, 0.75):
        picture = sheet.at(time, [np.zeros((256, 256, 3), np.uint8)])
        bright = np.flatnonzero(picture[row, start:end].min(1) > 200)
        assert bright.mean() == pytest.approx(time * (end - start), abs=1.5)


def test_a_text_that_fits_stays_and_one_that_does_not_ends_in_an_ellipsis() -> None:
    from affectscope.core.export.sheet import _font

    font = _font(12)
    assert cut_to_width("anger", font, 500) == "anger"
    cut = cut_to_width("anger " * 50, font, 100)
    assert cut.endswith("…")
    assert font.getlength(cut) <= 100
    assert cut_to_width("two\nlines", font, 500) == "two lines"


def test_the_video_of_a_clip_without_a_picture_has_its_sound(clip, tmp_path) -> None:
    file = shaped(clip, tmp_path / "sound.mp4", "sound")
    info = media.probe(export.overlay(file, fake.timeline(1.0, face=False), tmp_path / "out.mp4", facts=FACTS))
    assert (info.width, info.height, info.sound_codec) == (1280, 720, "aac")
