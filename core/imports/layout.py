"""Interprets columns: either a row per clip with ``MODEL.HEAD.CLASS``, or a row per answer (``model``, ``class``, …)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from affectscope.core.corpora.footers import footer, left_out
from affectscope.core.errors import UserError
from affectscope.core.imports.bare import chosen_alone, name_models, one_answer_a_row
from affectscope.core.imports.columns import (
    CLIP,
    LABEL,
    PATH,
    TRUTH,
    gathered,
    listed,
    meant,
    named_by,
    numbered,
    spelled_out,
    without_worked_out,
)
from affectscope.core.imports.read import Problem, Table
from affectscope.core.imports.scales import ATTRIBUTES, DIMENSIONS, Scale
from affectscope.core.inference.table import DECISION
from affectscope.core.text import shown

MOST_MODELS = 50
MOST_CLASSES = 200
MOST_FACTS = 50
# Names of a prediction table's own columns.
_OWN: tuple[str, ...] = ("predicted", "correct", "confidence", "margin", "disagreement", "attention_entropy", "error")
_OWN += ("truth", "evidence", "truth_share", "outcome", "wrong", "chosen", "picture", "map_x", "map_y", "seconds")
_VALUES: dict[str, Scale] = {
    "probability": "probabilities", "percent": "percent", "logit": "logits", "log_probability": "log-probabilities",
    "value": "auto",
}  # fmt: skip
_ATTENTION, _EMBEDDING, _RATE = "attention", "embedding", "rate"


@dataclass
class Predictions:
    """One head's outputs: values [R, C], NaN where missing; ``faults``: rows whose list has a wrong length."""

    classes: tuple[str, ...]
    values: np.ndarray
    scale: Scale = "auto"
    faults: dict[int, str] = field(default_factory=dict)


@dataclass
class Columns:
    """A model's columns.

    Attributes:
        heads: name -> outputs, including "decision" if the table has it.
        attention: (modality, name) -> the columns of weights and of their rate in Hz (empty if none).
        embeddings: name -> the column of its lists, or the columns of its numbers.
    """

    heads: dict[str, Predictions] = field(default_factory=dict)
    attention: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    embeddings: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class Layout:
    """An interpreted table: a row per clip, whatever its rows were before.

    Attributes:
        at: the table's row with a clip's facts, attention and embeddings.
        facts: names of columns with further facts about the clip.
        numbered: class index as in the labels -> name, if the user named them in order.
    """

    clips: list[str]
    rows: list[int]
    at: list[int]
    models: dict[str, Columns]
    facts: list[str]
    problems: list[Problem]
    notes: list[str]
    numbered: dict[str, str] = field(default_factory=dict)


def understand(table: Table, called: str, classes: Sequence[str] = ()) -> Layout:
    """Find models, heads and classes in a table's columns.

    Args:
        called: name for a model without one.
        classes: their names, in the order of lists of posteriors.

    Raises:
        UserError: when it has no clip ids, or no model's outputs.
    """
    renamed = meant(table)
    if CLIP not in table.columns:
        raise UserError(
            f"{shown(table.file)} has no column {CLIP}, but {listed(list(table.columns))}: name each row's clip in one."
        )
    renamed += _without_footer(table)
    renamed += one_answer_a_row(table)
    long = "class" in table.columns and any(name in table.columns for name in _VALUES)
    made = _long(table, called) if long else _wide(table, classes)
    if not made.models and not long and (bare := name_models(table, called, classes)):
        made = _wide(table, classes)
        made.notes[:0] = bare
    if not made.models:
        why = made.notes[0].rstrip(".") if made.notes else f"its columns are {listed(list(table.columns))}"
        todo = chosen_alone(table) or "name columns MODEL.HEAD.CLASS, or see docs/import-predictions.md"
        raise UserError(f"{shown(table.file)} has no predictions ({why}): {todo}.")
    made.notes[:0] = renamed
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


