"""Label spaces that several systems and corpora share, and the tasks that 001 sets its systems."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

C = TypeVar("C")

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
FOUR_EMOTIONS = ("anger", "happiness", "neutral", "sadness")
ATTRIBUTES = ("arousal", "valence", "dominance")
AFFECT = ATTRIBUTES[:2]


def tasks_of_001(paper: C) -> dict[str, C]:
    """A system on CREMA-D (``paper``), on MSP-IMPROV (``attributes``), and on CMU-MOSEI with its own features (``sentiment``)."""
    config: Any = paper
    return {
        "paper": paper,
        "attributes": replace(config, labels=ATTRIBUTES, task="regression"),
        "sentiment": replace(config, labels=("sentiment",), task="regression", audio_dim=74, visual_dim=35),
    }
