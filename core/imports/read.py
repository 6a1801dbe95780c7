"""Reads a table's columns as text, numbers or lists of numbers: CSV, JSON and Parquet, within limits, never unpickling.

Rows are counted from 1, the first below the header.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from affectscope.core.corpora.headers import have_names
from affectscope.core.errors import UserError
from affectscope.core.files.kinds import TABLES
from affectscope.core.imports import csvtext, jsontext, nested
from affectscope.core.text import shown

LIMIT_MB = 256
# Read whole, an object takes many times its length in memory.
LIMIT_MB_JSON = 64
MOST_ROWS = 1_000_000
MOST_COLUMNS = 5_000
# Limit for all cells together: 23,000 clips with about 4,000 numbers each.
MOST_VALUES = 100_000_000
_LONGEST_CELL = 4 << 20
_LOOKED_AT = 20
_CUT_SHORT = re.compile(r"[\d.][\s,]+\.\.\.[\s,]")
# An array as printed by Python.
_WRAPPED = re.compile(r"(?:torch\.|np\.|numpy\.)?(?:tensor|array)\((\[.*?\])", re.DOTALL)
# Placeholders for a missing number.
_NO_NUMBER = frozenset(("nan", "inf", "-inf", "+inf", "na", "n/a", "#n/a", "null", "none", "-"))


@dataclass(frozen=True)
class Problem:
    """A problem with a row; ``model`` is empty if it affects all models."""

    row: int
    what: str
    model: str = ""

    def __str__(self) -> str:
        return f"Row {self.row}{f', {self.model}' if self.model else ''}: {self.what}."


@dataclass
class Table:
    """A parsed table.

    Attributes:
        columns: name -> R cells: text from CSV, an Arrow column from JSON and Parquet.
        rows: the R rows' numbers.
        problems: of unreadable rows.
        notes: remarks on how it was read, where not obvious.
        commas: the columns with a decimal comma.
    """

    file: str
    columns: dict[str, Any]
    rows: list[int]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    commas: frozenset[str] = frozenset()

    def texts(self, name: str) -> list[str]:
        """Cells as text, stripped of blanks; empty where missing."""
        cells = self.columns[name]
        if isinstance(cells, list):
            return [cell.strip() for cell in cells]
        return ["" if value is None or value != value else str(value).strip() for value in cells.to_pylist()]

    def numbers(self, name: str) -> np.ndarray:
        """[R] float64, NaN where a cell is empty or not a number."""
        cells = self.columns[name]
        if not isinstance(cells, list):
            if _is_number(cells.type):
                return cells.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
            cells = self.texts(name)
        return np.array([csvtext.number(cell, name in self.commas) for cell in cells])

    def lists(self, name: str) -> Iterator[np.ndarray | None]:
        """Cells as [T] float32, with NaN for null; None for an empty cell, an empty array if it is not a list of numbers."""
        cells = self.columns[name]
        if isinstance(cells, list):
            for cell in cells:
                yield _parsed(cell, bool(self.commas))
        elif _is_list(cells.type):
            for cell in cells:
                yield None if cell.as_py() is None else _as_array(cell.values)
        else:
            for text in self.texts(name):
                yield _parsed(text)

    def vectors(self, names: Sequence[str]) -> list[np.ndarray | None]:
        """A vector per row, float32: from a column of lists, or from several columns of numbers; None where all are missing."""
        if len(names) == 1 and (self.has_lists(names[0]) or not self.is_numeric(names[0])):
            return list(self.lists(names[0]))
        with np.errstate(over="ignore"):
            rows = np.stack([self.numbers(name) for name in names], 1).astype(np.float32)
        return [None if np.isnan(row).all() else row for row in rows]

    def shorten(self, count: int) -> None:
        """Keep the first ``count`` rows."""
        self.columns = {
            name: cells[:count] if isinstance(cells, list) else cells.slice(0, count) for name, cells in self.columns.items()
        }
        self.rows = self.rows[:count]

    def cut_short(self, name: str) -> bool:
        """Whether its lists were abbreviated, as NumPy and PyTorch print long ones."""
        cells = self.columns[name]
        looked = [text for text in (cells if isinstance(cells, list) else []) if text.strip()][:_LOOKED_AT]
        return bool(looked) and all(_CUT_SHORT.search(text) for text in looked)

    def has_lists(self, name: str) -> bool:
        """Whether its cells are lists of numbers rather than single values, judged by the first."""
        cells = self.columns[name]
        if not isinstance(cells, list) and _is_list(cells.type):
            return True
        if not isinstance(cells, list) and not _is_text(cells.type):
            return False
        looked = [text for text in (self.texts(name) if not isinstance(cells, list) else cells) if text.strip()][:_LOOKED_AT]
        return bool(looked) and sum(_looks_like_list(text, bool(self.commas)) for text in looked) > len(looked) / 2

    def is_numeric(self, name: str) -> bool:
        """Whether most of its non-empty cells are numbers."""
        cells = self.columns[name]
        if not isinstance(cells, list) and not _is_text(cells.type):
            return _is_number(cells.type)
        filled = [text for text in self.texts(name) if text]
        numbers = self.numbers(name) if filled else np.zeros(0)
        # Placeholders like "n/a" count as numbers.
        numeric = np.isfinite(numbers).sum() + sum(text.lower() in _NO_NUMBER for text in filled)
        return bool(filled) and bool(np.isfinite(numbers).any()) and bool(numeric > len(filled) / 2)

    def in_per_cent(self, name: str) -> bool:
        """Whether its numbers have a percent sign."""
        cells = self.columns[name]
        return isinstance(cells, list) and any(cell.rstrip().endswith("%") for cell in cells)


def read(path: Path, called: str = "") -> Table:
    """Read a table.

    Args:
        called: the file's original name, if it differs.

    Raises:
        UserError: when it does not exist, or is too large, damaged or of another kind.
    """
    name = shown(called or path.name)
    if not path.is_file():
        raise UserError(f"There is no table {shown(str(path), 300)}: check the path.")
    if path.suffix.lower() not in TABLES:
        raise UserError(f"{name} is no table of predictions: write it as .csv, .json or .parquet.")
    if path.stat().st_size > LIMIT_MB << 20:
        raise UserError(f"{name} is larger than {LIMIT_MB} MB: split it, or write it as Parquet with float32 numbers.")
    table = _READERS.get(path.suffix.lower(), _csv)(path, name)
    if not table.rows:
        first = f" ({table.problems[0]})" if table.problems else ""
        raise UserError(f"{name} has no row that can be read{first}: write a header and a row a clip.")
    return table


def _csv(path: Path, name: str) -> Table:
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        text = csvtext.parse(path, name)
        header = _header(next(text.lines, []), name)
        lines: list[tuple[int, list[str]]] = []
        for row, line in enumerate(text.lines, 1):
            if row > MOST_ROWS or row * len(header) > MOST_VALUES:
                raise _too_much(name)
            if any(cell.strip() for cell in line):
                lines.append((row, line))
    except (csv.Error, OSError) as error:
        raise UserError(f"{name} cannot be read as CSV: write it again, with pandas' to_csv for one.") from error
    finally:
        csv.field_size_limit(before)
    if have_names(len(header), [line for _, line in lines]):
        header = ["", *header]
    good = [(row, line) for row, line in lines if len(line) == len(header)]
    rows, cells = [row for row, _ in good], [line for _, line in good]
    problems = [Problem(row, f"{len(line)} cells under {len(header)} columns") for row, line in lines if len(line) != len(header)]
    columns = _by_name(header, [list(column) for column in zip(*cells, strict=True)]) if cells else {}
    notes = list(text.notes)
    columns = _spread(columns, name)
    commas = frozenset(name for name, cells in columns.items() if isinstance(cells, list) and csvtext.decimal_comma(cells))
    if commas:
        notes.append("Commas within its numbers are read as decimal signs: 0,5 is a half.")
    return Table(name, columns, rows, problems, notes, commas)


def _parquet(path: Path, name: str) -> Table:
    try:
        file = pq.ParquetFile(path)
        facts, schema = file.metadata, file.schema_arrow
        header = _header(schema.names, name)
        # Check the claimed size before decompressing.
        values = sum(
            facts.row_group(group).column(column).num_values
            for group in range(facts.num_row_groups)
            for column in range(facts.num_columns)
        )
        unpacked = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
        if facts.num_rows > MOST_ROWS or values > MOST_VALUES or unpacked > 8 * (LIMIT_MB << 20):
            raise _too_much(name)
        table = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{name} cannot be read as Parquet: it is damaged or of another kind, write it again.") from error
    columns = _spread(_by_name(header, [_plain(table.column(i)) for i in range(len(header))]), name)
    return Table(name, columns, list(range(1, table.num_rows + 1)))


def _json(path: Path, name: str) -> Table:
    notes: list[str] = []
    if path.stat().st_size > LIMIT_MB_JSON << 20:
        raise UserError(
            f"{name} is larger than {LIMIT_MB_JSON} MB: split it, or write it as Parquet, which is smaller and faster."
        )
    try:
        found = jsontext.rows_of(path, name, notes)
    except OSError as error:
        raise UserError(f"{name} cannot be read: copy it again from where it was made.") from error
    good = [(row, cells) for row, cells in found if isinstance(cells, Mapping)]
    problems = [Problem(row, "no JSON object") for row, cells in found if not isinstance(cells, Mapping)]
    values = nested.spread("", [cells for _, cells in good], _within(len(good), name))
    columns = [nested.as_column(cells) for cells in values.values()]
    header = _header(list(values), name)
    return Table(name, _spread(_by_name(header, columns), name), [row for row, _ in good], problems, notes)


_READERS: Mapping[str, Callable[[Path, str], Table]] = {
    ".parquet": _parquet, ".json": _json, ".jsonl": _json, ".ndjson": _json,
}  # fmt: skip


def _within(rows: int, name: str) -> Callable[[int], None]:
    """A check that so many rows may have so many columns."""

    def check(columns: int) -> None:
        if rows > MOST_ROWS or rows * columns > MOST_VALUES or columns > MOST_COLUMNS:
            raise _too_much(name)

    return check


def _spread(columns: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Give each class of a cell with several a column of its own."""
    made: dict[str, Any] = {}
    for name, cells in columns.items():
        inner = {}
        if _is_nested(cells):
            values = [nested.parsed(cell) if isinstance(cell, str) else cell for cell in _values(cells)]
            inner = nested.spread(name, values, _within(len(values), file))
        new = {part: nested.as_column(found) for part, found in inner.items()} if len(inner) > 1 else {name: cells}
        if twice := next((part for part in new if part in made or (part != name and part in columns)), None):
            raise UserError(f"{file} has two columns called {shown(twice)}: give each a name of its own.")
        made |= new
    return made


