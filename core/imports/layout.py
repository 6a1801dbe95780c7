"""Which columns are whose. A row a clip, with columns ``MODEL.HEAD.CLASS``; or a row an answer (``model``, ``class``, …)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from core.errors import UserError
from core.imports.read import Problem, Table
from core.surveyed import DECISION
from core.text import shown

Scale = Literal["auto", "probabilities", "logits"]
CLIP, LABEL, PATH = "clip", "label", "path"
MOST_MODELS = 50
MOST_CLASSES = 200
MOST_FACTS = 50
# Columns that a survey has of its own.
_OWN: tuple[str, ...] = ("predicted", "correct", "confidence", "margin", "disagreement", "attention_entropy", "error")
_OWN += ("truth", "evidence", "truth_share", "outcome", "wrong", "chosen", "picture", "map_x", "map_y", "seconds")
_ALIASES = {"clip_id": CLIP, "file": CLIP, "filename": CLIP, "id": CLIP, "true_label": LABEL, "media": PATH}
_VALUES: dict[str, Scale] = {"probability": "probabilities", "logit": "logits", "value": "auto"}
_ATTENTION, _EMBEDDING, _RATE = "attention", "embedding", "rate"


@dataclass
class Answers:
    """What one head says: values [R, C], NaN where there is none; ``faults`` are rows whose list has a wrong length."""

    classes: tuple[str, ...]
    values: np.ndarray
    scale: Scale = "auto"
    faults: dict[int, str] = field(default_factory=dict)


@dataclass
class Columns:
    """A model's share of the table.

    Attributes:
        heads: name -> answers, "decision" where the table says what the system as a whole answers.
        attention: (modality, name) -> the columns of weights and of their rate in Hz (empty where there is none).
        embeddings: name -> column.
    """

    heads: dict[str, Answers] = field(default_factory=dict)
    attention: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    embeddings: dict[str, str] = field(default_factory=dict)


@dataclass
class Layout:
    """A table understood: a row a clip, whatever its rows were before.

    Attributes:
        at: which of the table's rows a clip's facts, attention and embeddings are in.
        facts: names of columns that say something of the clip.
    """

    clips: list[str]
    rows: list[int]
    at: list[int]
    models: dict[str, Columns]
    facts: list[str]
    problems: list[Problem]
    notes: list[str]


def understand(table: Table, called: str, classes: Sequence[str] = ()) -> Layout:
    """Find models, heads and classes in a table's columns.

    Args:
        called: what a model without a name is called.
        classes: their names, in the order of lists of posteriors.

    Raises:
        UserError: when it names no clip, or no model's answers.
    """
    table.columns = {
        _ALIASES[name] if name in _ALIASES and _ALIASES[name] not in table.columns else name: cells
        for name, cells in table.columns.items()
    }
    if CLIP not in table.columns:
        raise UserError(f"{shown(table.file)} has no column {CLIP}: name each row's clip in one.")
    long = "class" in table.columns and any(name in table.columns for name in _VALUES)
    made = _long(table, called) if long else _wide(table, classes)
    if not made.models:
        raise UserError(
            f"{shown(table.file)} has no predictions: name columns MODEL.HEAD.CLASS, or see docs/import-predictions.md."
        )
    if len(made.models) > MOST_MODELS:
        raise UserError(f"{shown(table.file)} names {len(made.models)} models, of at most {MOST_MODELS}: split it.")
    taken = [name for name in made.facts if name in _OWN or name.startswith(tuple(f"{own}_" for own in _OWN[:3]))]
    if taken:
        made.notes.append(f"Columns that the dashboard works out itself were left out: {', '.join(map(shown, taken))}.")
    made.facts = [name for name in made.facts if name not in taken]
    if len(made.facts) > MOST_FACTS:
        made.notes.append(f"Only the first {MOST_FACTS} of {len(made.facts)} columns about clips were taken.")
        made.facts = made.facts[:MOST_FACTS]
    return made


def _wide(table: Table, classes: Sequence[str]) -> Layout:
    clips = table.texts(CLIP)
    made = Layout(clips, table.rows, list(range(len(clips))), {}, [], list(table.problems), [])
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name in table.columns:
        parts = name.split(".")
        if len(parts) < 2 or not all(parts):
            made.facts += [name] if name not in (CLIP, LABEL, PATH) else []
            continue
        model, *rest = parts
        own = made.models.setdefault(model, Columns())
        if rest[0] == _ATTENTION:
            if rest[-1] != _RATE and table.has_lists(name):
                rate = f"{name}.{_RATE}"
                key = rest[1] if len(rest) > 1 else "audio", ".".join(rest[2:])
                own.attention[key] = name, rate if rate in table.columns else ""
        elif rest[0] == _EMBEDDING:
            own.embeddings[".".join(rest[1:]) or _EMBEDDING] = name
        elif table.has_lists(name):
            own.heads[".".join(rest)] = _listed(table, name, classes)
        elif table.is_numeric(name):
            head, one = (DECISION, rest[0]) if len(rest) == 1 else (rest[0], ".".join(rest[1:]))
            groups.setdefault((model, head), []).append((one, name))
        else:
            made.notes.append(f"Column {shown(name)} holds no numbers and was left out.")
    for (model, head), columns in groups.items():
        if len(columns) == 1:
            made.notes.append(f"Column {shown(columns[0][1])} is one class alone and was left out.")
            continue
        names = tuple(one for one, _ in columns)
        values = np.stack([table.numbers(column) for _, column in columns], 1)
        made.models[model].heads.setdefault(head, Answers(names, values))
    made.models = {model: _alike(model, own, made.notes) for model, own in made.models.items() if own.heads}
    return made


def _listed(table: Table, name: str, classes: Sequence[str]) -> Answers:
    """Posteriors as a list in a cell."""
    if not classes:
        raise UserError(
            f"Column {shown(name)} holds lists: name their classes in order with --classes, or give each class a column."
        )
    made = Answers(tuple(classes), np.full((len(table.rows), len(classes)), np.nan))
    for i, values in enumerate(table.lists(name)):
        if values is not None and len(values) == len(classes):
            made.values[i] = values
        elif values is not None:
            made.faults[i] = f"{len(values)} values for {len(classes)} classes" if len(values) else "no list of numbers"
    return made


def _alike(model: str, own: Columns, notes: list[str]) -> Columns:
    """Every head in the first one's order of classes; those that name others are left out."""
    first = next(iter(own.heads.values())).classes
    if len(first) > MOST_CLASSES:
        raise UserError(f"{shown(model)} has {len(first)} classes, of at most {MOST_CLASSES}: name columns MODEL.HEAD.CLASS.")
    kept = {}
    for head, said in own.heads.items():
        if set(said.classes) != set(first):
            notes.append(f"Head {shown(head)} of {shown(model)} names other classes than its first and was left out.")
            continue
        order = [said.classes.index(name) for name in first]
        kept[head] = Answers(first, said.values[:, order], said.scale, said.faults)
    own.heads = kept
    return own


