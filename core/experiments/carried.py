"""Exports measured cells to a file, and imports them on another machine or into another cache."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from affectscope.core.cache import sealed
from affectscope.core.cache.disk import locked
from affectscope.core.cache.store import cache_root
from affectscope.core.errors import UserError
from affectscope.core.experiments.cells import Measured, read_once
from affectscope.core.experiments.plan import Experiment
from affectscope.core.experiments.where import USUAL, Where, cell_of
from affectscope.core.text import shown

_KIND = "affectscope: measured cells"
_KEY = re.compile(r"[0-9a-f]{32}")


@read_once()
def measured_cells(
    experiments: Iterable[Experiment], corpus: str, seeds: Sequence[int], where: Where = USUAL
) -> dict[str, Measured]:
    """Cell's name -> its measurements, for all measured cells of these experiments.

    Rows whose features are unavailable are left out.
    """
    runs = {repr(row.run): row.run for experiment in experiments for row in experiment.rows}
    found: dict[str, Measured] = {}
    for run in runs.values():
        for seed in seeds:
            cell = cell_of(run, corpus, seed, where)
            try:
                if measured := cell.measured():
                    found[cell.folder().name] = measured
            except UserError:
                break
    return found


def write(path: Path, cells: Mapping[str, Measured]) -> None:
    """Write cells to a file, with a checksum.

    Raises:
        OSError: when it cannot be written.
    """
    sealed.write_json(path, {"kind": _KIND, "cells": dict(sorted(cells.items()))})


def take(path: Path) -> tuple[int, int]:
    """Import a file's cells into the cache. Existing measurements are kept.

    Returns:
        The number of cells that added something, and the number in the file.

    Raises:
        UserError: when the file was not written by ``write``, or is damaged.
        OSError: when the cache cannot be written.
    """
    cells = _read(path)
    news = 0
    for name, measured in cells.items():
        file = cache_root() / "experiments" / name / "measured.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked(file.parent):
            own = sealed.read_json(file) or {}
            if measured.keys() - own.keys():
                sealed.write_json(file, measured | own)
                news += 1
    return news, len(cells)


def _read(path: Path) -> dict[str, Measured]:
    content = sealed.read_json(path) if path.is_file() else None
    cells = content.get("cells") if content and content.get("kind") == _KIND else None
    if not isinstance(cells, dict) or not all(_KEY.fullmatch(name) and _of_a_cell(cell) for name, cell in cells.items()):
        raise UserError(
            f"{shown(path.name)} is no file of measured cells, or was changed since `affectscope experiment export` wrote it."
        )
    return cells


def _of_a_cell(measured: Any) -> bool:
    """Whether it has the form condition -> head -> metric -> value."""
    return isinstance(measured, dict) and all(
        isinstance(heads, dict) and all(isinstance(metrics, dict) for metrics in heads.values()) for heads in measured.values()
    )