def _is_nested(cells: Any) -> bool:
    """Whether most of its cells are dictionaries, or lists of them; of text the first ones tell."""
    if not isinstance(cells, list) and not _is_text(cells.type):
        kind = cells.type.value_type if _is_list(cells.type) else cells.type
        return bool(pa.types.is_struct(kind) or pa.types.is_map(kind))
    texts = (cell if isinstance(cell, str) else cell.as_py() for cell in cells)
    looked = list(islice((text for text in texts if text and text.strip()), _LOOKED_AT))
    return bool(looked) and sum(not isinstance(nested.parsed(text), str) for text in looked) > len(looked) / 2


def _values(cells: Any) -> list[Any]:
    return cells if isinstance(cells, list) else cells.to_pylist(maps_as_pydicts="lossy")


def _by_name(header: Sequence[str], columns: Sequence[Any]) -> dict[str, Any]:
    """Columns by their names; of those without one the first, which may name the rows."""
    return {name: columns[header.index(name)] for name in dict.fromkeys(header)}


def _header(names: Sequence[str], file: str) -> list[str]:
    """Unique column names; a column without a name (a data frame's index) is dropped."""
    header = ["" if name.startswith("__index_level_") else shown(name.strip(), 200) for name in names]
    twice = next((name for i, name in enumerate(header) if name and name in header[:i]), None)
    if twice is not None:
        raise UserError(f"{file} has two columns called {shown(twice)}: give each a name of its own.")
    if len(header) > MOST_COLUMNS:
        raise UserError(f"{file} has {len(header)} columns, of at most {MOST_COLUMNS}: write lists into cells instead.")
    return header


