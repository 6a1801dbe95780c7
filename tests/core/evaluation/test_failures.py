"""Who is wrong, and who alone is right: four clips whose answers are written by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affectscope.core.evaluation.failures import cases, confusion, errors, groups
from affectscope.core.inference.table import PredictionTable
from affectscope.core.library.cards import strange

HEADS = {"av": ("audio", "visual"), "audio": ("audio",), "visual": ("visual",)}


def prediction_table(**changes) -> PredictionTable:
    table = pd.DataFrame({"label": ["a", "b", "a", "b"], "disagreement": 0.5, "attention_entropy": 0.9}, index=list("wxyz"))
    answers = {
        "decision": [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]],
        "av": [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]],
        "audio": [[0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.3, 0.7]],
        "visual": [[0.7, 0.3], [0.6, 0.4], [0.1, 0.9], [0.9, 0.1]],
    }
    facts = {
        "system": "made", "task": "classification", "outputs": ("a", "b"), "heads": ("av", "audio", "visual"), "shared": (),
        "table": table, "answers": {k: np.array(v) for k, v in answers.items()}, "embeddings": {},
        "present": {"audio": np.ones(4, bool), "visual": np.ones(4, bool)},
    }  # fmt: skip
    return PredictionTable(**facts | changes)


def test_cases_by_hand():
    found = cases(prediction_table())
    assert found["predicted"].tolist() == ["a", "a", "b", "b"]
    assert found["correct"].tolist() == [True, False, False, True]
    assert found["confidence"].tolist() == [0.9, 0.8, 0.7, 0.6]
    assert found["margin"].tolist() == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert found["truth_share"].tolist() == [0.9, 0.2, 0.3, 0.6]


def test_without_a_label_an_answer_is_neither_right_nor_wrong():
    table = prediction_table().table.assign(label=["a", None, "a", "b"])
    found = {
        name: "".join(np.array(list("wxyz"))[c])
        for name, (_, c) in groups(prediction_table(table=table), "decision", HEADS).items()
    }
    assert (found["wrong"], found["right"], found["all"]) == ("y", "wz", "wxyz")


def test_a_label_that_the_model_lacks_is_counted():
    assert strange(prediction_table()) == 0
    assert strange(prediction_table(table=prediction_table().table.assign(label=["a", None, "c", "d"]))) == 2


def test_groups_by_hand():
    found = {
        name: "".join(np.array(list("wxyz"))[chosen])
        for name, (_, chosen) in groups(prediction_table(), "decision", HEADS).items()
    }
    assert found == {
        "wrong": "xy", "right": "wz", "all": "wxyz", "rescued:av": "", "rescued:audio": "x", "rescued:visual": "",
        "alone:audio": "xz", "alone:visual": "",
    }  # fmt: skip
    titles = {name: title for name, (title, _) in groups(prediction_table(), "decision", HEADS).items()}
    assert titles["rescued:audio"] == "Audio right, decision wrong"
    assert titles["alone:audio"] == "Audio alone right"


def test_a_head_that_heard_nothing_is_never_right():
    silent = prediction_table(present={"audio": np.array([True, False, True, True]), "visual": np.ones(4, bool)})
    assert not groups(silent, "decision", HEADS)["rescued:audio"][1].any()
    assert cases(silent, "audio", HEADS)["evidence"].tolist() == [True, False, True, True]
    assert cases(silent, "decision", HEADS)["evidence"].all()


def test_confusion_keeps_labels_that_the_model_does_not_know():
    table = prediction_table()
    table.table["label"] = ["a", "b", "c", None]
    found = confusion(cases(table), table.outputs)
    assert found.index.tolist() == ["a", "b", "c"]
    assert found.to_numpy().tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert np.isnan(cases(table)["truth_share"].iloc[2])


def test_errors_by_hand():
    table = pd.DataFrame({"arousal": [0.5, np.nan, -1.0], "attention_entropy": 0.1}, index=list("abc"))
    answers = {h: np.array([[0.0, 1.0], [0.2, 1.0], [d, 1.0]]) for h, d in (("decision", 0.5), ("av", 0.5), ("audio", -0.5))}
    made = prediction_table(
        task="regression", outputs=("arousal", "valence"), heads=("av", "audio"), table=table, answers=answers, present={}
    )
    found = errors(made, attribute="arousal")
    assert found.index.tolist() == ["a", "c"]
    assert found["error"].tolist() == [0.5, 1.5]
    assert found["disagreement"].tolist() == [0.0, 1.0]
    assert errors(made, attribute="valence").empty
