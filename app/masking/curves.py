"""Robustness curves over the whole corpus: metrics as a function of the share of missing frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import address, charts, choose, jobs, press, reports, say, session
from affectscope.app.common.pick import pick
from affectscope.app.common.progress import finished
from affectscope.app.common.save import save
from affectscope.app.masking import figure, grids
from affectscope.core.errors import UserError
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.metrics.metrics import named
from affectscope.core.models.base import Task
from affectscope.core.training.robustness import Curves, curve, levels

_MODELS = "masking.models"
_PATTERNS = {"random": "random frames", "burst": "random bursts of ten", "tail": "from the end"}
_DRAWS = {str(n): str(n) for n in (1, 3, 5, 10, 20)}
_PICTURES = {"png": "PNG", "svg": "SVG"}


@st.fragment
def section(model: str) -> None:
    """Curves of the models chosen; those that nobody has measured wait for a press of a button."""
    st.caption("How well the models do as more of the audio or visual frames go missing, over all clips.")
    source = services.corpus()
    names = _models(model)
    left, middle, right, last = st.columns(4)
    with left:
        metric, title = _metric(names)
    with middle:
        pattern = pick("Frames go", "masking.curve", _PATTERNS)
    with right:
        draws = pick("Draws", "masking.draws", _DRAWS, "5")
    with last:
        picture = pick("Camera saves", "masking.picture", _PICTURES)
    asked = Curves(pattern, int(draws))  # type: ignore[arg-type]
    try:
        tables = {name: table for name in names if (table := grids.curves(name, asked)) is not None}
        _measure([name for name in names if name not in tables], asked, len(source.table))
        _draw(tables, names, metric, title, picture)
    except UserError as error:
        say.error(error)


def _models(model: str) -> list[str]:
    known = services.askable()
    asked = [name for name in session.option(_MODELS).split(",") if name]
    wanted = [name for name in asked if name in known] or [model]
    if set(asked) - set(known) and address.told(f"o.{_MODELS}", session.option(_MODELS)):
        address.doubt("a model", ", ".join(wanted))
    key = reports.shows("masking_models", wanted)

    def keep() -> None:
        if reports.news(key, st.session_state[key]):
            chosen = ",".join(st.session_state[key])
            session.choose_option(_MODELS, "" if chosen == model else chosen)

    chosen = st.multiselect("Models", known, key=key, on_change=keep, placeholder="Choose models to measure")
    for name in chosen:
        if name != model and choose.caution(name):
            st.caption("A model here was trained on rendered faces; it has never seen a person.")
            break
    return chosen


def _metric(names: list[str]) -> tuple[str, str]:
    tasks: list[Task] = [grids.spec(name).task for name in names]
    offered = measures(dict.fromkeys(tasks or ["classification"]))
    metric = pick("Measure", "masking.metric", offered)
    return metric, offered[metric]


def measures(tasks: Iterable[Task]) -> dict[str, str]:
    """Name and title of the metrics that can be plotted."""
    return {name: metric.words for task in tasks for name, metric in named(task).items() if metric.drawn}


def _measure(missing: list[str], asked: Curves, clips: int) -> None:
    """Start, follow or cancel missing measurements."""
    running = [name for name in missing if jobs.find(grids.curves_job(name, asked))]
    waiting = [name for name in missing if name not in running]
    if waiting and press.button(
        f"Measure {len(waiting)} {'model' if len(waiting) == 1 else 'models'} on {clips:d} clips",
        key="masking-measure",
        type="primary",
    ):
        for name in waiting:
            grids.ask_curves(name, asked)
        running = missing
    for name in running:
        if not finished(grids.ask_curves(name, asked)):
            return
    if running:
        st.rerun()


def _draw(tables: dict[str, pd.DataFrame], names: list[str], metric: str, title: str, picture: str) -> None:
    without = [name for name, table in tables.items() if metric not in table]
    tables = {name: table for name, table in tables.items() if metric in table}
    if without:
        say.info(
            f"Not measured by {title}: {len(without)} of the models answer another kind of question; choose another measure."
        )
    if not tables:
        return
    places = {name: i for i, name in enumerate(names)}
    modalities = dict.fromkeys(m for name in tables for m in grids.spec(name).inputs)
    for slot, modality in zip(st.columns(len(modalities)), modalities, strict=True):
        shown = {name: curve(table, modality, metric) for name, table in tables.items()}
        held = {name: levels(table, grids.spec(name), modality, metric) for name, table in tables.items()}
        with slot:
            st.plotly_chart(
                figure.curves(shown, held, modality, title, places),
                key=f"masking-curve-{modality}",
                config=charts.config(picture, f"robustness-{modality}-{metric}"),
                theme="streamlit",
                width="stretch",
                alt=figure.words(shown, modality, title),
            )
    st.caption(
        "Bands: one standard deviation over the draws. Thin lines: everything there, only the other modality, its own head."
    )
    save("Curves (CSV)", partial(_csv, tables), "robustness.csv", key="masking-curves")


def _csv(tables: Mapping[str, pd.DataFrame]) -> bytes:
    return csv_of(pd.concat([table.assign(model=name) for name, table in tables.items()]), index=False).encode()
