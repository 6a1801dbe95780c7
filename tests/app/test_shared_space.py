"""What the Shared space page says of sound and picture, whichever way they differ and however little."""

from __future__ import annotations

import pytest

from affectscope.app.shared_space.parts import sentence
from affectscope.core.analysis.shared import Closeness

NAN = float("nan")


@pytest.mark.parametrize(
    ("measured", "says"),
    [
        (
            Closeness(48, 0.292, 0.3, 0.008, 0.002, 0.014),
            "are closer than chance (mean cosine distance 0.292 within a clip, 0.300 between clips: 0.008 closer, "
            "95 % interval 0.002 closer to 0.014 closer, n = 48 clips).",
        ),
        (
            Closeness(48, 0.308, 0.3, -0.008, -0.02, 0.004),
            "are neither closer nor farther apart than chance explains (mean cosine distance 0.308 within a clip, 0.300 between "
            "clips: 0.008 farther apart, 95 % interval 0.020 farther apart to 0.004 closer, n = 48 clips).",
        ),
        (
            Closeness(48, 0.31, 0.3, -0.01, -0.018, -0.002),
            "are farther apart than chance (mean cosine distance 0.310 within a clip, 0.300 between clips: 0.010 farther apart, "
            "95 % interval 0.018 farther apart to 0.002 farther apart, n = 48 clips).",
        ),
        # A bound that is not zero does not read as zero: the verdict rests on it.
        (
            Closeness(9, 0.2992, 0.3, 0.0008, 0.00003, 0.00157),
            "are closer than chance (mean cosine distance 0.29920 within a clip, 0.30000 between clips: 0.00080 closer, "
            "95 % interval 0.00003 closer to 0.00157 closer, n = 9 clips).",
        ),
        (
            Closeness(9, 0.5, 0.5, 0.0, 0.0, 0.0),
            "are neither closer nor farther apart than chance explains (mean cosine distance 0.500 within a clip, 0.500 between "
            "clips: 0.000, 95 % interval 0.000 to 0.000, n = 9 clips).",
        ),
    ],
)
def test_the_sentence_agrees_with_its_numbers(measured: Closeness, says: str) -> None:
    said = sentence(measured, "layer 1").replace("\N{NO-BREAK SPACE}", " ")
    assert said == f"after layer 1, sound and picture of a clip {says}"


def test_one_clip_is_too_few() -> None:
    assert "too few clips" in sentence(Closeness(1, 0.1, NAN, NAN, NAN, NAN), "layer 1")
