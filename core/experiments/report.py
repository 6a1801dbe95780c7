"""A filled table: mean and spread over seeds, the paper's test, the paper's own figures under their heading, a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly import colors
from plotly.subplots import make_subplots

from affectscope.core.cache.store import write_atomically
from affectscope.core.errors import UserError
from affectscope.core.evaluation.significance import Significance, fisher_z, matched_pairs, two_tailed
from affectscope.core.experiments.cells import Measured
from affectscope.core.experiments.plan import Column, Experiment, Printed, Row
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.metrics.metrics import METRICS

TESTS = {
    "matched": "one-tailed matched-pair t-test",
    "two-tailed": "two-tailed t-test",
    "fisher-z": "Fisher's z transformation",
}


@dataclass(frozen=True)
class Filled:
    """An experiment with its numbers.

    Attributes:
        values: (row, column) -> one value a seed, in the order of the seeds; a row without the column has no entry.
        clips: test clips of each seed; what parthasarathy2020detecting's test counts.
        raw: row -> all that was measured, one a seed.
    """

    experiment: Experiment
    corpus: str
    seeds: tuple[int, ...]
    values: Mapping[tuple[str, str], tuple[float, ...]]
    clips: tuple[int, ...] = ()
    raw: Mapping[str, tuple[Measured, ...]] = field(default_factory=dict)

    def mean(self, row: Row, column: Column) -> float:
        return float(np.mean(self.values.get((row.name, column.name), (np.nan,))))

    def sd(self, row: Row, column: Column) -> float:
        values = self.values.get((row.name, column.name), ())
        return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")

    def test(self, column: Column, other: Row) -> Significance | None:
        """The tested row against another, by the paper's test; None where there is nothing to test."""
        one = self.experiment
        ours, theirs = self.values.get((other.against, column.name)), self.values.get((other.name, column.name))
        if one.test == "none" or other.name == other.against or ours is None or theirs is None:
            return None
        known = METRICS.get(column.metric)
        sign = -1 if (known.better if known else one.better) == "lower" else 1
        try:
            if one.test == "matched":
                return matched_pairs([sign * v for v in ours], [sign * v for v in theirs])
            if one.test == "two-tailed":
                return two_tailed(ours, theirs)
            count = sum(self.clips)
            return fisher_z(float(np.mean(ours)), count, float(np.mean(theirs)), count)
        except UserError:
            return None


def frame(filled: Filled) -> pd.DataFrame:
    """One line for each row, column and seed: what the CSV holds."""
    lines = [
        {"row": row, "column": column, "seed": seed, "value": value}
        for (row, column), values in filled.values.items()
        for seed, value in zip(filled.seeds, values, strict=True)
    ]
    return pd.DataFrame(lines, columns=["row", "column", "seed", "value"])


def markdown(filled: Filled) -> str:
    """The table as measured, what the test says, and the paper's table."""
    one = filled.experiment
    seeds = ", ".join(map(str, filled.seeds))
    lines = [f"## {one.paper}, {one.item}: {one.title}", ""]
    lines += [f"Measured on the corpus {filled.corpus}, seeds {seeds}: mean ± standard deviation over seeds.", ""]
    lines += _table(one, lambda row, column: _measured(filled, row, column))
    if one.test != "none":
        worse = "Worse than" if one.test == "matched" else "Different from"
        tested = "; ".join(dict.fromkeys(row.against for row in one.rows))
        lines += [
            "",
            f"\\* {worse} {tested} ({TESTS[one.test]}, p < {0.01 if one.test == 'fisher-z' else 0.05:g}). p-values:",
            "",
        ]
        lines += _table(one, lambda row, column: _p(filled.test(column, row)))
    for on in dict.fromkeys(p.on for p in one.printed):
        lines += ["", f"### The paper's own figures, on {on}", ""]
        lines += _printed(one, [p for p in one.printed if p.on == on])
    if one.note:
        lines += ["", one.note]
    return "\n".join(lines) + "\n"


def _table(one: Experiment, cell: Callable[[Row, Column], str]) -> list[str]:
    return _lines(one, {row.name: [cell(row, column) for column in one.columns] for row in one.rows})


def _lines(one: Experiment, rows: Mapping[str, Sequence[str]]) -> list[str]:
    head = "| | " + " | ".join(c.name for c in one.columns) + " |"
    rule = "|---|" + "---:|" * len(one.columns)
    return [head, rule, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())]


def _measured(filled: Filled, row: Row, column: Column) -> str:
    mean, sd = filled.mean(row, column), filled.sd(row, column)
    if np.isnan(mean):
        return ""
    digits = 0 if abs(mean) >= 1000 else 3
    star = "*" if (found := filled.test(column, row)) and found.significant else ""
    return f"{mean:,.{digits}f}" + (f" ± {sd:,.{digits}f}" if not np.isnan(sd) else "") + star


