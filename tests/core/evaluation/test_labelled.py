"""What of a corpus a model can be measured on."""

from pathlib import Path

import pandas as pd
import pytest

from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.evaluation.labelled import labelled_for
from affectscope.core.models.base import ModelSpec

SPEC = ModelSpec("any", {}, ("anger", "sadness", "joy"), ("av",), {"av": ()}, ("av",))


def corpus(*labels: str) -> Corpus:
    table = pd.DataFrame({"path": "", "label": labels}, pd.Index([f"c{i}" for i in range(len(labels))], name="clip"))
    return Corpus("mine", Path("."), table, tuple(sorted(set(labels))))


def test_strange_labels_are_left_out_and_counted() -> None:
    found, notes = labelled_for(corpus("anger", "calm", "calm", "", "Sad", "surprise"), SPEC)
    assert found.table["label"].to_dict() == {"c0": "anger", "c4": "sadness"}
    assert notes[0] == "Labels are read as the model's classes: Sad as sadness."
    assert notes[1].startswith("3 clips of 6 carry labels that the model has no class for (calm 2, surprise 1) and are left out")
    assert notes[2] == "1 clip of 6 have no label and are left out."


def test_an_alias_says_what_is_meant() -> None:
    found, notes = labelled_for(corpus("calm", "happiness"), SPEC, {"happiness": "joy"})
    assert found.table["label"].to_dict() == {"c1": "joy"}
    assert "happiness as joy" in notes[0]
    with pytest.raises(UserError, match="The model has no class rage: it has anger, sadness, joy"):
        labelled_for(corpus("calm"), SPEC, {"calm": "rage"})
    with pytest.raises(UserError, match="mine has no label clam: it has calm"):
        labelled_for(corpus("calm"), SPEC, {"clam": "joy"})


def test_nothing_in_common_is_one_sentence() -> None:
    with pytest.raises(UserError, match="No clip of mine carries a label of the model: its labels are calm"):
        labelled_for(corpus("calm", ""), SPEC)


def test_words_of_other_languages_are_the_classes_that_they_mean() -> None:
    found, notes = labelled_for(corpus("Wut", "tristesse", "COLÈRE", "悲しみ", "Ruhe"), SPEC)
    assert found.table["label"].to_dict() == {"c0": "anger", "c1": "sadness", "c2": "anger", "c3": "sadness"}
    assert "Wut as anger" in notes[0]
    assert "(Ruhe 1)" in notes[1]
