"""Imports on disk: a folder per import, created atomically.

facts.json      the source, and what was imported
clips.json      the table of clips: media, labels, facts
MODEL/          a folder per model, numbered
    facts.json      its name, heads, and problems
    survey.npz      its predictions (core/inference/table.py)
    attention.h5    a group per lane: concatenated values [S], where each clip's begin [N+1], rates [N]
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from affectscope.core.cache import sealed
from affectscope.core.cache.disk import abandoned
from affectscope.core.cache.store import cache_root
from affectscope.core.errors import UserError
from affectscope.core.imports.clips import ImportedCorpus, corpus
from affectscope.core.imports.columns import CLIP
from affectscope.core.imports.scales import Task

# Part of every cache key: raise it whenever imports are read differently.
IMPORT_VERSION = 3
_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Entry:
    """An imported model.

    Attributes:
        id: of the import and the model's number in it, "hash/number".
        name: unique display name.
        corpus: name of its set of clips.
        heads: head -> the modalities that its name implies.
        problems: one sentence each, the first ``MOST_PROBLEMS`` of ``count``.
        attention: (modality, name) of its lanes.
        notes: remarks on how its table was read, where not obvious, a sentence each.
        task: classification or regression.
    """

    id: str
    name: str
    corpus: str
    file: str
    added: str
    classes: tuple[str, ...]
    heads: Mapping[str, tuple[str, ...]]
    decision: str
    scale: Mapping[str, str]
    clips: int
    labelled: int
    accuracy: float | None
    attention: tuple[tuple[str, str], ...] = ()
    embeddings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    count: int = 0
    task: Task = "classification"
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return root() / self.id

    @property
    def prediction_table(self) -> Path:
        return self.folder / "survey.npz"


def root() -> Path:
    return cache_root() / "imports"


def entries() -> dict[str, Entry]:
    """Name -> imported model, oldest import first."""
    paths = root().glob("[!.]*/[0-9]*/facts.json")
    imported = [entry for facts in paths if (entry := _entry_at(facts)) is not None]
    return {entry.name: entry for entry in sorted(imported, key=lambda entry: (entry.added, entry.id))}


def remarks() -> list[str]:
    """Warnings about damaged imports, a sentence each."""
    lost = sum(_entry_at(facts) is None for facts in root().glob("[!.]*/[0-9]*/facts.json"))
    hurt = [entry.name for entry in entries().values() if not _good(entry.prediction_table)]
    told = [f"The predictions of {name} are damaged on the disk: import their table again." for name in hurt]
    return told + ([f"{lost} imported models are damaged on the disk: import their tables again."] if lost else [])


def corpus_of(entry: Entry) -> ImportedCorpus:
    """The clips of the table that a model came from.

    Raises:
        UserError: when they are gone.
    """
    try:
        facts = sealed.read_kept(entry.folder.parent / "clips.json")[0] or {}
        table = pd.DataFrame(facts["data"], index=pd.Index(map(str, facts["index"]), name=CLIP), columns=facts["columns"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("The clips of this model are no longer stored: import its table again.") from error
    return corpus(entry.corpus, table, entry.classes)


def attention_of(entry: Entry, place: int) -> list[tuple[str, str, np.ndarray, float]]:
    """For the clip in that row of the table: modality, name, weights [T] (NaN for absent frames), rate (or NaN).

    Raises:
        UserError: when the file is damaged.
    """
    path = entry.folder / "attention.h5"
    if not path.exists():
        return []
    damaged = f"The stored attention of {entry.name} was damaged on the disk: import its table again."
    if not _good(path):
        raise UserError(damaged)
    try:
        with h5py.File(path, "r") as file:
            return [_lane(file[str(k)], place) for k in range(len(file))]
    except (OSError, KeyError, IndexError, ValueError, RuntimeError) as error:
        raise UserError(damaged) from error


def remove(entry: Entry) -> None:
    """Remove a model; ``restore`` can undo it for a day."""
    sweep()
    shutil.rmtree(_removed(entry), ignore_errors=True)
    if entry.folder.is_dir():
        entry.folder.replace(_removed(entry))
        os.utime(_removed(entry))


def restore(entry: Entry) -> None:
    """Restore a removed model.

    Raises:
        UserError: when it is no longer kept.
    """
    if entry.folder.exists():
        return
    if not _removed(entry).is_dir():
        raise UserError("The predictions are no longer stored: import their table again.")
    _removed(entry).replace(entry.folder)


def sweep(seconds: float = _KEPT_SECONDS) -> None:
    """Delete what was removed long ago, and incomplete imports."""
    for folder in (*root().glob(".*"), *root().glob("*/.removed-*")):
        half = folder.name.startswith((".part-", ".report-")) and abandoned(folder)
        if half and folder.is_file():
            folder.unlink(missing_ok=True)
        if folder.is_dir() and (half or time.time() - folder.stat().st_mtime > seconds):
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (path for path in root().glob("[!.]*") if path.is_dir()):
        if not any(folder.glob("*/facts.json")) and not any(folder.glob(".removed-*/facts.json")):
            shutil.rmtree(folder, ignore_errors=True)


def _good(path: Path) -> bool:
    """Whether a file beside a model's facts is intact. Imports from before seals have none in any file."""
    return sealed.is_intact(path, old=sealed.read_json(path.parent / "facts.json") is None)


def _lane(group: Any, place: int) -> tuple[str, str, np.ndarray, float]:
    begin, end = group["starts"][place : place + 2]
    return str(group.attrs["modality"]), str(group.attrs["name"]), group["values"][begin:end], float(group["rates"][place])


def _removed(entry: Entry) -> Path:
    return entry.folder.parent / f".removed-{entry.folder.name}"


def _entry_at(facts: Path) -> Entry | None:
    try:
        return _read(facts, facts.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=500)
def _read(facts: Path, changed: int) -> Entry | None:
    stored = sealed.read_kept(facts)[0]
    if stored is None:
        return None
    try:
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        plain["attention"] = tuple((str(a), str(b)) for a, b in stored["attention"])
        plain["heads"] = {str(k): tuple(v) for k, v in stored["heads"].items()}
        entry = Entry(**plain)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return entry if entry.folder == facts.parent and entry.prediction_table.is_file() else None


__all__ = ["IMPORT_VERSION", "Entry", "attention_of", "corpus_of", "entries", "remarks", "remove", "restore", "root", "sweep"]
