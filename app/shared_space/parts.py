"""The parts of the Shared space page: models, cached distances, charts, and the extreme clips."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from affectscope.app import services
from affectscope.app.cards import Action, Answer, Card, cards
from affectscope.app.common import address, reports, say, session
from affectscope.app.common.pick import pick
from affectscope.app.common.save import save
from affectscope.app.failures.figures import CONFIG, QUIET, RIGHT, WRONG, plain
from affectscope.core.analysis.shared import Closeness, closeness, distances, outliers, summary
from affectscope.core.errors import UserError
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.text import percent

BY = {"": "every layer", "label": "one layer, by class", "outcome": "one layer, right and wrong answers"}
_COLUMNS = {
    "stage": "Layer", "group": "Group", "clips": "Clips", "mean": "Mean distance", "low": "95 % from", "high": "95 % to",
    "sd": "Standard deviation", "mismatched": "Mean, mismatched", "nearer": "Nearer to own picture",
}  # fmt: skip
_NEARER = "Per cent of the clips whose sound is nearer to their own picture than to another clip's; by chance it is 50."
_MOST_DIGITS = 6
# A dot lies on a violin of its own colour: on a dark page nothing else parts the two.
_EDGE = {"width": 1, "color": "white"}
_POINTS = 2000  # Beyond this many, only both ends are drawn as points.
_ACTIONS = (Action("play", "Play", "Play the clip with its explanation"), Action("mask", "Mask", "Take frames away"))


def able() -> tuple[list[str], list[str]]:
    """The models with shared layers, and those without; unreadable ones count as without."""
    names = list(services.models())
    sharing = [name for name in names if (spec := services.declared(name)) and spec.shared]
    return sharing, [name for name in names if name not in sharing]


def choose(names: list[str], preferred: str) -> list[str]:
    """The models to show side by side; default: the current one, or the first with shared layers."""
    option = session.option("shared.models")
    listed = address.parsed(option)
    wanted = [name for name in names if name in listed] if isinstance(listed, list) else []
    if isinstance(listed, list) and len(wanted) < len(listed) and address.told("o.shared.models", option):
        address.doubt("a model", ", ".join(wanted) or preferred)
    wanted = wanted or [preferred if preferred in names else names[0]]
    key = reports.shows("shared-models", wanted)
    st.multiselect("Models", names, key=key, on_change=_keep_models, args=(key,), placeholder="Choose models")
    return wanted


def options(stages: dict[str, list[str]]) -> tuple[str, dict[str, str]]:
    """How to group the clips, and after which layer; a model without a layer of that name shows its last."""
    by = pick("Show", "shared.by", BY, width=300)
    names = list(dict.fromkeys(stage for layers in stages.values() for stage in layers))
    last = next(iter(stages.values()))[-1]
    wanted = pick("After layer", "shared.stage", {name: name for name in names}, last, width=230)
    return by, {model: wanted if wanted in own else own[-1] for model, own in stages.items()}


def digest(model: str) -> str:
    """Identifies a model's file, or a plugin's sources and weights."""
    return services.digest(model)


@st.cache_data(max_entries=16, show_spinner=False)
def table(model: str, digest: str) -> pd.DataFrame:
    """Every clip's distances; the digest stands for their prediction table."""
    prediction_table = services.prediction_table_on_disk(model)
    if prediction_table is None:
        raise UserError(f"The answers of {model} are no longer stored: open the page again.")
    return distances(prediction_table)


