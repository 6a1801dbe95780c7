"""Aff-Wild2's annotations: a file a person, a heading, and a line a frame, for each of its three tasks.

``va``: two numbers in -1..1 a line, -5 where nobody labelled it; what is not in -1..1 is no label either.
``expr``: the heading names the classes, and each line holds the place of one of them from 0, -1 where nobody labelled it.
``au``: a column an action unit (AU1, AU2 …), 1 where it is seen, 0 where not, -1 where nobody labelled it.
"""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from affectscope.core.corpora.tables import read_text
from affectscope.core.errors import UserError
from affectscope.core.models.labels import NOUNS, noun

TASKS = ("va", "expr", "au")
AFFECT = ("valence", "arousal")
CLASS = "class"
# What says of a frame that nobody labelled it.
_NOBODY = {"va": -5.0, "expr": -1.0, "au": -1.0}
_UNIT = re.compile(r"AU\d{1,2}", re.IGNORECASE)
_CLASSES = frozenset((*NOUNS.values(), "contempt", "other", "calm"))
_EXPECTED = {"va": "valence and arousal are", "expr": "the number of a class is", "au": "0, 1 or -1 for each action unit is"}
_PUT_BACK = "put back the annotation that the corpus came with"


def task_of(file: Path) -> str:
    """Which task a file is of, by its heading; empty where it is no annotation."""
    names = [name.lower() for name in heading(file)]
    if set(names) == set(AFFECT) and len(names) == len(AFFECT):
        return "va"
    if names and all(_UNIT.fullmatch(name) for name in names):
        return "au"
    return "expr" if len(names) > 1 and all(noun(name) in _CLASSES for name in names) else ""


def heading(file: Path) -> tuple[str, ...]:
    """The cells of a file's first line; none where it cannot be read, or is blank."""
    try:
        with file.open("rb") as opened:
            head = opened.readline(400)
    except OSError:
        return ()
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="ignore")
    return tuple(cell.strip() for cell in text.splitlines()[0].split(",")) if text.strip() else ()


def classes(file: Path) -> tuple[str, ...]:
    """The classes of a file of ``expr``, as the models here call them."""
    return tuple(map(noun, heading(file)))


def values(file: Path, task: str, remarks: list[str]) -> pd.DataFrame:
    """[frames, columns] float64: ``AFFECT``, the action units, or ``CLASS`` alone.

    Raises:
        UserError: when the file is damaged.
    """
    text = read_text(file, remarks)
    if task == "expr":
        # The heading has a cell a class, the lines have one in all.
        text = f"{CLASS}\n{text.partition(chr(10))[2]}"
    try:
        # A blank line between others would move every frame behind it.
        table = pd.read_csv(StringIO(text.rstrip()), skipinitialspace=True, dtype=float, skip_blank_lines=False)
        if not isinstance(table.index, pd.RangeIndex):
            raise ValueError("more cells than the heading has")
    except ValueError as error:
        cell = r"\s*[-+.\deE]+\s*"
        count = 1 if task == "expr" else len(heading(file))
        for number, line in enumerate(text.split("\n")[1:], 2):
            if line.strip() and not re.fullmatch(rf"{cell}(,{cell}){{{count - 1}}}", line):
                raise UserError(f"{file.name} has {line[:40]!r} in line {number}: {_EXPECTED[task]} expected.") from error
        raise UserError(f"{file.name} is damaged: {_PUT_BACK}.") from error
    table.columns = [str(name).strip() for name in table.columns]
    table.columns = [name.upper() if task == "au" else name.lower() for name in table.columns]
    if table.isna().any().any():
        place = int(table.isna().any(axis=1).to_numpy().argmax())
        raise UserError(f"{file.name} lacks a number in line {place + 2}: {_PUT_BACK}.")
    return table


def known(table: pd.DataFrame, task: str, count: int) -> np.ndarray:
    """[frames, columns] bool: where somebody said something.

    Args:
        count: of classes.
    """
    if task == "va":
        own = (table[list(AFFECT)] >= -1) & (table[list(AFFECT)] <= 1)
        return np.repeat(own.all(axis=1).to_numpy()[:, None], table.shape[1], 1)
    allowed = range(count) if task == "expr" else (0, 1)
    return table.isin(list(allowed)).to_numpy()


def beyond(table: pd.DataFrame, there: np.ndarray, task: str) -> int:
    """How many frames hold neither a label nor what says that there is none."""
    strange = ~there & (table != _NOBODY[task]).to_numpy()
    return int((strange.all(axis=1) if task == "va" else strange.any(axis=1)).sum())
