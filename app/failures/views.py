"""The Failures page's four views of a prediction table: cases, slices, reliability, and abstention."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from affectscope.app import services
from affectscope.app.common import address, reports, say, session
from affectscope.app.common.pick import pick
from affectscope.app.common.save import save
from affectscope.app.failures import abstention, breakdown, figures, lists
from affectscope.app.failures.lists import Looked
from affectscope.app.matrix import matrix
from affectscope.core.evaluation.failures import confusion, errors
from affectscope.core.evaluation.slices import wilson
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.inference.table import DECISION, PredictionTable
from affectscope.core.library.cards import strange
from affectscope.core.metrics.calibration import ECE_TITLE
from affectscope.core.metrics.metrics import METRICS
from affectscope.core.metrics.scales import apart
from affectscope.core.text import percent, shown
from affectscope.core.timeline.lanes import head_title

_HEADS = "Decision is the system's overall answer over its heads. A head answers from sound, from the picture, or from both."


def summary(model: str, prediction_table: PredictionTable | None) -> list[str]:
    """Remarks to show before any list."""
    if prediction_table is None:
        return [f"model {model}"]
    facts = [f"model {model}", f"{len(prediction_table.table)} clips of {services.corpus_of(model).name}"]
    if prediction_table.task == "classification" and {"correct", "label"} <= set(prediction_table.table):
        head = session.option("failures.head", DECISION)
        head = head if head in prediction_table.heads else DECISION
        table = breakdown.cases(breakdown.key(model), head, _modalities(model), prediction_table)
        known = table[table["truth"].notna()]
        right = int(known["correct"].astype(bool).sum())
        low, high = wilson(right, len(known))
        whose = "" if head == DECISION else f"{head_title(head).lower()} head: "
        facts.append(
            f"{whose}accuracy {percent(right / max(1, len(known)))} ({percent(0.95)} interval: {percent(low)} to {percent(high)})"
        )
    if count := strange(prediction_table):
        facts.append(f"{count} with labels that it does not know, counted as wrong")
    if prediction_table.broken:
        count, first = len(prediction_table.broken), shown(prediction_table.broken[0], 160)
        facts.append(f"{count} {'clip' if count == 1 else 'clips'} could not be read or answered; {first}")
    return facts


def show(view: str, model: str, prediction_table: PredictionTable, row: DeltaGenerator) -> None:
    """One view; ``row`` is the place for its controls."""
    attribute = ""
    with row:
        heads = {h: head_title(h) for h in (DECISION, *prediction_table.heads)}
        head = pick("Predictions of", "failures.head", heads, DECISION, width=190, help=_HEADS)
        if prediction_table.task == "regression":
            attribute = pick("Attribute", "failures.attribute", {name: name for name in prediction_table.outputs}, width=190)
    if prediction_table.task == "regression":
        table = errors(prediction_table, head, attribute, _modalities(model))
        if table.empty:
            st.info("The corpus has no true values of this attribute: there is nothing to compare the model's answers with.")
            return
    elif "label" not in prediction_table.table:
        st.info("The corpus has no labels: nobody can say which answers are wrong.")
        return
    looked = Looked(model, prediction_table, head)
    if view == "slices":
        _slices(looked, attribute, row)
    elif view == "reliability":
        _reliability(looked)
    elif view == "abstention":
        abstention.show(looked, _modalities(model))
    elif prediction_table.task == "regression":
        if other := apart(attribute, table["predicted"].to_numpy(float), table["truth"].to_numpy(float)):
            say.warning(other, icon=":material/straighten:")
        _errors(looked, attribute, table)
    else:
        _cases(looked)


def _cases(looked: Looked) -> None:
    table = breakdown.cases(breakdown.key(looked.model), looked.head, _modalities(looked.model), looked.predictions)
    left, right = st.columns([5, 9], gap="medium")
    cell = _pair("failures.cell")
    with left:
        st.caption("How often each true class got each answer. Press a cell for its clips; press it again for all.")
        matrix(confusion(table, looked.predictions.outputs), cell, key="confusion", choose=_choose_cell)
    with right:
        groups = breakdown.groups(breakdown.key(looked.model), looked.head, _modalities(looked.model), looked.predictions)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = {name: f"{title} ({int(chosen.sum())})" for name, (title, chosen) in groups.items()}
            group = pick("Show", "failures.show", names, "wrong", turn=looked.head) if cell is None else "all"
            order = pick("Order", "failures.order", lists.ORDERS)
            _clear(cell)
        chosen = groups[group][1] & _in_slice(looked)
        title = groups[group][0]
        if cell is not None:
            chosen = chosen & (table["truth"].astype(str) == cell[0]).to_numpy() & (table["predicted"] == cell[1]).to_numpy()
            title = f"True {cell[0]}, answer {cell[1]}"
        _list(title, lists.ordered(table[chosen], order), replace(looked, order=order), lists.class_card)


def _errors(looked: Looked, attribute: str, table: pd.DataFrame) -> None:
    left, right = st.columns([5, 9], gap="medium")
    with left:
        picked = st.plotly_chart(
            figures.errors_figure(table, attribute), key=f"errors-{looked.head}-{attribute}", on_select="rerun",
            selection_mode="points", config=figures.CONFIG,
            alt=f"True against predicted {attribute}; mean absolute error {table['error'].mean():.2f}",
        )  # fmt: skip
        clips = [str(point["customdata"][0]) for point in picked["selection"]["points"] if point.get("customdata")]
    with right:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            order = pick("Order", "failures.order", lists.ERROR_ORDERS)
            _clear(None)
        shown = table[_in_slice(looked)[looked.predictions.table.index.get_indexer(table.index)]]
        title = "All clips"
        if clips:
            shown, title = shown[shown.index.isin(clips)], "The chosen point"
        _list(title, lists.ordered(shown, order), replace(looked, order=order, attribute=attribute), lists.value_card(attribute))


def _list(title: str, table: pd.DataFrame, looked: Looked, card: object) -> None:
    part = _pair("failures.slice")
    where = f", {part[0]} {part[1]}" if part else ""
    count = f"{len(table)} {'clip' if len(table) == 1 else 'clips'}"
    lists.show(f"{title}{where}: {count}", table, looked, card, "No clip is like that.")  # type: ignore[arg-type]
    if len(table):
        save("This list (CSV)", lambda: csv_of(table).encode(), "affectscope-cases.csv", key="failures-list", type="tertiary")


def _slices(looked: Looked, attribute: str, row: DeltaGenerator) -> None:
    measure = METRICS["ccc" if attribute else "accuracy"]
    key, known = breakdown.key(looked.model), breakdown.columns(looked.model)
    table = breakdown.by_part(key, known, looked.head, attribute, _modalities(looked.model), looked.predictions)
    columns = {"": "All columns"} | {name: name for name in dict.fromkeys(table["column"]) if name != "all"}
    with row:
        column = pick("Column", "failures.column", columns, width=230)
    shown = table if not column else table[table["column"].isin(["all", column])]
    st.caption(
        "A dot is the score of a part of the corpus, the line its 95 % interval, the number in brackets its clips. The band is "
        "the whole corpus: where a line meets it, the difference may be chance. Press a dot for its clips."
    )
    if len(shown) > 1:
        key = f"slices-{looked.head}-{attribute}-{column}"
        worst = shown.iloc[1:].sort_values("score").iloc[0]
        st.plotly_chart(
            figures.slices_figure(shown, measure, _pair("failures.slice")), key=key, on_select=lambda: _choose_slice(key),
            selection_mode="points", config=figures.CONFIG,
            alt=f"{measure.title} by part of the corpus, lowest for {worst['column']} {worst['value']}",
        )  # fmt: skip
    say.table(
        shown, hide_index=True, alt=f"{measure.title} by part of the corpus", key="slices-table",
        column_config={name: st.column_config.NumberColumn(format="%.2f") for name in shown.columns[3:] if name != "right"},
    )  # fmt: skip
    save("Table (CSV)", lambda: csv_of(shown, index=False).encode(), "affectscope-slices.csv", key="failures-slices")


def _reliability(looked: Looked) -> None:
    if looked.predictions.task == "regression":
        st.info("This model predicts values, not classes with a probability: it has no reliability diagram.")
        return
    if not looked.predictions.table["label"].isin(looked.predictions.outputs).any():
        st.info("No clip has a label that the model knows: there is no answer to count as right or wrong.")
        return
    table, error = breakdown.bins(breakdown.key(looked.model), looked.head, looked.predictions)
    sure = float((table["confidence"] * table["count"]).sum() / table["count"].sum())
    right = float((table["accuracy"] * table["count"]).sum() / table["count"].sum())
    word = "less" if sure < right else "more"
    st.text(
        f"Expected calibration error {error:.3f} ({ECE_TITLE}; {len(table)} of them hold an answer, {int(table['count'].sum())} "
        f"answers in all). On average the model is {percent(sure)} confident, and {percent(right)} of its answers are right: it "
        f"is {word} confident than it should be."
    )
    st.plotly_chart(
        figures.reliability_figure(table), key=f"reliability-{looked.head}", config=figures.CONFIG, width=760,
        alt=f"Reliability diagram: share of right answers by confidence; expected calibration error {error:.3f}",
    )  # fmt: skip
    save("Bins (CSV)", lambda: csv_of(table, index=False).encode(), "affectscope-reliability.csv", key="failures-bins")


def _in_slice(looked: Looked) -> np.ndarray:
    """[N] bool: the clips of the chosen subgroup; all if none is chosen."""
    part = _pair("failures.slice")
    table = breakdown.parts(breakdown.key(looked.model), breakdown.columns(looked.model), looked.predictions)
    if part is None or part[0] not in table:
        return np.ones(len(table), bool)
    return (table[part[0]].astype(str) == part[1]).to_numpy()


def _clear(cell: tuple[str, str] | None) -> None:
    if cell is not None or _pair("failures.slice"):
        st.button("Clear the choice", icon=":material/close:", on_click=_forget, type="tertiary")


def _forget() -> None:
    for name in ("failures.cell", "failures.slice", "failures.count"):
        session.choose_option(name, "")


def _choose_cell(truth: str, predicted: str) -> None:
    again = _pair("failures.cell") == (truth, predicted)
    session.choose_option("failures.cell", "" if again else json.dumps([truth, predicted]))
    session.choose_option("failures.count", "")


def _choose_slice(key: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    if reports.news(key, points) and points and points[0].get("customdata"):
        session.choose_option("failures.slice", json.dumps([str(part) for part in points[0]["customdata"][:2]]))
        session.choose_option("failures.count", "")
        session.choose_option("failures.show", "")
        session.choose_option("failures.view", "")


def _pair(name: str) -> tuple[str, str] | None:
    """Parse an option that holds two texts."""
    parsed = address.parsed(session.option(name))
    return (str(parsed[0]), str(parsed[1])) if isinstance(parsed, list) and len(parsed) == 2 else None


def _modalities(model: str) -> dict[str, tuple[str, ...]]:
    return dict(services.heads(model))
