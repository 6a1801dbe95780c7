"""Tables whose columns do not name a model: ``anger``, ``prob_anger``, ``audio-anger`` are classes of a single model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from affectscope.core.errors import UserError
from affectscope.core.imports.columns import CLIP, LABEL, LETTERS, PATH, TRUTH, listed, numbered, spelled_out
from affectscope.core.imports.read import Table
from affectscope.core.imports.scales import ATTRIBUTES, find, tolerance
from affectscope.core.inference.table import DECISION
from affectscope.core.models.labels import EMOTIONS, NOUNS
from affectscope.core.text import shown

# Classes of the field's corpora that are in no label space here.
_MORE = (
    "joy", "surprise", "calm", "contempt", "boredom", "excitement", "excited", "frustration", "frustrated", "amusement", "other",
    "disappointed", "disappointment", "confusion", "pain", "pride", "interest", "anxiety", "love", "positive", "negative",
)  # fmt: skip
_WORDS = frozenset((*EMOTIONS, *NOUNS, *NOUNS.values(), *_MORE))
# Affixes that mark a number as a model's output, but do not name a head.
_OF_A_MODEL = frozenset((
    "p", "prob", "probs", "proba", "probability", "probabilities", "logit", "logits", "score", "scores", "softmax", "posterior",
    "pred", "preds", "prediction", "predicted", "est", "estimate", "hat", "out", "output", "conf", "confidence", "percent",
    "class", "emo", "emotion",
))  # fmt: skip
_VECTORS = frozenset(("embedding", "embeddings", "emb", "feature", "features", "hidden", "hidden_state", "pooled"))
_APART = re.compile(r"[\s_\-/:()\[\]]+")


def name_models(table: Table, called: str, classes: Sequence[str] = ()) -> list[str]:
    """Rename class columns to ``MODEL.HEAD.CLASS`` where a table names no model; returns remarks.

    A class is a word for an emotion, a value of the label column, or one of ``classes``. A column's name is a class, optionally
    with a prefix or suffix that names its head; or one column holds lists of all classes. Attributes need an affix that marks a
    prediction: alone they are true values.

    Args:
        called: the model's name.
    """
    model = called.replace(".", "-")
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    words = _vocabulary(table, classes)
    for column in table.columns:
        if column in (CLIP, LABEL, PATH) or not table.is_numeric(column):
            continue
        found = _class_of(column, words)
        if found is not None:
            groups.setdefault(found[0], []).append((found[1], column))
    renamed: dict[str, str] = {}
    lists = [name for name in table.columns if name not in (CLIP, LABEL, PATH) and table.has_lists(name)]
    if (answers := [name for name in lists if name.casefold() in _OF_A_MODEL]) and not groups:
        renamed[answers[0]] = f"{model}.{DECISION}"
    if not groups and not renamed:
        groups = _by_number(table, classes)
    for affix, columns in groups.items():
        outputs = [output for output, _ in columns]
        letters = {output.casefold() for output in outputs} <= LETTERS
        if letters and not ATTRIBUTES.issuperset(spelled_out(outputs)) and not words.issuperset(outputs):
            continue
        if not letters and len(set(outputs)) < max(2, len(outputs)) and not ATTRIBUTES.issuperset(outputs):
            continue
        own = _owner(affix, model, {new.rpartition(".")[0] for new in renamed.values()})
        renamed |= {column: f"{own}.{output}" for output, column in columns}
    if not renamed:
        return []
    renamed |= {name: f"{model}.embedding.{name}" for name in lists if name.casefold() in _VECTORS}
    rest = [name for name in table.columns if name not in (*renamed, CLIP, LABEL, PATH) and table.is_numeric(name)]
    table.columns = {renamed.get(name, name): cells for name, cells in table.columns.items()}
    table.commas = frozenset(renamed.get(name, name) for name in table.commas)
    notes = [f"Columns without a model's name are read as classes of {shown(model)}: {listed(list(renamed))}."]
    return notes + ([f"Not among its classes, but facts of the clips: {listed(rest)}."] if rest else [])


def one_answer_a_row(table: Table) -> list[str]:
    """Give a table of ``file, label, score``, as pipelines write their answers, the names that such tables have here; and say so.

    Its labels are no true ones: each clip has several, with scores that add up to 1.
    """
    score = next((name for name in table.columns if name.casefold() in ("score", "scores")), "")
    if "class" in table.columns or LABEL not in table.columns or not score or not table.is_numeric(score):
        return []
    clips, labels, scores = table.texts(CLIP), table.texts(LABEL), table.numbers(score)
    sums: dict[str, float] = {}
    for clip, value in zip(clips, scores, strict=True):
        sums[clip] = sums.get(clip, 0.0) + value
    pairs = set(zip(clips, labels, strict=True))
    near = [abs(total - 1) < tolerance(len(set(labels))) for total in sums.values()]
    if len(pairs) < len(clips) or len(sums) > len(clips) / 2 or sum(near) < len(near) / 2:
        return []
    names = {LABEL: "class", score: "probability"}
    table.columns = {names.get(name, name): cells for name, cells in table.columns.items()}
    return [f"Each row is one answer: label is its class, {shown(score)} its probability."]


def chosen_alone(table: Table) -> str:
    """What to do about a table that has answers, but no number for each class; empty where it has none."""
    for name in (name for name in table.columns if name not in (CLIP, LABEL, PATH) and not table.is_numeric(name)):
        cells = [text for text in table.texts(name) if text]
        if cells and sum(text.startswith(("{", "[{")) for text in cells) > len(cells) / 2:
            return (
                f"column {shown(name)} holds classes and numbers in one cell, give each class a column (pandas' json_normalize)"
            )
        if _OF_A_MODEL.intersection(part.casefold() for part in _APART.split(name)) and len(set(cells)) > 1:
            return f"column {shown(name)} says only which class was chosen, write a number for each class, as predict_proba gives"
    words = _vocabulary(table, ())
    one = [name for name in table.columns if name not in (CLIP, LABEL, PATH) and _class_of(name, words) is not None]
    return f"column {shown(one[0])} is one class alone, write those of the others too" if len(one) == 1 else ""


def _by_number(table: Table, classes: Sequence[str]) -> dict[tuple[str, ...], list[tuple[str, str]]]:
    """Columns called by number (0, 1, 2; Prob_1, Prob_2) that are classes: those were named, or their numbers are shares."""
    columns = [name for name in table.columns if name not in (CLIP, LABEL, PATH) and name[-1:].isdigit()]
    stems: dict[str, list[str]] = {}
    for name in filter(table.is_numeric, columns):
        stems.setdefault(name.rstrip("0123456789").casefold(), []).append(name)
    for names in stems.values():
        if len(names) < 2 or numbered(names) is None:
            continue
        if len(names) == len(classes) or (not classes and _shares(table, names)):
            return {(): [(name, name) for name in names]}
    return {}


def _shares(table: Table, names: Sequence[str]) -> bool:
    try:
        return find(np.stack([table.numbers(name) for name in names], 1), names[0]) in ("probabilities", "percent")
    except UserError:
        return False


def _vocabulary(table: Table, classes: Sequence[str]) -> frozenset[str]:
    if classes:
        return frozenset(name.casefold() for name in classes)
    labels = {text.casefold() for text in table.texts(LABEL)} if LABEL in table.columns else set()
    return _WORDS | ATTRIBUTES | frozenset(label for label in labels if label and not label.replace(".", "").isdigit())


def _class_of(column: str, words: frozenset[str]) -> tuple[tuple[str, ...], str] | None:
    """The words around a class in a column's name, and the class as written there."""
    if column.casefold() in words:
        return None if column.casefold() in ATTRIBUTES else ((), column)
    parts = [part for part in _APART.split(column) if part]
    for place in reversed(range(len(parts))):
        if len(parts) > 1 and parts[place].casefold() in words | LETTERS:
            about = tuple(part.casefold() for i, part in enumerate(parts) if i != place)
            if parts[place].casefold() in ATTRIBUTES | (LETTERS - words) and not _OF_A_MODEL.intersection(about):
                return None
            return about, parts[place]
    return None


def _owner(affix: Sequence[str], model: str, taken: set[str]) -> str:
    """Model and head for columns with these words around their classes."""
    if TRUTH.intersection(affix):
        return "true"
    head = "-".join(word for word in affix if word not in _OF_A_MODEL)
    plain = f"{model}.{head or DECISION}"
    return plain if plain not in taken else f"{model}.{'-'.join(affix)}"
