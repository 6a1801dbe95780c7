"""Tables whose columns name no model, as most people's first script writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affectscope.core.errors import UserError
from affectscope.core.imports.intake import Options, Summary, take_in
from tests.tables import prediction_table, write


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))


def taken(tmp_path: Path, text: str, **options: object) -> Summary:
    return take_in(write(tmp_path / "own.csv", text), Options(name="own", replace=True, **options), ())  # type: ignore[arg-type]


def answers(made: Summary, head: str = "decision") -> np.ndarray:
    return prediction_table(made.models[0].name).answers[head]


@pytest.mark.parametrize("spelling", ["{}", "prob_{}", "{}_prob", "P({})", "logit {}", "pred:{}", "Softmax-{}"])
def test_classes_alone_or_with_a_word_of_a_model(tmp_path: Path, spelling: str) -> None:
    names = ",".join(map(spelling.format, ("anger", "joy", "neutral")))
    made = taken(tmp_path, f"clip,label,age,{names}\na,joy,30,.2,.7,.1\nb,anger,40,.5,.25,.25\n")
    assert [model.classes for model in made.models] == [("anger", "joy", "neutral")]
    np.testing.assert_allclose(answers(made), [[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]], atol=1e-6)
    assert any("read as classes of own" in note for note in made.notes)
    assert any(note.endswith("facts of the clips: age.") for note in made.notes)


def test_other_words_are_heads(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,audio_anger,audio_joy,face_joy_prob,face_anger_prob\na,.2,.8,.4,.6\n")
    np.testing.assert_allclose(answers(made, "audio"), [[0.2, 0.8]])
    np.testing.assert_allclose(answers(made, "face"), [[0.6, 0.4]])


def test_two_scales_of_one_head_stay_apart(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,logit_anger,logit_joy,prob_anger,prob_joy\na,1,-2,.9526,.0474\n")
    assert answers(made).shape == (1, 2)
    assert set(prediction_table(made.models[0].name).answers) == {"decision", "prob"}


def test_a_class_that_nobody_knows_is_found_by_the_labels(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,label,serenity,wrath\na,serenity,.8,.2\nb,wrath,.3,.7\n")
    assert made.models[0].classes == ("serenity", "wrath")
    named = taken(tmp_path, "clip,serenity,wrath,x\na,.8,.2,5\n", classes=("serenity", "wrath"))
    assert named.models[0].classes == ("serenity", "wrath")


def test_true_classes_as_ones_and_zeros_are_the_label(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,gt_anger,gt_joy,anger,joy\na,0,1,.2,.8\nb,1,0,.3,.7\n")
    table = prediction_table(made.models[0].name).table
    assert table["label"].tolist() == ["joy", "anger"]
    assert made.models[0].classes == ("anger", "joy")


def test_attributes_alone_are_true_values_and_a_models_with_a_word(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,valence,arousal,pred_valence,pred_arousal\na,.5,.1,.4,.2\n")
    assert made.models[0].task == "regression"
    np.testing.assert_allclose(answers(made), [[0.4, 0.2]], atol=1e-6)
    with pytest.raises(UserError, match="has no predictions"):
        taken(tmp_path, "clip,valence,arousal\na,.5,.1\n")


def test_lists_and_vectors(tmp_path: Path) -> None:
    made = taken(tmp_path, 'clip,probs,embedding\na,"[.2,.8]","[1,2,3]"\n', classes=("anger", "joy"))
    np.testing.assert_allclose(answers(made), [[0.2, 0.8]], atol=1e-6)
    assert prediction_table(made.models[0].name).embeddings["embedding"].shape == (1, 3)
    with pytest.raises(UserError, match="--classes"):
        taken(tmp_path, 'clip,probs\na,"[.2,.8]"\n')


def test_a_models_own_columns_come_first(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,anger,joy,mine.anger,mine.joy\na,.2,.8,.6,.4\n")
    assert [model.name for model in made.models] == ["mine"]


def test_labels_by_another_word(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,label,anger,happiness\na,angry,.8,.2\nb,Happy,.3,.7\n")
    assert prediction_table(made.models[0].name).table["label"].tolist() == ["anger", "happiness"]
    assert any("angry as anger" in note for note in made.notes)
    both = taken(tmp_path, "clip,label,angry,anger\na,ang,.8,.2\n")
    assert not any("ang as" in note for note in both.notes)


@pytest.mark.parametrize(
    "words", ["Wut,Freude", "COLÈRE,joie", "enojo,alegria", "愤怒,高兴", "怒り,喜び", "분노,기쁨", "Złość,radość"]
)
def test_labels_in_other_languages(tmp_path: Path, words: str) -> None:
    first, second = words.split(",")
    made = taken(tmp_path, f"clip,label,anger,happiness\na,{first},.8,.2\nb,{second},.3,.7\n")
    assert made.models[0].accuracy == 1.0
    assert any(f"{first} as anger" in note for note in made.notes)
    named = taken(tmp_path, f"clip,label,{words}\na,angry,.8,.2\nb,happy,.3,.7\n")
    assert named.models[0].classes == (first, second)
    assert named.models[0].accuracy == 1.0


def test_classes_by_number(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,TrueClass,Prob_1,Prob_2\na,2,.2,.8\nb,1,.6,.4\n")
    assert made.models[0].accuracy == 1.0
    named = taken(tmp_path, "clip,y_true,0,1\na,1,-2,3\nb,0,2,1\n", classes=("anger", "joy"))
    assert named.models[0].classes == ("anger", "joy")
    assert named.models[0].accuracy == 1.0
    with pytest.raises(UserError, match="has no predictions"):
        taken(tmp_path, "clip,f0,0,1\na,1,-2,3\nb,0,2,1\n")


def test_numbers_for_classes_that_have_names_want_their_order(tmp_path: Path) -> None:
    table = "clip,label,m.anger,m.joy\na,1,.2,.8\nb,0,.6,.4\n"
    assert any("--classes" in note for note in taken(tmp_path, table).notes)
    assert taken(tmp_path, table, classes=("anger", "joy")).models[0].accuracy == 1.0
    assert taken(tmp_path, table, classes=("joy", "anger")).models[0].accuracy == 0.0


def test_letters_of_attributes_with_a_models_word(tmp_path: Path) -> None:
    made = taken(tmp_path, "clip,V,A,V_hat,A_hat\na,.5,.1,.4,.2\n")
    assert made.models[0].classes == ("valence", "arousal")
    np.testing.assert_allclose(prediction_table(made.models[0].name).table["error"], [0.1], atol=1e-6)
    with pytest.raises(UserError, match="has no predictions"):
        taken(tmp_path, "clip,V_hat\na,.4\n")


def test_a_pipelines_rows_are_answers_and_no_labels(tmp_path: Path) -> None:
    made = taken(tmp_path, "file,label,score\na,anger,.3\na,joy,.7\nb,joy,.4\nb,anger,.6\n")
    np.testing.assert_allclose(answers(made), [[0.3, 0.7], [0.6, 0.4]], atol=1e-6)
    assert made.models[0].labelled == 0


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("id,Predicted\n1,anger\n2,joy\n", "column Predicted says only which class was chosen"),
        ("id,probs\n1,{anger=.2; joy=.8}\n", "column probs holds classes and numbers in one cell"),
        ("id,prob_joy\n1,.5\n", "column prob_joy is one class alone"),
    ],
)
def test_answers_that_are_no_numbers_by_class(tmp_path: Path, table: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        taken(tmp_path, table)