def _long(table: Table, called: str) -> Layout:
    """Rows (clip, model, head, class, value) gathered by clip."""
    column = next(name for name in _VALUES if name in table.columns)
    clips, values, said = table.texts(CLIP), table.numbers(column), table.texts("class")
    count = len(clips)
    names = table.texts("model") if "model" in table.columns else [called] * count
    heads = table.texts("head") if "head" in table.columns else [DECISION] * count
    problems = list(table.problems)
    place: dict[str, int] = {}
    rows: list[int] = []
    at: list[int] = []
    for i, clip in enumerate(clips):
        if clip and clip not in place:
            place[clip] = len(rows)
            rows.append(table.rows[i])
            at.append(i)
    classes: dict[str, dict[str, int]] = {}
    for name, one in zip(names, said, strict=True):
        if one:
            classes.setdefault(name or called, {}).setdefault(one, len(classes.get(name or called, {})))
    made: dict[str, Columns] = {}
    for i, clip in enumerate(clips):
        if not clip or not said[i]:
            problems.append(Problem(table.rows[i], f"no {'class' if clip else 'clip'} is named"))
            continue
        model, head = names[i] or called, heads[i] or DECISION
        own, order = made.setdefault(model, Columns()), classes[model]
        if len(order) > MOST_CLASSES:
            raise UserError(f"{shown(model)} has {len(order)} classes, of at most {MOST_CLASSES}: check the column class.")
        if head not in own.heads:
            own.heads[head] = Answers(tuple(order), np.full((len(rows), len(order)), np.nan), _VALUES[column])
        cell = own.heads[head].values[place[clip]]
        if not np.isnan(cell[order[said[i]]]):
            problems.append(Problem(table.rows[i], f"{shown(said[i])} comes twice for clip {shown(clip)}", model))
        elif np.isnan(values[i]):
            problems.append(Problem(table.rows[i], "its value is missing or no number", model))
        else:
            cell[order[said[i]]] = values[i]
    taken = {CLIP, LABEL, PATH, "model", "head", "class", column}
    facts = [name for name in table.columns if name not in taken and "." not in name]
    return Layout(list(place), rows, at, {k: v for k, v in made.items() if len(classes[k]) > 1}, facts, problems, [])