def _printed(one: Experiment, values: Sequence[Printed]) -> list[str]:
    """The paper's rows in its order; those that it has no figure for are left out."""
    texts = {(p.row, p.column): f"{p.value:,.0f}" if abs(p.value) >= 1000 else f"{p.value:g}" for p in values}
    rows = dict.fromkeys(p.row for p in values)
    return _lines(one, {name: [texts.get((name, c.name), "") for c in one.columns] for name in rows})


def _p(found: Significance | None) -> str:
    return "" if found is None else f"{found.p:.3g}"


def figure(filled: Filled) -> go.Figure:
    """The experiment as a picture of its kind; error bars are one standard deviation over seeds."""
    one = filled.experiment
    if one.kind in ("confusion", "points"):
        drawn = _confusions(filled) if one.kind == "confusion" else _maps(filled)
        return drawn.update_layout(title=f"{one.paper}, {one.item}: {one.title}")
    drawn = go.Figure()
    for row in one.rows:
        # Parameters beside shares would leave bars that nobody sees: the table has them.
        columns = [c for c in row.columns if c.condition != "cost"] or row.columns
        names = [c.name for c in columns]
        means, sds = [filled.mean(row, c) for c in columns], [filled.sd(row, c) for c in columns]
        error = {"type": "data", "array": sds, "visible": len(filled.seeds) > 1}
        if one.kind == "curves":
            places = [level(c) for c in columns]
            drawn.add_scatter(x=places, y=means, error_y=error, name=row.name, mode="lines+markers")
        elif one.kind == "spread":
            points = [(c.name, v) for c in columns for v in filled.values.get((row.name, c.name), ())]
            drawn.add_box(x=[n for n, _ in points], y=[v for _, v in points], name=row.name, boxmean=True, boxpoints="all")
        else:
            drawn.add_bar(x=names, y=means, error_y=error, name=row.name)
    drawn.update_layout(title=f"{one.paper}, {one.item}: {one.title}", boxmode="group", barmode="group")
    if one.kind == "curves":
        drawn.update_xaxes(title="share of the frames that are there", range=[0, 1.02])
    metrics = {c.metric for row in one.rows for c in row.columns if c.condition != "cost"}
    drawn.update_yaxes(title=", ".join(sorted(metrics)))
    return drawn


def _confusions(filled: Filled) -> go.Figure:
    """One matrix a row of the experiment, over all seeds: rows are true classes, as shares of each."""
    rows = [row for row in filled.experiment.rows if row.name in filled.raw]
    drawn = make_subplots(1, max(1, len(rows)), subplot_titles=[row.name for row in rows])
    for place, row in enumerate(rows, 1):
        results = filled.raw[row.name]
        counts = np.sum([one["whole"]["decision"]["confusion"] for one in results], 0)
        labels = results[0]["cost"]["decision"]["labels"]
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        drawn.add_heatmap(
            z=shares,
            x=labels,
            y=labels,
            text=counts,
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            coloraxis="coloraxis",
            row=1,
            col=place,
        )
    drawn.update_yaxes(autorange="reversed")
    return drawn.update_layout(coloraxis={"colorscale": "Blues", "cmin": 0, "cmax": 1})


def _maps(filled: Filled) -> go.Figure:
    rows = [row for row in filled.experiment.rows if row.name in filled.raw]
    drawn = make_subplots(1, max(1, len(rows)), subplot_titles=[row.name for row in rows])
    for place, row in enumerate(rows, 1):
        found = pd.DataFrame({k: filled.raw[row.name][0]["map"]["decision"][k] for k in ("x", "y", "label")})
        for i, (label, part) in enumerate(found.groupby("label")):
            drawn.add_scatter(
                x=part["x"], y=part["y"], mode="markers", name=str(label), legendgroup=str(label), showlegend=place == 1,
                marker={"color": colors.qualitative.Safe[i % 10]}, row=1, col=place,
            )  # fmt: skip
    return drawn.update_xaxes(showticklabels=False).update_yaxes(showticklabels=False)


def level(column: Column) -> float:
    """The share of frames that a condition leaves."""
    words = column.condition.split()
    return {"whole": 1.0, "without": 0.0}.get(words[0], 1 - float(words[-1]) if len(words) > 2 else 1.0)


def write(filled: Filled, folder: Path, html: bool = True) -> list[Path]:
    """Markdown, CSV and the figure (JSON, and HTML that opens by itself, 4 MB) of an experiment; returns the files."""
    name = filled.experiment.name
    drawn = figure(filled)
    contents = {
        folder / f"{name}.md": markdown(filled),
        folder / f"{name}.csv": csv_of(frame(filled), index=False),
        folder / f"{name}.figure.json": drawn.to_json(),
    }
    if html:
        contents[folder / f"{name}.html"] = drawn.to_html(include_plotlyjs=True)
    for path, content in contents.items():
        write_atomically(path, partial(_write, content))
    return list(contents)


def _write(text: str, path: Path) -> None:
    path.write_text(text)
