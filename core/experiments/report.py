"""Renders a table: mean and spread over seeds, the paper's test, the paper's own numbers, and a figure."""

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

_OVERLAP = (
    "The paper's test takes seeds for independent; their splits share most training clips, so that it finds too much. "
    "The verdicts on claims use the corrected resampled t-test."
)


@dataclass(frozen=True)
class Filled:
    """An experiment with its numbers.

    Attributes:
        values: (row, column) -> one value per seed, in the order of the seeds, NaN where that seed failed or was not run; rows
            without the column have no entry.
        clips: test clips per seed; parthasarathy2020detecting's test uses those of the smallest split.
        raw: row -> all measurements, one per measured seed.
        failed: one sentence for each cell that failed.
    """

    experiment: Experiment
    corpus: str
    seeds: tuple[int, ...]
    values: Mapping[tuple[str, str], tuple[float, ...]]
    clips: tuple[int, ...] = ()
    raw: Mapping[str, tuple[Measured, ...]] = field(default_factory=dict)
    failed: tuple[str, ...] = ()

    def mean(self, row: Row, column: Column) -> float:
        values = self._there(row, column)
        return float(np.mean(values)) if values else float("nan")

    def sd(self, row: Row, column: Column) -> float:
        values = self._there(row, column)
        return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")

    def test(self, column: Column, other: Row) -> Significance | None:
        """The tested row against another, by the paper's test; None where there is nothing to test."""
        experiment = self.experiment
        ours, theirs = self.values.get((other.against, column.name)), self.values.get((other.name, column.name))
        if experiment.test == "none" or other.name == other.against or ours is None or theirs is None:
            return None
        known = METRICS.get(column.metric)
        sign = -1 if (known.better if known else experiment.better) == "lower" else 1
        ours, theirs = both(ours, theirs)
        try:
            if experiment.test == "matched":
                return matched_pairs([sign * v for v in ours], [sign * v for v in theirs])
            if experiment.test == "two-tailed":
                return two_tailed(ours, theirs)
            count = min(self.clips, default=0)
            return fisher_z(float(np.mean(ours)), count, float(np.mean(theirs)), count)
        except UserError:
            return None

    def missing(self) -> dict[str, tuple[int, ...]]:
        """Row -> the table's seeds that it lacks; unmeasured rows are left out."""
        found: dict[str, set[int]] = {row: set() for row, _ in self.values}
        for (row, _), values in self.values.items():
            found[row] |= {seed for seed, value in zip(self.seeds, values, strict=True) if np.isfinite(value)}
        return {row: tuple(s for s in self.seeds if s not in there) for row, there in found.items() if there != set(self.seeds)}

    def _there(self, row: Row, column: Column) -> tuple[float, ...]:
        return tuple(v for v in self.values.get((row.name, column.name), ()) if np.isfinite(v))


def both(ours: Sequence[float], theirs: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The scores of the seeds that both have."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if np.isfinite(a) and np.isfinite(b)]
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)


def frame(filled: Filled) -> pd.DataFrame:
    """One line per row, column and seed, for the CSV."""
    lines = [
        {"row": row, "column": column, "seed": seed, "value": value}
        for (row, column), values in filled.values.items()
        for seed, value in zip(filled.seeds, values, strict=True)
        if np.isfinite(value)
    ]
    return pd.DataFrame(lines, columns=["row", "column", "seed", "value"])


def markdown(filled: Filled) -> str:
    """The measured table, the test results, and the paper's table, as Markdown."""
    experiment = filled.experiment
    seeds = ", ".join(map(str, filled.seeds))
    lines = [f"## {experiment.paper}, {experiment.item}: {experiment.title}", ""]
    lines += [f"Measured on the corpus {filled.corpus}, seeds {seeds}: mean ± standard deviation over seeds.", ""]
    lines += _table(experiment, lambda row, column: _measured(filled, row, column))
    if absent := filled.missing():
        lines += ["", "Without a result: " + "; ".join(f"{row}, {_seeds(seeds)}" for row, seeds in absent.items()) + "."]
    if unmeasured := [row.name for row in experiment.rows if row.name not in {name for name, _ in filled.values}]:
        lines += ["", f"Not measured: {'; '.join(unmeasured)}."]
    lines += ["", *(f"Failed: {sentence}" for sentence in filled.failed)] if filled.failed else []
    if epochs := _uneven(experiment):
        lines += ["", f"Not all rows were given the same epochs: {epochs}."]
    # With a subset of rows there may be none to test against.
    if any(filled.test(column, row) for row in experiment.rows for column in row.columns):
        worse = "Worse than" if experiment.test == "matched" else "Different from"
        tested = "; ".join(dict.fromkeys(row.against for row in experiment.rows))
        below = 0.01 if experiment.test == "fisher-z" else 0.05
        lines += [
            "",
            f"\\* {worse} {tested} ({TESTS[experiment.test]}, p < {below:g}). p-values:",
            _OVERLAP
            if experiment.test != "fisher-z"
            else f"Samples counted: {min(filled.clips, default=0)} clips, those of one split.",
            "",
        ]
        lines += _table(experiment, lambda row, column: _p(filled.test(column, row)))
    for on in dict.fromkeys(p.on for p in experiment.printed):
        lines += ["", f"### The paper's own figures, on {on}", ""]
        lines += _printed(experiment, [p for p in experiment.printed if p.on == on])
    if experiment.note:
        lines += ["", experiment.note]
    return "\n".join(lines) + "\n"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _uneven(experiment: Experiment) -> str:
    """A note on rows with different epochs; empty if all are equal."""
    rows: dict[int, list[str]] = {}
    for row in experiment.rows:
        rows.setdefault(row.run.training.epochs, []).append(row.name)
    return "; ".join(f"{count} for {', '.join(names)}" for count, names in rows.items()) if len(rows) > 1 else ""