def _without_footer(table: Table) -> list[str]:
    """Leave the last rows out that sum up the others; what to say of it.

    Raises:
        UserError: when there are no others.
    """
    clips = table.texts(CLIP)
    count = footer(clips, table.texts(LABEL) if LABEL in table.columns else ())
    if count == len(clips):
        raise UserError(
            f"{shown(table.file)} has no rows of clips but of {listed(clips)}: export the answers themselves, a row a clip."
        )
    table.shorten(len(clips) - count)
    return [left_out(clips[-count:])] if count else []


def _wide(table: Table, classes: Sequence[str]) -> Layout:
    clips = table.texts(CLIP)
    made = Layout(clips, table.rows, list(range(len(clips))), {}, [], list(table.problems), [])
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    numbers: dict[str, list[tuple[str, str]]] = {}
    for name in table.columns:
        parts = _parted(name)
        if len(parts) < 2 or not all(parts):
            made.facts += [name] if name not in (CLIP, LABEL, PATH) else []
            continue
        model, *rest = parts
        if model.casefold() in TRUTH and rest[-1].casefold() in ATTRIBUTES:
            made.facts.append(name)
            continue
        own = made.models.setdefault(model, Columns())
        if table.cut_short(name):
            made.notes.append(
                f"Column {shown(name)} was left out: its lists are cut short by dots, as NumPy prints them; use tolist()."
            )
        elif rest[0] == _ATTENTION:
            if rest[-1] != _RATE and table.has_lists(name):
                rate = f"{name}.{_RATE}"
                key = rest[1] if len(rest) > 1 else "audio", ".".join(rest[2:])
                own.attention[key] = name, rate if rate in table.columns else ""
        elif rest[0] == _EMBEDDING:
            if table.has_lists(name) or not table.is_numeric(name):
                own.embeddings[".".join(rest[1:]) or _EMBEDDING] = (name,)
            else:
                numbers.setdefault(model, []).append((".".join(rest[1:]), name))
        elif table.has_lists(name):
            own.heads[".".join(rest)] = _listed(table, name, classes)
            made.numbered = {str(i): label for i, label in enumerate(classes)}
        elif table.is_numeric(name):
            head, output = (DECISION, rest[0]) if len(rest) == 1 else (rest[0], ".".join(rest[1:]))
            groups.setdefault((model, head), []).append((output, name))
        else:
            made.notes.append(f"Column {shown(name)} holds no numbers and was left out.")
    groups = _without_truth(table, groups, made)
    for model, columns in numbers.items():
        made.models[model].embeddings |= gathered(columns)
    made.notes += _dotted(groups)
    groups = _without_mixtures(without_worked_out(groups, made.notes), made.notes)
    for (model, head), columns in groups.items():
        if len(columns) == 1 and columns[0][0].casefold() not in ATTRIBUTES:
            made.notes.append(f"Column {shown(columns[0][1])} is one class alone and was left out.")
            continue
        made.models.setdefault(model, Columns()).heads.setdefault(head, _answers(table, columns, classes, made))
    made.models = {model: _alike(model, own, made.notes) for model, own in made.models.items() if own.heads}
    return made


def _parted(name: str) -> list[str]:
    """Split into model, head, class. A dot in a version is kept: wav2vec2.0 is one name."""
    parts = name.split(".")
    while len(parts) > 2 and parts[0][-1:].isdigit() and parts[1][:1].isdigit():
        parts = [f"{parts[0]}.{parts[1]}", *parts[2:]]
    return parts


def _dotted(groups: Mapping[tuple[str, str], Sequence[tuple[str, str]]]) -> list[str]:
    """Remarks on how names with more than two dots, or with a version's, were split."""
    dotted = dict.fromkeys(model for model, _ in groups if "." in model)
    notes = [f"{shown(model)} is taken for a model's name, its dot for a version's." for model in dotted]
    for (model, head), columns in groups.items():
        deep = next((output for output, _ in columns if "." in output), None)
        if deep is not None:
            notes.append(
                f"{shown(model)}.{shown(head)}.{shown(deep)} is read as model {shown(model)}, head {shown(head)}, "
                f"class {shown(deep)}: write - for a dot within a name."
            )
    return notes