def show(model: str, clips: pd.DataFrame, by: str, stage: str, top: float) -> None:
    """One model's chart, a sentence about it, and its table."""
    by = by if by in clips else ""
    means = summary(clips, by)
    here = means[means["stage"] == stage] if by else means
    figure = layers_figure(clips, top) if not by else groups_figure(clips[clips["stage"] == stage], by, top)
    key = f"shared-{model}-{by}-{stage}"
    words = sentence(closeness(clips, stage), stage)
    st.text(f"{model}: {words}")
    st.plotly_chart(
        figure, key=key, on_select=lambda: _choose_point(key, model), selection_mode="points", config=CONFIG,
        alt=f"Cosine distance between sound and picture of the same clip, {model}: {words}",
    )  # fmt: skip
    here = (here if by else here.drop(columns="group")).assign(nearer=100 * here["nearer"]).rename(columns=_COLUMNS)
    say.table(
        here, hide_index=True, key=f"{key}-table", alt=f"Mean distances of {model}",
        column_config={
            **{name: st.column_config.NumberColumn(format="%.3f") for name in list(_COLUMNS.values())[3:-1]},
            _COLUMNS["nearer"]: st.column_config.NumberColumn(format="%.1f\N{NO-BREAK SPACE}%%", help=_NEARER),
        },
    )  # fmt: skip
    save(
        "Every clip (CSV)",
        lambda: csv_of(clips, index=False).encode(),
        "affectscope-shared-space.csv",
        key=f"{key}-csv",
        type="tertiary",
    )


def sentence(measured: Closeness, stage: str) -> str:
    """Whether sound and picture are closer than chance, in one sentence with its numbers."""
    if measured.clips < 2:
        return f"after {stage} there are too few clips with sound and picture to say how close the two are."
    found = {
        1: "sound and picture of a clip are closer than chance",
        0: "sound and picture of a clip are neither closer nor farther apart than chance explains",
        -1: "sound and picture of a clip are farther apart than chance",
    }
    digits = _digits(measured)
    numbers = (
        f"mean cosine distance {measured.matched:.{digits}f} within a clip, {measured.mismatched:.{digits}f} between clips: "
        f"{_by(measured.nearer, digits)}, {percent(0.95)} interval {_by(measured.low, digits)} to {_by(measured.high, digits)}, "
        f"n = {measured.clips} clips"
    )
    return f"after {stage}, {found[measured.verdict]} ({numbers})."


def _digits(measured: Closeness) -> int:
    """So many decimals that a bound of the interval that is not zero does not read as zero."""
    sizes = [abs(value) for value in (measured.low, measured.high) if abs(value) >= 10.0**-_MOST_DIGITS]
    return min(_MOST_DIGITS, max(3, *(math.ceil(-math.log10(size)) for size in sizes))) if sizes else 3


def _by(nearer: float, digits: int) -> str:
    """A difference in words: which way it goes is not left to a sign."""
    size = f"{abs(nearer):.{digits}f}"
    return size if not float(size) else f"{size} {'closer' if nearer > 0 else 'farther apart'}"


def ends(model: str, clips: pd.DataFrame, stage: str) -> None:
    """The clips with the largest and the smallest distance between sound and picture, to play."""
    at = session.option("shared.clip")
    part = outliers(clips, stage)
    chosen = clips[(clips["stage"] == stage) & (clips["clip"] == at)]
    if not len(chosen) and address.told("o.shared.clip", at):
        say.warning("The address names a clip that is not here: none is marked.")
    shown = pd.concat([chosen, part[part["clip"] != at]])
    title = f"{model}, {stage}: the farthest apart first, then the nearest"
    title += f"; {at} was chosen in the chart" if len(chosen) else ""
    cards(
        title,
        [_card(row, model) for _, row in shown.iterrows()],
        key="shared-ends",
        act=lambda clip, act: _open(clip, act, model),
    )


def layers_figure(clips: pd.DataFrame, top: float) -> go.Figure:
    """Matched and mismatched pairs after every layer, as halves of a violin, with a point per clip."""
    stages = list(dict.fromkeys(clips["stage"]))
    figure = _violins([(stage, clips[clips["stage"] == stage]) for stage in stages], RIGHT)
    return _framed(figure, stages, top)


