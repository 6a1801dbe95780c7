"""The list of cases: selection, order, and actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from affectscope.app import notebook, services, why
from affectscope.app.cards import Action, Answer, Card, cards
from affectscope.app.common import session
from affectscope.core.evaluation.failures import evidence
from affectscope.core.inference.table import DECISION, PredictionTable
from affectscope.core.notebook import notes
from affectscope.core.text import percent
from affectscope.core.timeline.lanes import head_title

PAGE = 12

ORDERS = {
    "worst": "Most confidently wrong first",
    "confident": "Most confident first",
    "unsure": "Least confident first",
    "close": "Second answer close behind first",
    "clear": "Second answer far behind first",
    "torn": "Heads disagree most first",
    "even": "Most evenly spread attention first",
    "focused": "Most focused attention first",
}
_COLUMNS = {
    "confident": ("confidence", False), "unsure": ("confidence", True), "close": ("margin", True), "clear": ("margin", False),
    "torn": ("disagreement", False), "even": ("attention_entropy", False), "focused": ("attention_entropy", True),
}  # fmt: skip
# Display text of the columns by which cases can be sorted.
_MEANING = {
    "margin": "second answer {} behind",
    "disagreement": "heads disagree: {} of the maximum",
    "attention_entropy": "how evenly attention is spread (entropy): {} of the maximum",
}
ERROR_ORDERS = {"worst": "Largest error first", "best": "Smallest error first"} | {
    k: ORDERS[k] for k in ("torn", "even", "focused")
}


@dataclass(frozen=True)
class Looked:
    """The list's context; ``attribute`` is the current one, for models of attributes."""

    model: str
    predictions: PredictionTable
    head: str
    order: str = "worst"
    attribute: str = ""


def ordered(table: pd.DataFrame, order: str) -> pd.DataFrame:
    """Sorted; missing values come last, and ties keep the corpus's order."""
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
    """The first cases of a table, with more on demand, and their buttons."""
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
        st.button(
            f"Show {more:d} more of {len(table)}", on_click=session.choose_option, args=("failures.count", str(count + more))
        )


def class_card(clip: str, row: pd.Series, looked: Looked) -> Card:
    """The card for a classifier: its prediction and the true label first, then the other heads."""
    truth = None if pd.isna(row["truth"]) else str(row["truth"])
    lead = [_answer(clip, looked, looked.head, truth, percent(row["confidence"]))]
    if truth is not None:
        share = "" if pd.isna(row["truth_share"]) else f"given {percent(row['truth_share'])}"
        lead.append(Answer("true label", truth, note=share))
    others = tuple(_answer(clip, looked, head, truth) for head in (DECISION, *looked.predictions.heads) if head != looked.head)
    facts = () if row["evidence"] else ("nothing to answer from: it says what was most common in training",)
    return Card(
        clip, clip, services.picture_url(looked.model, clip), tuple(lead), others, (*facts, *_of_order(row, looked.order))
    )


def _answer(clip: str, looked: Looked, head: str, truth: str | None, note: str = "") -> Answer:
    title = head_title(head).lower()
    if not evidence(looked.predictions, head, services.heads(looked.model))[looked.predictions.table.index.get_loc(clip)]:
        return Answer(title, "nothing to answer from")
    predicted = str(looked.predictions.table.at[clip, "predicted" if head == DECISION else f"predicted_{head}"])
    return Answer(title, predicted, None if truth is None else predicted == truth, note)


def value_card(attribute: str) -> Callable[[str, pd.Series, Looked], Card]:
    """The card for a model of attributes."""

    def card(clip: str, row: pd.Series, looked: Looked) -> Card:
        place = looked.predictions.outputs.index(attribute)
        at = looked.predictions.table.index.get_loc(clip)

        def answer(head: str) -> Answer:
            return Answer(head_title(head).lower(), f"{looked.predictions.answers[head][at, place]:+.2f}")

        lead = (
            Answer(f"true {attribute}", f"{row['truth']:+.2f}"),
            replace(answer(looked.head), note=f"error {row['error']:.2f}"),
        )
        others = tuple(answer(head) for head in (DECISION, *looked.predictions.heads) if head != looked.head)
        return Card(clip, clip, services.picture_url(looked.model, clip), lead, others, _of_order(row, looked.order))

    return card


def _of_order(row: pd.Series, order: str) -> tuple[str, ...]:
    """The number that a list is sorted by, if the card does not show it anyway."""
    column = _COLUMNS.get(order, ("", False))[0]
    if column not in _MEANING or column not in row or pd.isna(row[column]):
        return ()
    return (_MEANING[column].format(percent(row[column])),)


def _with_actions(card: Card, row: pd.Series, noted: bool, asked: bool) -> Card:
    """``asked``: whether the model can be run, for explanations."""
    actions = []
    if not asked:
        actions += [Action("said", "Play", "Play the clip with what was imported of it")] if card.picture else []
    elif "correct" in row:
        predicted, truth = str(row["predicted"]), row["truth"]
        actions.append(Action("said", f"Why {predicted}?", f"Play the clip and explain {predicted}"))
        # A model can only explain its own classes.
        if not pd.isna(row["truth_share"]) and str(truth) != predicted:
            actions.append(Action("true", f"Why not {truth}?", f"Play the clip and explain {truth}, the true class"))
    else:
        actions.append(Action("said", "Play", "Play the clip with its explanation"))
    if asked and card.picture:
        actions.append(Action("reasons", "In a sentence", "Which modality, when, what in the sound and where in the face, here"))
    if asked:
        actions.append(Action("mask", "Mask", "Take frames away and see the answer change"))
    actions.append(Action("note", "Edit note" if noted else "Note", "Write down what this case shows"))
    return replace(card, tags=("noted",) if noted else (), actions=tuple(actions))


def _act(clip: str, action: str, looked: Looked, table: pd.DataFrame) -> None:
    model = looked.model
    corpus = services.corpus_of(model).name
    if action == "note":
        notebook.dialog(corpus, clip, model)
        return
    if action == "reasons":
        why.dialog(corpus, clip, model, looked.attribute)
        return
    row = table.loc[clip]
    explain = looked.attribute if "correct" not in row else str(row["truth"] if action == "true" else row["predicted"])
    # Only the model's own classes can be explained, not labels that only the corpus has.
    explain = explain if explain in services.labels(model) and not services.unasked(model) else ""
    # A decision of several heads is explained by the default head.
    head = looked.head if looked.head != DECISION else ""
    session.update(corpus=corpus, clip=clip, model=model, explain=explain, head=head)
    session.go("masking" if action == "mask" else "clip")


def _count() -> int:
    count = session.option("failures.count")
    return min(int(count), 2000) if count.isascii() and count.isdigit() and len(count) < 9 and int(count) > 0 else PAGE