def _too_much(name: str) -> UserError:
    return UserError(
        f"{name} holds more than {MOST_ROWS:,} rows or {MOST_VALUES:,} numbers: split it, or leave out attention and embeddings."
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without dictionary or extension type."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _as_array(values: pa.Array) -> np.ndarray:
    if not _is_number(values.type):
        return np.zeros(0, np.float32)
    # Values beyond float32 become infinite, which is reported by row.
    with np.errstate(over="ignore"):
        return values.to_numpy(zero_copy_only=False).astype(np.float32)


def _looks_like_list(text: str, decimal_comma: bool) -> bool:
    text = text.strip()
    parts = text.split()[:3]
    if text.startswith("[") or _WRAPPED.match(text) or (text.startswith("(") and "," in text):
        return True
    return len(parts) > 1 and all(np.isfinite(csvtext.number(part, decimal_comma)) for part in parts)


def _parsed(text: str, decimal_comma: bool = False) -> np.ndarray | None:
    """A list in JSON, or as printed by Python, NumPy and PyTorch."""
    text = text.strip()
    text = wrapped[1] if (wrapped := _WRAPPED.match(text)) else text
    if not text:
        return None
    try:
        values = json.loads(text)
        if not isinstance(values, list):
            return np.zeros(0, np.float32)
        return np.array([np.nan if value is None else float(value) for value in values], np.float32)
    except (ValueError, TypeError, RecursionError, OverflowError):
        pass
    parts = text.strip("[]()").replace(";", " ").split()
    try:
        if decimal_comma:
            return np.array([float(part.rstrip(",").replace(",", ".")) for part in parts], np.float32)
        return np.array(" ".join(parts).replace(",", " ").split(), np.float32)
    except ValueError:
        return np.zeros(0, np.float32)
