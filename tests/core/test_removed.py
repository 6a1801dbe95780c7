"""What was taken away, in words."""

import pytest

from affectscope.core.perturbation import Perturbation
from affectscope.core.timeline.removed import removed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Perturbation(), ""),
        (Perturbation({"audio": 0}), "all audio frames removed"),
        (Perturbation({"audio": 100, "visual": 40}), "60\N{NO-BREAK SPACE}% of the visual frames removed at random"),
        (
            Perturbation({"audio": 0, "visual": 99}, "tail", "zeros"),
            "all audio frames removed; 1\N{NO-BREAK SPACE}% of the visual frames removed from the end (zeros in their place)",
        ),
        (
            Perturbation({"visual": 50}, "burst", burst=0.2),
            "50\N{NO-BREAK SPACE}% of the visual frames removed in bursts of 0.2 s",
        ),
        (
            Perturbation(pattern="drawn", spans={"visual": ((0.5, 1.25), (2, 2.5)), "audio": ()}, imputation="forward-fill"),
            "visual frames removed from 0.50 to 1.25 s, 2.00 to 2.50 s (the last frame kept repeated)",
        ),
    ],
)
def test_words_say_what_is_gone(change: Perturbation, words: str) -> None:
    assert removed(change) == words
