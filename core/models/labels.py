"""Label spaces that several systems and corpora share, and the tasks that goncalves2025versatile sets its systems."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any, TypeVar

from affectscope.core.models.languages import WORDS

C = TypeVar("C")

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
FOUR_EMOTIONS = ("anger", "happiness", "neutral", "sadness")
ATTRIBUTES = ("arousal", "valence", "dominance")
AFFECT = ATTRIBUTES[:2]
# Other words for a class, in lower case -> the class: wherever labels are read, compared or trained on.
NOUNS = {
    "angry": "anger", "sad": "sadness", "happy": "happiness", "fearful": "fear", "disgusted": "disgust", "surprised": "surprise",
    "ang": "anger", "hap": "happiness", "fea": "fear", "dis": "disgust", "sur": "surprise", "neu": "neutral",
    **WORDS,
}  # fmt: skip


def noun(word: str) -> str:
    """The class that a word stands for (angry, Wut and 怒り for anger); any other word as it is, in small letters."""
    plain = unicodedata.normalize("NFC", " ".join(word.split()).casefold())
    return NOUNS.get(plain, plain)


def versatile_tasks(paper: C) -> dict[str, C]:
    """A system on CREMA-D (``paper``), on MSP-IMPROV (``attributes``), and on CMU-MOSEI with its own features (``sentiment``)."""
    config: Any = paper
    return {
        "paper": paper,
        "attributes": replace(config, labels=ATTRIBUTES, task="regression"),
        "sentiment": replace(config, labels=("sentiment",), task="regression", audio_dim=74, visual_dim=35),
    }