def _table(experiment: Experiment, cell: Callable[[Row, Column], str]) -> list[str]:
    return _lines(experiment, {row.name: [cell(row, column) for column in experiment.columns] for row in experiment.rows})


def _lines(experiment: Experiment, rows: Mapping[str, Sequence[str]]) -> list[str]:
    head = "| | " + " | ".join(c.name for c in experiment.columns) + " |"
    rule = "|---|" + "---:|" * len(experiment.columns)
    return [head, rule, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())]


def _measured(filled: Filled, row: Row, column: Column) -> str:
    mean, sd = filled.mean(row, column), filled.sd(row, column)
    if np.isnan(mean):
        return ""
    digits = 0 if abs(mean) >= 1000 else 3
    star = "*" if (found := filled.test(column, row)) and found.significant else ""
    return f"{mean:,.{digits}f}" + (f" ± {sd:,.{digits}f}" if not np.isnan(sd) else "") + star


def _printed(experiment: Experiment, values: Sequence[Printed]) -> list[str]:
    """The paper's rows in its order, without those for which it has no number."""
    texts = {(p.row, p.column): f"{p.value:,.0f}" if abs(p.value) >= 1000 else f"{p.value:g}" for p in values}
    rows = dict.fromkeys(p.row for p in values)
    return _lines(experiment, {name: [texts.get((name, c.name), "") for c in experiment.columns] for name in rows})


def _p(found: Significance | None) -> str:
    return "" if found is None else f"{found.p:.3g}"


def figure(filled: Filled) -> go.Figure:
    """The experiment's figure; error bars are one standard deviation over seeds."""
    experiment = filled.experiment
    if experiment.kind in ("confusion", "points"):
        drawn = _confusions(filled) if experiment.kind == "confusion" else _maps(filled)
        return drawn.update_layout(title=f"{experiment.paper}, {experiment.item}: {experiment.title}")
    drawn = go.Figure()
    for row in experiment.rows:
        # Next to parameter counts, the bars of shares would be invisible; the table has both.
        columns = [c for c in row.columns if c.condition != "cost"] or row.columns
        names = [c.name for c in columns]
        means, sds = [filled.mean(row, c) for c in columns], [filled.sd(row, c) for c in columns]
        error = {"type": "data", "array": sds, "visible": len(filled.seeds) > 1}
        if experiment.kind == "curves":
            places = [level(c) for c in columns]
            drawn.add_scatter(x=places, y=means, error_y=error, name=row.name, mode="lines+markers")
        elif experiment.kind == "spread":
            points = [(c.name, v) for c in columns for v in filled.values.get((row.name, c.name), ())]
            drawn.add_box(x=[n for n, _ in points], y=[v for _, v in points], name=row.name, boxmean=True, boxpoints="all")
        else:
            drawn.add_bar(x=names, y=means, error_y=error, name=row.name)
    drawn.update_layout(title=f"{experiment.paper}, {experiment.item}: {experiment.title}", boxmode="group", barmode="group")
    if experiment.kind == "curves":
        drawn.update_xaxes(title="share of the frames that are there", range=[0, 1.02])
    metrics = {c.metric for row in experiment.rows for c in row.columns if c.condition != "cost"}
    drawn.update_yaxes(title=", ".join(sorted(metrics)))
    return drawn


def _confusions(filled: Filled) -> go.Figure:
    """One confusion matrix per row of the experiment, over all seeds: rows are true classes, normalised."""
    rows = [row for row in filled.experiment.rows if row.name in filled.raw]
    drawn = make_subplots(1, max(1, len(rows)), subplot_titles=[row.name for row in rows])
    for place, row in enumerate(rows, 1):
        results = filled.raw[row.name]
        counts = np.sum([result["whole"]["decision"]["confusion"] for result in results], 0)
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
    """The share of frames that a condition keeps."""
    words = column.condition.split()
    if words[0] == "without":
        return 0.0
    return 1 - float(words[-1]) if len(words) > 2 else 1.0


def write(filled: Filled, folder: Path, html: bool = True) -> list[Path]:
    """Write Markdown, CSV and the figure (JSON, and standalone HTML, 4 MB) of an experiment. Returns the files."""
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
