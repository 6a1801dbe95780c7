"""The list of cases: which, in what order, and what can be done with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from app import notebook, services, session
from app.cards import Action, Answer, Card, cards
from core import notes
from core.evaluation.failures import evidence
from core.lanes import head_title
from core.survey import DECISION, Survey

PAGE = 12

ORDERS = {
    "worst": "Most confidently wrong first",
    "confident": "Most confident first",
    "unsure": "Least confident first",
    "close": "Smallest margin first",
    "clear": "Largest margin first",
    "torn": "Heads disagree most first",
    "even": "Most even attention first",
    "focused": "Most focused attention first",
}
_COLUMNS = {
    "confident": ("confidence", False), "unsure": ("confidence", True), "close": ("margin", True), "clear": ("margin", False),
    "torn": ("disagreement", False), "even": ("attention_entropy", False), "focused": ("attention_entropy", True),
}  # fmt: skip
ERROR_ORDERS = {"worst": "Largest error first", "best": "Smallest error first"} | {
    k: ORDERS[k] for k in ("torn", "even", "focused")
}


@dataclass(frozen=True)
class Looked:
    """What the list needs beside its rows."""

    model: str
    survey: Survey
    head: str


def ordered(table: pd.DataFrame, order: str) -> pd.DataFrame:
    """Sorted; what has no value comes last, and equals stay in the corpus's order."""
    if "error" in table and order in ("worst", "best"):
        return table.sort_values("error", ascending=order == "best", kind="stable")
    if order == "worst":
        wrong = np.where(table["truth"].isna(), False, ~table["correct"].astype(bool))
        return (
            table.assign(wrong=wrong).sort_values(["wrong", "confidence"], ascending=False, kind="stable").drop(columns="wrong")
        )
    column, up = _COLUMNS[order]
    return table.sort_values(column, ascending=up, kind="stable", na_position="last")


def show(title: str, table: pd.DataFrame, looked: Looked, card: Callable[[str, pd.Series, Looked], Card], empty: str) -> None:
    """The first cases of a table, and more on demand; a press on a button leads on."""
    count = _count()
    written = {(note.corpus, note.clip, note.model) for note in notes.find_all()[0]}
    corpus = services.corpus_of(looked.model).name
    asked = not services.unasked(looked.model)
    shown = [
        _with_actions(card(str(clip), row, looked), row, (corpus, str(clip), looked.model) in written, asked)
        for clip, row in table.head(count).iterrows()
    ]
    cards(title, shown, key="cases", act=lambda clip, action: _act(clip, action, looked, table), empty=empty)
    if len(table) > count:
        more = min(2 * PAGE, len(table) - count)
        st.button(f"Show {more} more of {len(table)}", on_click=session.choose_option, args=("failures.count", str(count + more)))


def class_card(clip: str, row: pd.Series, looked: Looked) -> Card:
    """A clip of a model that names classes."""
    truth = None if pd.isna(row["truth"]) else str(row["truth"])
    answers = [Answer("true", truth)] if truth is not None else []
    for head in (looked.head, *(h for h in (DECISION, *looked.survey.heads) if h != looked.head)):
        if not evidence(looked.survey, head, services.heads(looked.model))[looked.survey.table.index.get_loc(clip)]:
            answers.append(Answer(head_title(head).lower(), "no evidence"))
            continue
        said = looked.survey.table.at[clip, "predicted" if head == DECISION else f"predicted_{head}"]
        answers.append(Answer(head_title(head).lower(), str(said), None if truth is None else bool(said == truth)))
    facts = [f"confidence {row['confidence']:.0%}", f"margin {row['margin']:.2f}"]
    if truth is not None and not pd.isna(row["truth_share"]):
        facts.insert(1, f"gave {truth} {row['truth_share']:.0%}")
    if not row["evidence"]:
        facts.insert(0, "nothing to go by: answered with the prior")
    return Card(clip, clip, services.picture_url(looked.model, clip), tuple(answers), (*facts, *_more(row)))


def value_card(attribute: str) -> Callable[[str, pd.Series, Looked], Card]:
    """A clip of a model of attributes."""

    def card(clip: str, row: pd.Series, looked: Looked) -> Card:
        place = looked.survey.outputs.index(attribute)
        at = looked.survey.table.index.get_loc(clip)
        answers = [Answer(f"true {attribute}", f"{row['truth']:+.2f}")]
        for head in (looked.head, *(h for h in (DECISION, *looked.survey.heads) if h != looked.head)):
            answers.append(Answer(head_title(head).lower(), f"{looked.survey.answers[head][at, place]:+.2f}"))
        return Card(
            clip, clip, services.picture_url(looked.model, clip), tuple(answers), (f"error {row['error']:.2f}", *_more(row))
        )

    return card


def _more(row: pd.Series) -> list[str]:
    found: Mapping[str, str] = {"disagreement": "disagreement", "attention_entropy": "attention entropy"}
    return [f"{name} {row[column]:.2f}" for column, name in found.items() if column in row and not pd.isna(row[column])]


def _with_actions(card: Card, row: pd.Series, noted: bool, asked: bool) -> Card:
    """``asked``: whether the model is here, to explain itself."""
    actions = []
    if not asked:
        actions += [Action("said", "Play", "Play the clip with what was imported of it")] if card.picture else []
    elif "correct" in row:
        said, truth = str(row["predicted"]), row["truth"]
        actions.append(Action("said", f"Why {said}?", f"Play the clip and explain {said}"))
        # A model can only explain classes that it knows.
        if not pd.isna(row["truth_share"]) and str(truth) != said:
            actions.append(Action("true", f"Why not {truth}?", f"Play the clip and explain {truth}, the true class"))
    else:
        actions.append(Action("said", "Play", "Play the clip with its explanation"))
    if asked:
        actions.append(Action("mask", "Mask", "Take frames away and see the answer change"))
    actions.append(Action("note", "Edit note" if noted else "Note", "Write down what this case shows"))
    return Card(card.id, card.title, card.picture, card.answers, card.facts, ("noted",) if noted else (), actions=tuple(actions))


def _act(clip: str, action: str, looked: Looked, table: pd.DataFrame) -> None:
    model = looked.model
    corpus = services.corpus_of(model).name
    if action == "note":
        notebook.dialog(corpus, clip, model)
        return
    row = table.loc[clip]
    explain = "" if "correct" not in row else str(row["truth"] if action == "true" else row["predicted"])
    # The model's own classes can be explained; a label that only the corpus has cannot.
    explain = explain if explain in services.labels(model) and not services.unasked(model) else ""
    # Decided by several, an answer is explained by the head that is shown anyway.
    head = looked.head if looked.head != DECISION else ""
    session.update(corpus=corpus, clip=clip, model=model, explain=explain, head=head)
    session.go("masking" if action == "mask" else "clip")


def _count() -> int:
    said = session.option("failures.count")
    return min(int(said), 2000) if said.isascii() and said.isdigit() and int(said) > 0 else PAGE
