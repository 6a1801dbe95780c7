"""Reads rows from JSON: a list of objects, one object a line, or a data frame in any orientation that pandas writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from affectscope.core.corpora.tables import decoded
from affectscope.core.errors import UserError
from affectscope.core.imports.nested import unique

_OF_A_MODEL = {
    "weight_map": "is the index of a model in several files: choose the folder that they lie in",
    "architectures": "is a model's config and holds no weights: choose the file that does, or the folder of both",
    "model_type": "is a model's config and holds no weights: choose the file that does, or the folder of both",
}
_DOUBT = "Each key of the outermost object is taken for a clip's name."


def rows_of(path: Path, name: str, notes: list[str]) -> list[tuple[int, Any]]:
    """The rows and their numbers, from 1; one that is no object is left to the caller.

    Args:
        name: the file's original name.
        notes: takes remarks on how it was read.

    Raises:
        UserError: when it is no JSON.
    """
    text = decoded(path.read_bytes(), name, notes, "save it as JSON in UTF-8").strip()
    try:
        return list(enumerate(_rows(unique(text), name, notes), 1))
    except RecursionError as error:
        raise UserError(f"{name} is nested too deeply: write a list of objects, one a clip.") from error
    except ValueError:
        pass
    lines = [(row, line) for row, line in enumerate(text.splitlines(), 1) if line.strip()]
    made = [(row, _line(line)) for row, line in lines]
    if not any(isinstance(item, Mapping) for _, item in made):
        raise UserError(f"{name} cannot be read as JSON: write it again, with pandas' to_json(orient='records') for one.")
    return made


def _line(line: str) -> Any:
    try:
        return unique(line)
    except (ValueError, RecursionError):
        return None


def _rows(value: Any, name: str, notes: list[str]) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, Mapping) or not value:
        raise UserError(f"{name} holds no rows: write a list of objects, one a clip.")
    if why := next((why for key, why in _OF_A_MODEL.items() if key in value), ""):
        raise UserError(f"{name} {why}.")
    inner = list(value.values())
    if isinstance(value.get("data"), list) and isinstance(value.get("columns"), list):
        return _split(value)
    listed = [item for item in inner if isinstance(item, list) and item and all(isinstance(row, Mapping) for row in item)]
    if len(listed) == 1 and "clip" not in value:
        return listed[0]
    if all(isinstance(item, Mapping) for item in inner):
        return _of_objects(value, notes)
    if all(isinstance(item, list) for item in inner) and len({len(item) for item in inner}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*inner, strict=True)]
    return [value]


def _split(value: Mapping[str, Any]) -> list[Any]:
    """pandas' ``orient="split"``; its index stands in a column without a name, as in its CSV."""
    columns = [".".join(map(str, name)) if isinstance(name, list) else str(name) for name in value["columns"]]
    rows = [
        dict(zip(columns, row, strict=False)) if isinstance(row, list) and len(row) == len(columns) else None
        for row in value["data"]
    ]
    index = value.get("index")
    if isinstance(index, list) and len(index) == len(rows) and index != list(range(len(rows))):
        return [None if row is None else {"": mark} | row for mark, row in zip(index, rows, strict=True)]
    return list(rows)


def _of_objects(value: Mapping[str, Mapping[str, Any]], notes: list[str]) -> list[Any]:
    """An object of objects: columns by row (pandas' default), or rows by name."""
    inner = list(value.values())
    rows = list(inner[0])
    if all(key.isdigit() for key in rows) and not all(key.isdigit() for key in value):
        marks = dict.fromkeys(key for column in inner for key in column)
        return [{name: column[mark] for name, column in value.items() if mark in column} for mark in marks]
    if all(key.isdigit() for key in value):
        return inner
    notes.append(_DOUBT)
    return [{"": mark} | dict(row) for mark, row in value.items()]
