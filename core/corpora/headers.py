"""Where a table in text begins, by what sign its cells are parted, and rows that have more of them than the header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

DELIMITERS = ",;\t|"
# How many lines before the header may be none of it.
_MOST_ABOVE = 10


def above(text: str) -> tuple[list[str], str]:
    """Titles and comments, which are cut into fewer cells than what follows them; and the text from its header on."""
    lines = text.split("\n", _MOST_ABOVE + 1)
    for at, line in enumerate(lines[:_MOST_ABOVE]):
        following = next((other for other in lines[at + 1 : -1] if other.strip() and not other.startswith("#")), "")
        parted = delimiter(following)
        fewer = _filled(line, parted) < count(following, parted)
        whole = parted in DELIMITERS and max(_filled(line, sign) for sign in DELIMITERS) < 2
        if not (fewer and (whole or line.startswith("#"))):
            return [other for other in lines[:at] if other.strip()], "\n".join(lines[at:])
    return [], text


def delimiter(header: str) -> str:
    """What cuts the header into most cells, a blank only where nothing else does; a separator within quotes cuts nothing."""
    best = max(DELIMITERS, key=lambda sign: count(header, sign))
    return best if count(header, best) > 1 else " "


def count(line: str, sign: str) -> int:
    """Cells of a line."""
    return len(next(csv.reader([line], delimiter=sign), []))


def cells(text: str, sign: str) -> Iterator[list[str]]:
    """A table's rows as lists of cells, its header first."""
    return csv.reader(io.StringIO(text), delimiter=sign, skipinitialspace=sign == " ")


def have_names(header: int, rows: Sequence[list[str]]) -> bool:
    """Whether each row has a name before its cells, as R's write.table writes it under a header of ``header`` cells."""
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    return bool(filled) and all(len(row) == header + 1 and row[-1].strip() for row in filled)


def _filled(line: str, sign: str) -> int:
    return sum(bool(cell.strip()) for cell in next(csv.reader([line], delimiter=sign), []))
