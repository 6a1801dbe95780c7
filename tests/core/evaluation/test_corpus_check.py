"""A corpus measured by plain classifiers: also one that is not the demo corpus, and lacks what that has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectscope.core.corpora.base import Corpus
from affectscope.core.errors import UserError
from affectscope.core.evaluation.corpus_check import check
from affectscope.core.features.extractors.encoders import READER_CLASSES, MiniXception
from affectscope.core.streams import Clip, Stream

LABELS = ("anger", "sadness")


def clips(speakers: list[str], labels: list[str], faces: bool = True) -> list[Clip]:
    """The sound is the label's number, and the reader of faces always says what is true."""
    made = []
    for i, (speaker, label) in enumerate(zip(speakers, labels, strict=True)):
        number = LABELS.index(label) if label else 0
        visual = np.zeros((3, MiniXception.dim), np.float32)
        visual[:, MiniXception.maps_dim + READER_CLASSES.index(label or "neutral")] = 1
        times, present = np.arange(3) / 20, np.ones(3, bool)
        streams = {
            "audio": Stream(np.full((3, 4), number, np.float32), times, present),
            "visual": Stream(visual, times, present) if faces else Stream.absent(MiniXception.dim),
        }
        made.append(Clip(f"c{i}", streams, 0.15, {"label": label, "speaker": speaker}))
    return made


def corpus_of(made: list[Clip]) -> Corpus:
    rows = pd.DataFrame([clip.labels for clip in made], pd.Index([clip.id for clip in made], name="clip")).assign(path="")
    return Corpus("own", Path("."), rows, LABELS)


def test_a_corpus_without_the_demo_corpuss_columns() -> None:
    made = clips(["s1", "s1", "s2", "s2"], ["anger", "sadness"] * 2)
    found = check(made, corpus_of(made))
    assert (found["audio"], found["faces_found"]) == (1.0, 1.0)
    assert found["reader"] == {"clips": 4, "accuracy": 1.0, "by_label": {"anger": 1.0, "sadness": 1.0}}


def test_sound_alone_has_no_faces_to_count() -> None:
    made = clips(["s1", "s1", "s2", "s2"], ["anger", "sadness"] * 2, faces=False)
    found = check(made, corpus_of(made))
    assert (found["audio"], found["faces_found"], found["reader"]["accuracy"]) == (1.0, None, None)


@pytest.mark.parametrize("speakers", [["", "", "", ""], ["s1"] * 4, ["s1", "s2", "s1", "s2"]])
def test_where_no_speaker_can_be_held_out_nothing_is_claimed(speakers: list[str]) -> None:
    made = clips(speakers, ["anger", "sadness"] * 2)
    assert check(made, corpus_of(made))["audio"] is None


def test_without_labels_there_is_one_sentence() -> None:
    made = clips(["s1", "s2"], ["", ""])
    with pytest.raises(UserError, match="No clip of own that can be read has a label"):
        check(made, corpus_of(made))
