"""What an experiment is: a table or figure of a paper as a small declarative file in ``experiments/``.

A file names rows (what is trained), columns (what is measured, under which condition) and, under a heading of its own, what the
paper printed. Format, TOML:

    paper, item, title        "goncalves2022robust" (a key of docs/papers.md), "Table 1", a line of our own
    kind                      how it is drawn: table, bars, curves, spread, confusion (summed over seeds), points (a map a row,
                              of the first seed)
    test                      none, matched, two-tailed, fisher-z: the paper's test of significance
    against                   the row that is tested against every other
    better                    "higher" (default) or "lower", of what ``core.metrics`` does not know
    note                      one sentence, where our setting departs from the paper's
    published                 rows that the paper's table has and this one has not

    [defaults]                fields of every row that leaves them out
    [[rows]]                  name, system; optionally preset, strategy (the recipe's if left out: ``core.training.recipes``),
                              changes (of the config), options (of the strategy), training (of TrainConfig, over the recipe's),
                              data (see ``Data``), columns (their names; all if left out), conditions and heads (column ->
                              condition, head), head and metric (of all its columns, where the columns' own are not meant),
                              against (where a part of the table is tested against a row of its own)
    [[columns]]               name, metric, condition ("whole" if left out), head ("decision" if left out)
    [[paper_values]]          row, column, value, on (the corpus that it was measured on)

Conditions, with the metrics that each gives:

    "whole", "without audio", "random visual 0.3" (that share of the frames missing), "burst audio 0.5", "tail visual 0.5"
                              of classes: accuracy, micro_f1, macro_f1, uar, ece, "recall anger" (or another class);
                              of attributes: ccc, mae, ccc_arousal, mae_valence, …
    "shared layers"           distance (cosine, between sound and picture of a clip after the last shared layer;
                              goncalves2025versatile, Fig. 4),
                              mismatched (of other clips' pictures), and by stage, "distance shared layer 1", …
    "map"                     silhouette, knn_accuracy (of the spec's first embedding, by class)
    "cost"                    parameters, megabytes, seconds_an_epoch, epochs, milliseconds_a_clip

A model without the modality that a condition takes away is measured whole.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from affectscope.core.errors import UserError
from affectscope.core.house import ROOT
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.recipes import recipe
from affectscope.core.training.strategies import STRATEGIES

FOLDER = ROOT / "experiments"

Kind = Literal["table", "bars", "curves", "points", "spread", "confusion"]
Test = Literal["none", "matched", "two-tailed", "fisher-z"]


@dataclass(frozen=True)
class Data:
    """What of a corpus a row is trained on.

    Attributes:
        step: seconds; sound and face features are averaged to this step, so that two cores train many models. 0 leaves them.
        broken_pairs: share of the training clips that lose one modality for good, sound and picture in turn
            (goncalves2025versatile, III-D).
    """

    step: float = 0.08
    broken_pairs: float = 0.0


@dataclass(frozen=True)
class Run:
    """One thing to train, but for the seed."""

    system: str
    preset: str = "demo"
    strategy: str = "standard"
    changes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    training: TrainConfig = field(default_factory=TrainConfig)
    data: Data = field(default_factory=Data)


@dataclass(frozen=True)
class Column:
    """One thing to measure."""

    name: str
    metric: str
    condition: str = "whole"
    head: str = "decision"


@dataclass(frozen=True)
class Row:
    """A line of a table: a run, the columns that it fills, and the row that is tested against it."""

    name: str
    run: Run
    columns: tuple[Column, ...]
    against: str = ""


@dataclass(frozen=True)
class Printed:
    """A figure of the paper's own."""

    row: str
    column: str
    value: float
    on: str


@dataclass(frozen=True)
class Experiment:
    """A table or figure; see the module."""

    name: str
    paper: str
    item: str
    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    kind: Kind = "table"
    test: Test = "none"
    against: str = ""
    better: Literal["higher", "lower"] = "higher"
    note: str = ""
    printed: tuple[Printed, ...] = ()
    published: tuple[str, ...] = ()


def experiments() -> dict[str, Path]:
    """The files at hand, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def load(name: str | Path) -> Experiment:
    """Read one experiment, by its name or its file's path.

    Raises:
        UserError: when there is none, or the file says something that does not exist.
    """
    path = Path(name) if str(name).endswith(".toml") else experiments().get(str(name))
    if path is None or not path.is_file():
        raise UserError(f"There is no experiment {name}: `affectscope experiment list` names them.")
    try:
        return _experiment(path.stem, tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path.name} cannot be read as an experiment: {error}.") from error


def _experiment(name: str, content: dict[str, Any]) -> Experiment:
    columns = tuple(Column(**column) for column in content.pop("columns"))
    defaults = content.pop("defaults", {})
    usual = {"against": content.get("against", "")} | defaults
    rows = tuple(_row({**usual, **row}, defaults, columns) for row in content.pop("rows"))
    printed = tuple(Printed(**{**one, "value": float(one["value"])}) for one in content.pop("paper_values", []))
    made = Experiment(name=name, rows=rows, columns=columns, printed=printed, **{k: _frozen(v) for k, v in content.items()})
    names = {row.name for row in rows}
    known = {column.name for column in columns}
    for one in printed:
        if one.row not in names | set(made.published) or one.column not in known:
            raise ValueError(f"the paper's figure for {one.row}, {one.column} has no place in the table")
    if made.test != "none" and (missing := {row.against for row in rows} - names):
        raise ValueError(f"there is no row {sorted(missing)[0]!r} to test against the others")
    return made


def _row(row: dict[str, Any], defaults: dict[str, Any], columns: tuple[Column, ...]) -> Row:
    preset = row.get("preset", "demo")
    usual = recipe(row["system"], preset)
    training = {**asdict(usual.config), **defaults.get("training", {}), **row.get("training", {})}
    data = {**defaults.get("data", {}), **row.get("data", {})}
    if unknown := set(training) - {f.name for f in fields(TrainConfig)}:
        raise ValueError(f"training knows no {sorted(unknown)[0]}")
    run = Run(
        system=row["system"],
        preset=preset,
        strategy=row.get("strategy", usual.strategy),
        changes={k: _frozen(v) for k, v in row.get("changes", {}).items()},
        options={k: _frozen(v) for k, v in row.get("options", {}).items()},
        training=TrainConfig(**{k: _frozen(v) for k, v in training.items()}),
        data=Data(**data),
    )
    # Names that do not exist are told when the file is read, not after an hour of training.
    MODELS[run.system].presets()[run.preset]
    STRATEGIES[run.strategy]
    wanted = row.get("columns", [column.name for column in columns])
    if missing := set(wanted) - {column.name for column in columns}:
        raise ValueError(f"there is no column {sorted(missing)[0]!r}")
    own = row.get("conditions", {})
    heads = row.get("heads", {})
    filled = tuple(
        replace(
            c,
            metric=row.get("metric", c.metric),
            condition=own.get(c.name, c.condition),
            head=heads.get(c.name, row.get("head", c.head)),
        )
        for c in columns
        if c.name in wanted
    )
    return Row(row["name"], run, filled, row["against"])


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
