"""The format of an experiment: a table or figure of a paper, as a small declarative file in ``experiments/``.

A file lists rows (what is trained), columns (what is measured, under which condition) and, separately, the paper's printed
numbers. Format, TOML:

    paper, item, title        "goncalves2022robust" (a key of docs/papers.md), "Table 1", a line of our own
    kind                      how it is drawn: table, bars, curves, spread, confusion (summed over seeds), points (a map per row,
                              of the first seed)
    test                      none, matched, two-tailed, fisher-z: the paper's test of significance
    against                   the row that is tested against every other
    better                    "higher" (default) or "lower", for metrics that ``core.metrics`` does not define
    note                      one sentence, if our setting departs from the paper's
    published                 rows of the paper's table that are missing here

    [defaults]                default values of the rows' fields
    [[rows]]                  name, system; optionally preset, strategy (default: the recipe's, see ``core.training.recipes``),
                              changes (of the config), options (of the strategy), training (of TrainConfig, over the recipe's),
                              data (see ``Data``), columns (their names; default: all), conditions and heads (column ->
                              condition, head), head and metric (for all its columns, instead of the columns' own),
                              against (a row of its own to be tested against)
                              paper_size (preset, changes, training, strategy, columns: at the paper's size)
    [[columns]]               name, metric, condition (default: "whole"), head (default: "decision")
    [[paper_values]]          row, column, value, on (the corpus on which it was measured)
    [paper_size]              differences at the paper's size for every row: changes, training, features (modality -> feature
                              set); further columns and rows
    needs                     required columns of the corpus's table: attributes that not every corpus has

A file describes the demo size. ``Setting`` converts it to the paper's: presets, features and training as published, and with them
the paper's protocol (``core.experiments.protocols``).

Conditions, with their metrics:

    "whole", "without audio", "random visual 0.3" (that share of the frames removed), "burst audio 0.5", "tail visual 0.5",
    "random visual zeros x10 0.3" (replaced by zeros; drawn ten times)
                              for classes: accuracy, micro_f1, macro_f1, uar, ece, "recall anger" (or another class);
                              for attributes: ccc, mae, ccc_arousal, mae_valence, …
    "shared layers"           distance (cosine, between sound and picture of a clip after the last shared layer;
                              goncalves2025versatile, Fig. 4),
                              mismatched (with other clips' pictures), and by stage, "distance shared layer 1", …
    "map"                     silhouette, knn_accuracy (of the spec's first embedding, by class)
    "cost"                    parameters, megabytes, epochs
    "speed"                   seconds_an_epoch, milliseconds_a_clip, measured when nothing else of the experiment runs
    "latency", "latency without audio"
                              seconds, real_time_factor: the median over the test clips, one at a time

A model that does not take the removed modality is measured on whole clips.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from affectscope.core.errors import UserError
from affectscope.core.experiments.protocols import OWN, PROTOCOLS, Protocol
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS
from affectscope.core.paths import ROOT
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.presets import is_demo
from affectscope.core.training.recipes import recipe
from affectscope.core.training.strategies import STRATEGIES

FOLDER = ROOT / "experiments"

Kind = Literal["table", "bars", "curves", "points", "spread", "confusion"]
Test = Literal["none", "matched", "two-tailed", "fisher-z"]


@dataclass(frozen=True)
class Data:
    """The data on which a row is trained.

    Attributes:
        step: seconds; sound and face features are averaged to this step, so that two cores can train many models. 0 disables it.
        broken_pairs: share of the training clips that permanently lose one modality, sound and picture alternately
            (goncalves2025versatile, III-D).
        normalised: the modalities normalised by the training set; None for all.
    """

    step: float = 0.08
    broken_pairs: float = 0.0
    normalised: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Run:
    """A training configuration without the seed.

    Attributes:
        features: modality -> feature set, where a published preset's widths do not identify its paper's.
    """

    system: str
    preset: str = "demo"
    strategy: str = "standard"
    changes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    training: TrainConfig = field(default_factory=TrainConfig)
    data: Data = field(default_factory=Data)
    features: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """A measured quantity."""

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
    """A number printed in the paper."""

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
    needs: tuple[str, ...] = ()


def experiments() -> dict[str, Path]:
    """The experiment files by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


@dataclass(frozen=True)
class Setting:
    """The size and protocol of an experiment.

    Attributes:
        preset: "demo", or a published one: a row's "demo-visual" becomes "paper-visual". A system without it uses "paper".
        protocol: "own" or "paper"; default: "paper" only at published sizes.
        kind: of the corpus, for corpus-specific rules of a paper.
        training: ``TrainConfig`` settings from the user, for every row.
    """

    preset: str = "demo"
    protocol: Literal["", "own", "paper"] = ""
    kind: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def published(self) -> bool:
        return not is_demo(self.preset)

    def of(self, paper: str) -> Protocol:
        """The protocol for a paper's experiments."""
        followed = self.protocol or ("paper" if self.published else "own")
        return PROTOCOLS.get(paper, OWN) if followed == "paper" else OWN


DEMO_SIZE = Setting()


def load(name: str | Path, setting: Setting = DEMO_SIZE) -> Experiment:
    """Read one experiment, by its name or its file's path.

    Raises:
        UserError: when it does not exist, or refers to something unknown.
    """
    path = Path(name) if str(name).endswith(".toml") else experiments().get(str(name))
    if path is None or not path.is_file():
        raise UserError(f"There is no experiment {name}: `affectscope experiment list` names them.")
    try:
        return _experiment(path.stem, tomllib.loads(path.read_text()), setting)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path.name} cannot be read as an experiment: {error}.") from error


