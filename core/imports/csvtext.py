"""CSV as spreadsheets and other countries write it: any of their encodings, separators and decimal signs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from affectscope.core.corpora.tables import decoded
from affectscope.core.errors import UserError
from affectscope.core.files.kinds import HEAD, is_something_else
from affectscope.core.text import shown

DELIMITERS = ",;\t|"
# How many lines before the header may be none of it.
_MOST_ABOVE = 10
# What Excel writes in the first line, and reads, so that nobody has to guess.
_EXCEL = re.compile(r'^"?sep=(.)"?\s*$', re.IGNORECASE)
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d*)\.\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+")
# Signs that stand for the same: a minus of typography, blanks that do not break.
# A single number as PyTorch and NumPy print it.
_WRAPPED = re.compile(r"(?:torch\.|np\.|numpy\.)?(?:tensor|array|float(?:16|32|64|ing)?)\(([^(),\[\]]+)(?:,[^()]*)?\)")
_PLAIN = str.maketrans({"−": "-", "\u00a0": "", "\u202f": ""})


@dataclass(frozen=True)
class Text:
    """A CSV file's lines, and what a person should know of how they were read."""

    lines: Iterator[list[str]]
    notes: tuple[str, ...]


def parse(path: Path, name: str) -> Text:
    """A CSV file as lists of cells, its header first.

    Args:
        name: what its owner calls the file.

    Raises:
        UserError: when it is no text.
    """
    notes: list[str] = []
    raw = path.read_bytes()
    if what := is_something_else(raw[:HEAD]):
        raise UserError(f"{name} {what}.")
    # Blank lines before the header are none of it.
    text = decoded(raw, name, notes, "save it as CSV in UTF-8").lstrip("\r\n")
    first, _, rest = text.partition("\n")
    if named := _EXCEL.match(first):
        return Text(_cells(rest, named[1]), tuple(notes))
    above, text = _above(text)
    if above:
        notes.append(f"What stands above the header was left out: {shown(above[0])}{' …' if len(above) > 1 else ''}.")
    return Text(_cells(text, _delimiter(text.partition("\n")[0])), tuple(notes))


def _above(text: str) -> tuple[list[str], str]:
    """Titles and comments, which are cut into fewer cells than what follows them; and the text from its header on."""
    lines = text.split("\n", _MOST_ABOVE + 1)
    for at, line in enumerate(lines[:_MOST_ABOVE]):
        following = next((other for other in lines[at + 1 : -1] if other.strip() and not other.startswith("#")), "")
        header = _delimiter(following)
        fewer = _count(line, header) < _count(following, header)
        whole = header in DELIMITERS and max(_count(line, delimiter) for delimiter in DELIMITERS) < 2
        if not (fewer and (whole or line.startswith("#"))):
            return [other for other in lines[:at] if other.strip()], "\n".join(lines[at:])
    return [], text


def _cells(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=delimiter == " ")


def _delimiter(header: str) -> str:
    """What cuts the header into most cells, a blank only where nothing else does; a separator within quotes cuts nothing."""
    best = max(DELIMITERS, key=lambda delimiter: _count(header, delimiter))
    return best if _count(header, best) > 1 else " "


def _count(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter), []))


def number(text: str, comma: bool = False) -> float:
    """A cell's number; NaN where it is none. A sign of per cent behind it does not count.

    Args:
        comma: whether its column writes 0,5 for a half.
    """
    text = text.translate(_PLAIN).strip().removesuffix("%").rstrip()
    text = wrapped[1] if (wrapped := _WRAPPED.fullmatch(text)) else text
    if comma and (_COMMA.fullmatch(text) or _THOUSANDS.fullmatch(text)):
        text = text.replace(".", "").replace(",", ".")
    elif "," in text and _POINT.fullmatch(text):
        text = text.replace(",", "")
    # What Python takes for a number and no table means as one.
    if "_" in text:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return float("nan")


def decimal_comma(cells: Iterable[str]) -> bool:
    """Whether a column writes 0,5 for a half: some cells do, and no other writes 0.5, unless as 1.000.

    Cells may be lists, with blanks between their numbers.
    """
    commas = False
    for text in (part for cell in cells for part in _numbers_of(cell)):
        if "," in text and _COMMA.fullmatch(text):
            commas = True
        elif _POINT.fullmatch(text) and not _THOUSANDS.fullmatch(text):
            return False
    return commas


def _numbers_of(cell: str) -> list[str]:
    cell = cell.translate(_PLAIN).strip()
    parts = cell.strip("[]()").split()
    # Of [1,0] and [1,0, 0,5] the commas part numbers.
    if cell.startswith(("[", "(")) and (len(parts) < 2 or any(part.endswith((",", ";")) for part in parts)):
        return []
    return [part.removesuffix("%") for part in parts]