def groups_figure(part: pd.DataFrame, by: str, top: float) -> go.Figure:
    """As ``layers_figure`` for one layer, by class or by correctness."""
    groups = sorted(part[by].dropna().astype(str).unique())
    figure = _violins([(group, part[part[by].astype(str) == group]) for group in groups], RIGHT)
    return _framed(figure, groups, top)


def _violins(parts: list[tuple[str, pd.DataFrame]], colour: str) -> go.Figure:
    figure = go.Figure()
    for place, (_, part) in enumerate(parts):
        halves = (("distance", "negative", colour, "same clip"), ("mismatched", "positive", QUIET, "mismatched"))
        for column, side, own, title in halves:
            figure.add_violin(
                x0=place, y=part[column], side=side, line_color=own, fillcolor=own, opacity=0.45, width=0.9, points=False,
                meanline_visible=True, name=title, legendgroup=title, showlegend=place == 0, hoverinfo="skip", spanmode="hard",
            )  # fmt: skip
        dots = part if len(part) <= _POINTS else pd.concat([part.nlargest(50, "distance"), part.nsmallest(50, "distance")])
        shift = [place - 0.06 - 0.12 * ((i * 0.618) % 1) for i in range(len(dots))]
        outcomes = dots.get("outcome", pd.Series("", dots.index))
        colours = [{"wrong": WRONG, "unlabelled": QUIET}.get(outcome, RIGHT) for outcome in outcomes]
        labels = dots.get("label", pd.Series("", dots.index))
        words = [f"{plain(r.clip)} {plain(label)}: {r.distance:.3f}" for r, label in zip(dots.itertuples(), labels, strict=True)]
        figure.add_scatter(
            x=shift, y=dots["distance"], mode="markers", customdata=[[clip] for clip in dots["clip"]], hovertext=words,
            hoverinfo="text", marker={"size": 7, "color": colours, "opacity": 0.9, "line": _EDGE}, showlegend=False,
            selected={"marker": {"opacity": 1, "size": 11}}, unselected={"marker": {"opacity": 0.9}},
        )  # fmt: skip
    return figure


def _framed(figure: go.Figure, names: list[str], top: float) -> go.Figure:
    figure.update_xaxes(
        tickvals=list(range(len(names))), ticktext=[plain(name) for name in names], range=[-0.6, len(names) - 0.4]
    )
    figure.update_yaxes(title="Cosine distance", range=[min(0.0, -0.02 * top), top], zeroline=False)
    legend: dict[str, Any] = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    margin = {"l": 8, "r": 8, "t": 40, "b": 8}
    return figure.update_layout(height=430, margin=margin, legend=legend, violinmode="overlay", dragmode=False)


def _card(row: pd.Series, model: str) -> Card:
    answers = []
    if "label" in row and not pd.isna(row["label"]):
        answers = [
            Answer("decision", str(row["predicted"]), None if row["outcome"] == "unlabelled" else row["outcome"] == "right")
        ]
        answers = [Answer("true", str(row["label"])), *answers] if pd.notna(row["label"]) else answers
    facts = (f"distance {row['distance']:.3f}", f"mismatched {row['mismatched']:.3f}")
    clip = str(row["clip"])
    return Card(clip, clip, services.picture_url(model, clip), answers=tuple(answers), facts=facts, actions=_ACTIONS)


def _choose_point(key: str, model: str) -> None:
    points = [point for point in st.session_state[key]["selection"]["points"] if point.get("customdata")]
    if reports.news(key, points) and points:
        session.choose_option("shared.clip", str(points[0]["customdata"][0]))
        session.choose_option("shared.of", model)


def _open(clip: str, action: str, model: str) -> None:
    session.update(corpus=services.corpus().name, clip=clip, model=model)
    session.go("masking" if action == "mask" else "clip")


def _keep_models(key: str) -> None:
    if reports.news(key, st.session_state[key]):
        session.choose_option("shared.models", json.dumps(st.session_state[key]))
