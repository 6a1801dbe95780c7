"""Spreads nested cells over columns: a dictionary of classes, or a list of labels with scores, as pipelines write them."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from affectscope.core.errors import UserError
from affectscope.core.text import shown

_DEEPEST = 6
_LABELS = ("label", "class", "emotion", "name")
_SCORES = ("score", "probability", "prob", "value", "logit")


def spread(name: str, cells: Sequence[Any], check: Callable[[int], None]) -> dict[str, list[Any]]:
    """Columns of the R cells: ``name`` for plain values and lists, ``name.key`` for those of dictionaries; None where missing.

    Args:
        name: the cells' column; "" puts keys alone.
        check: called with the number of columns whenever one is added; it may raise.

    Raises:
        UserError: when a cell names a column twice.
    """
    made: dict[str, list[Any]] = {}
    for row, cell in enumerate(cells):
        for column, value in _leaves(cell, name, 0):
            if column not in made:
                check(len(made) + 1)
                made[column] = [None] * len(cells)
            if made[column][row] is not None:
                raise _twice(column)
            made[column][row] = value
    return made


def as_column(values: Sequence[Any]) -> pa.ChunkedArray:
    """An Arrow column of its values; of text where they are of several kinds."""
    try:
        column = pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        column = pa.array([None if value is None else _text(value) for value in values], pa.string())
    return pa.chunked_array([column])


def parsed(text: str) -> Any:
    """A dictionary or a list of labels with scores, in JSON or as Python prints them; the text itself if it is neither."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[{", "[[{")):
        return text
    try:
        return unique(stripped)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(stripped)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text


def unique(text: str) -> Any:
    """``json.loads``, but an object that names a key twice is an error instead of its last value.

    Raises:
        ValueError: when it is no JSON.
        UserError: when a key stands twice in one object.
    """
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise _twice(twice)
    return made


def _twice(name: str) -> UserError:
    return UserError(f"A JSON object names {shown(name)} twice: give each of its values a name of its own.")


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    value = _by_label(value)
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif value is not None:
        yield name, value


def _by_label(value: Any) -> Any:
    """``[{"label": "fear", "score": 0.2}, …]`` as ``{"fear": 0.2, …}``."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0] if value[0] and isinstance(value[0][0], Mapping) else value
    if not (isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value)):
        return value
    label = next((key for key in _LABELS if all(key in item for item in value)), None)
    score = next((key for key in _SCORES if all(key in item for item in value)), None)
    if label is None or score is None:
        return value
    made = {str(item[label]): item[score] for item in value}
    return made if len(made) == len(value) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
