"""Tables whose columns do not name a model: ``anger``, ``prob_anger``, ``audio-anger`` are classes of a single model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from affectscope.core.imports.columns import CLIP, LABEL, PATH, TRUTH, listed
from affectscope.core.imports.read import Table
from affectscope.core.imports.scales import ATTRIBUTES, DIMENSIONS
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
    for affix, columns in groups.items():
        outputs = [output for output, _ in columns]
        if len(set(outputs)) < max(2, len(outputs)) and not DIMENSIONS.issuperset(outputs):
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
        if len(parts) > 1 and parts[place].casefold() in words:
            about = tuple(part.casefold() for i, part in enumerate(parts) if i != place)
            if parts[place].casefold() in ATTRIBUTES and not _OF_A_MODEL.intersection(about):
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