def _without_truth(
    table: Table, groups: Mapping[tuple[str, str], list[tuple[str, str]]], layout: Layout
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """One-hot columns of true classes are the label, not a model's outputs."""
    made: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (model, head), columns in groups.items():
        if model.casefold() not in TRUTH or len(columns) < 2:
            made[model, head] = columns
            continue
        if ATTRIBUTES.issuperset(spelled_out([output for output, _ in columns])):
            layout.facts += [name for _, name in columns]
            continue
        values = np.stack([table.numbers(name) for _, name in columns], 1)
        told = np.nansum(values, 1) == np.nanmax(np.nan_to_num(values), 1)
        if LABEL not in table.columns and np.isin(values[~np.isnan(values)], (0, 1)).all():
            outputs = [output for output, _ in columns]
            rows = [
                outputs[int(np.nanargmax(row))] if good and np.nansum(row) else "" for row, good in zip(values, told, strict=True)
            ]
            table.columns[LABEL] = rows
            layout.notes.append(f"The true label is the one among {shown(columns[0][1])} … {shown(columns[-1][1])} that is 1.")
        else:
            layout.notes.append(f"Columns of {shown(model)}, which says what is true, are no model's and were left out.")
    return made


def _without_mixtures(
    groups: Mapping[tuple[str, str], list[tuple[str, str]]], notes: list[str]
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """If one head mixes classes and attributes, the attributes become a separate model."""
    made: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (model, head), columns in groups.items():
        attributes = [column for column in columns if column[0].casefold() in DIMENSIONS]
        if not attributes or all(output.casefold() in ATTRIBUTES for output, _ in columns):
            made[model, head] = columns
            continue
        made[model, head] = [column for column in columns if column not in attributes]
        made[f"{model} attributes", head] = attributes
        named = ", ".join(shown(output) for output, _ in attributes)
        notes.append(f"{named} of {shown(model)} are attributes and no classes: they are a model of their own.")
    return made


def _answers(table: Table, columns: Sequence[tuple[str, str]], classes: Sequence[str], layout: Layout) -> Predictions:
    names = tuple(output for output, _ in columns)
    values = np.stack([table.numbers(column) for _, column in columns], 1)
    attributes = spelled_out(names)
    if ATTRIBUTES.issuperset(attributes):
        return Predictions(attributes, values, "attributes")
    if {name.casefold() for name in classes} == {name.casefold() for name in names}:
        own = {name.casefold(): name for name in names}
        layout.numbered |= {str(i): own[name.casefold()] for i, name in enumerate(classes)}
    elif classes and (named := named_by(names, classes, columns[0][1].rpartition(".")[0])):
        layout.numbered |= {re.sub(r"\D", "", old): new for old, new in zip(names, named, strict=True)}
        names = named
    elif numbered(names) is not None:
        layout.numbered |= {re.sub(r"\D", "", name): name for name in names}
    return Predictions(names, values, "percent" if any(table.in_per_cent(column) for _, column in columns) else "auto")


def _listed(table: Table, name: str, classes: Sequence[str]) -> Predictions:
    """Posteriors as a list in a cell."""
    if not classes:
        raise UserError(
            f"Column {shown(name)} holds lists: name their classes in order with --classes, or give each class a column."
        )
    attributes = spelled_out(classes)
    measured = ATTRIBUTES.issuperset(attributes)
    made = Predictions(attributes if measured else tuple(classes), np.full((len(table.rows), len(classes)), np.nan))
    made.scale = "attributes" if measured else "auto"
    for i, values in enumerate(table.lists(name)):
        if values is not None and len(values) == len(classes):
            made.values[i] = values
        elif values is not None:
            made.faults[i] = f"{len(values)} values for {len(classes)} classes" if len(values) else "no list of numbers"
    return made


def _alike(model: str, own: Columns, notes: list[str]) -> Columns:
    """Reorder every head's classes like the first one's; heads with other classes are dropped."""
    first = next(iter(own.heads.values())).classes
    if len(first) > MOST_CLASSES:
        raise UserError(f"{shown(model)} has {len(first)} classes, of at most {MOST_CLASSES}: name columns MODEL.HEAD.CLASS.")
    kept = {}
    for head, predictions in own.heads.items():
        order = _order(predictions.classes, first)
        if order is None:
            notes.append(f"Head {shown(head)} of {shown(model)} names other classes than its first and was left out.")
            continue
        kept[head] = Predictions(first, predictions.values[:, order], predictions.scale, predictions.faults)
    own.heads = kept
    return own


def _order(classes: Sequence[str], first: Sequence[str]) -> list[int] | None:
    """Indices of the first head's classes in another's, ignoring case where that is unambiguous."""
    if set(classes) == set(first):
        return [classes.index(name) for name in first]
    own, wanted = [name.casefold() for name in classes], [name.casefold() for name in first]
    if len(set(own)) < len(own) or len(set(wanted)) < len(wanted) or set(own) != set(wanted):
        return None
    return [own.index(name) for name in wanted]


def _long(table: Table, called: str) -> Layout:
    """Pivot rows (clip, model, head, class, value) by clip."""
    column = next(name for name in _VALUES if name in table.columns)
    clips, values, class_names = table.texts(CLIP), table.numbers(column), table.texts("class")
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
    for name, output in zip(names, class_names, strict=True):
        if output:
            classes.setdefault(name or called, {}).setdefault(output, len(classes.get(name or called, {})))
    made: dict[str, Columns] = {}
    for i, clip in enumerate(clips):
        if not clip or not class_names[i]:
            problems.append(Problem(table.rows[i], f"no {'class' if clip else 'clip'} is named"))
            continue
        model, head = names[i] or called, heads[i] or DECISION
        own, order = made.setdefault(model, Columns()), classes[model]
        if len(order) > MOST_CLASSES:
            raise UserError(f"{shown(model)} has {len(order)} classes, of at most {MOST_CLASSES}: check the column class.")
        if head not in own.heads:
            own.heads[head] = Predictions(tuple(order), np.full((len(rows), len(order)), np.nan), _VALUES[column])
        cell = own.heads[head].values[place[clip]]
        if not np.isnan(cell[order[class_names[i]]]):
            problems.append(Problem(table.rows[i], f"{shown(class_names[i])} comes twice for clip {shown(clip)}", model))
        elif np.isnan(values[i]):
            problems.append(Problem(table.rows[i], "its value is missing or no number", model))
        else:
            cell[order[class_names[i]]] = values[i]
    again = len(problems) - len(table.problems)
    if again > 1 and 2 * again >= sum(bool(clip) for clip in clips) and "frame" in " ".join(table.columns).casefold():
        raise UserError(f"{shown(table.file)} has a row a frame: average them by clip first, with pandas' groupby.")
    for answers in (head for own in made.values() for head in own.heads.values()):
        if all(name.casefold() in ATTRIBUTES for name in answers.classes):
            answers.classes, answers.scale = tuple(name.lower() for name in answers.classes), "attributes"
    taken = {CLIP, LABEL, PATH, "model", "head", "class", column}
    facts = [name for name in table.columns if name not in taken and "." not in name]
    return Layout(
        list(place),
        rows,
        at,
        {k: v for k, v in made.items() if len(classes[k]) > 1 or set(classes[k]) <= ATTRIBUTES},
        facts,
        problems,
        [],
    )
