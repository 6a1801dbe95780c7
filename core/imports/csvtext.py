"""Parses CSV in any of the encodings, separators and decimal signs that spreadsheets and countries use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from affectscope.core.corpora.headers import above, cells, delimiter
from affectscope.core.corpora.tables import decoded
from affectscope.core.text import shown

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
    """A CSV file's lines, and remarks on how they were read."""

    lines: Iterator[list[str]]
    notes: tuple[str, ...]


def parse(path: Path, name: str) -> Text:
    """Split a CSV file into lists of cells, its header first.

    Args:
        name: the file's original name.

    Raises:
        UserError: when it is not text.
    """
    notes: list[str] = []
    # Skip blank lines before the header.
    text = decoded(path.read_bytes(), name, notes, "save it as CSV in UTF-8").lstrip("\r\n")
    first, _, rest = text.partition("\n")
    if named := _EXCEL.match(first):
        return Text(cells(rest, named[1]), tuple(notes))
    titles, text = above(text)
    if titles:
        notes.append(f"What stands above the header was left out: {shown(titles[0])}{' …' if len(titles) > 1 else ''}.")
    return Text(cells(text, delimiter(text.partition("\n")[0])), tuple(notes))


def number(text: str, comma: bool = False) -> float:
    """A cell's number; NaN if it is none. A trailing percent sign is ignored.

    Args:
        comma: whether its column uses a decimal comma.
    """
    text = text.translate(_PLAIN).strip().removesuffix("%").rstrip()
    text = wrapped[1] if (wrapped := _WRAPPED.fullmatch(text)) else text
    if comma and (_COMMA.fullmatch(text) or _THOUSANDS.fullmatch(text)):
        text = text.replace(".", "").replace(",", ".")
    elif "," in text and _POINT.fullmatch(text):
        text = text.replace(",", "")
    # Python accepts underscores in numbers, but no table means that.
    if "_" in text:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return float("nan")


def decimal_comma(cells: Iterable[str]) -> bool:
    """Whether a column uses a decimal comma: some cells do, and none has a decimal point, except as in 1.000.

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
    # In [1,0] and [1,0, 0,5] commas are separators.
    if cell.startswith(("[", "(")) and (len(parts) < 2 or any(part.endswith((",", ";")) for part in parts)):
        return []
    return [part.removesuffix("%") for part in parts]