def only(experiment: Experiment, rows: Sequence[str]) -> Experiment:
    """An experiment restricted to some rows, with their reference row if it is among them.

    Raises:
        UserError: when there is no such row.
    """
    names = [row.name for row in experiment.rows]
    if unknown := [name for name in rows if name not in names]:
        raise UserError(f"{experiment.name} has no row {unknown[0]!r}; it has {'; '.join(names)}.")
    return replace(experiment, rows=tuple(row for row in experiment.rows if row.name in rows))


def _experiment(name: str, content: dict[str, Any], setting: Setting) -> Experiment:
    at_size = content.pop("paper_size", {})
    more = [Column(**column) for column in at_size.get("columns", [])]
    added = at_size.get("rows", [])
    protocol = setting.of(content["paper"])
    columns = tuple(Column(**column) for column in content.pop("columns")) + tuple(more if setting.published else ())
    defaults = content.pop("defaults", {})
    usual = {"against": content.get("against", "")} | defaults
    rows = tuple(
        _row(_sized({**usual, **row}, at_size, setting, protocol), defaults, columns, protocol, setting)
        for row in content.pop("rows") + (added if setting.published else [])
    )
    printed = tuple(Printed(**{**values, "value": float(values["value"])}) for values in content.pop("paper_values", []))
    made = Experiment(name=name, rows=rows, columns=columns, printed=printed, **{k: _frozen(v) for k, v in content.items()})
    names = {row.name for row in rows} | {row["name"] for row in added}
    known = {column.name for column in (*columns, *more)}
    for figure in printed:
        if figure.row not in names | set(made.published) or figure.column not in known:
            raise ValueError(f"the paper's figure for {figure.row}, {figure.column} has no place in the table")
    shown = {column.name for column in columns}
    there = {row.name for row in rows} | set(made.published)
    made = replace(
        made,
        printed=tuple(figure for figure in printed if figure.column in shown and figure.row in there),
        note=_note(made, setting, protocol),
    )
    if made.test != "none" and (missing := {row.against for row in rows} - names):
        raise ValueError(f"there is no row {sorted(missing)[0]!r} to test against the others")
    return made


def _note(made: Experiment, setting: Setting, protocol: Protocol) -> str:
    """The file's note, plus what differs from the paper because of the protocol."""
    papers = PROTOCOLS.get(made.paper, OWN)
    takes = {c.condition.split()[0] for row in made.rows for c in row.columns} & {"without", "random", "burst", "tail"}
    sentences = []
    if any(papers.put(kind) != protocol.put(kind) for kind in takes):
        sentences.append("Missing frames are absent here; the paper replaces them by zeros.")
    if takes & {"random", "burst"} and papers.draws != protocol.draws:
        sentences.append(f"Each point is the mean of {protocol.draws} draws, the paper's of {papers.draws}.")
    if setting.published and protocol.trials > 1:
        sentences.append(f"The paper's figures are means over {protocol.trials} trials.")
    return " ".join([made.note, *sentences]).strip()


def _sized(row: dict[str, Any], at_size: dict[str, Any], setting: Setting, protocol: Protocol) -> dict[str, Any]:
    """A row adapted to the setting: at a published size with that preset, and the file's settings for that size."""
    own = row.pop("paper_size", {})
    system = row["system"]
    strategy = row.get("strategy", recipe(system, row.get("preset", "demo")).strategy)
    changes = {**row.get("changes", {}), **protocol.changes.get(system, {})}
    row = row | {"changes": changes, "options": {**protocol.options_of(strategy), **row.get("options", {})}}
    if not setting.published:
        return row
    preset = own.get("preset") or _preset(system, row.get("preset", "demo"), setting.preset)
    changes = {**changes, **protocol.published.changes.get(system, {}), **at_size.get("changes", {})}
    features = {**protocol.published.features, **at_size.get("features", {})}
    training = {**row.get("training", {}), **at_size.get("training", {}), **own.get("training", {})}
    changes = {**own["changes"], **protocol.changes.get(system, {})} if "changes" in own else changes
    data = {**row.get("data", {}), "step": 0.0}
    sized = {"preset": preset, "changes": changes, "features": features, "training": training, "data": data}
    return row | sized | {name: own[name] for name in ("strategy", "columns") if name in own}


def _preset(system: str, row: str, asked: str) -> str:
    """A row's preset at a published size."""
    presets = MODELS[system].presets()
    suffix = row.removeprefix("demo")
    found = next((name for name in (asked + suffix, f"paper{suffix}") if name in presets), None)
    if found is None:
        raise ValueError(f"{system} has no preset {asked + suffix}")
    return found


def _row(row: dict[str, Any], defaults: dict[str, Any], columns: tuple[Column, ...], protocol: Protocol, setting: Setting) -> Row:
    preset = row.get("preset", "demo")
    usual = recipe(row["system"], preset)
    by_paper = {**(protocol.published.training if setting.published else {}), **protocol.training_on(setting.kind)}
    by_file = {**defaults.get("training", {}), **row.get("training", {})}
    training = {**asdict(usual.config), **by_paper, **by_file, **setting.training}
    data = {"normalised": protocol.normalised, **defaults.get("data", {}), **row.get("data", {})}
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
        features=row.get("features", {}),
    )
    # Fail on unknown names when the file is read, not after an hour of training.
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
            condition=protocol.condition(own.get(c.name, c.condition)),
            head=heads.get(c.name, row.get("head", c.head)),
        )
        for c in columns
        if c.name in wanted
    )
    return Row(row["name"], run, filled, row["against"])


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
