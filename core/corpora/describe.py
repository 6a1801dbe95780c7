"""A corpus's description as one JSON object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affectscope.core.corpora import open_corpus
from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.counts import crossings, parts, speakers
from affectscope.core.corpora.known import known
from affectscope.core.corpora.lengths import lengths
from affectscope.core.corpora.readers import chosen, read, reader, recognise

_ATTRIBUTES = ("arousal", "valence", "dominance", "sentiment")
Progress = Callable[[int, int], None]


def describe(
    name: str, kind: str = "", options: Mapping[str, str] | None = None, durations: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Describe a corpus: counts, classes, speakers, splits, durations, facts of its kind, and what is missing.

    Args:
        name: ``demo``, an added corpus, or a path.
        kind, options: as in ``readers.read``; an added corpus's stored options are the default.
        durations: whether to open the media for durations that no table gives.

    Raises:
        UserError: when it cannot be read.
    """
    entry = known().get(name)
    if name == "demo" or (entry and not kind and not options):
        return described(open_corpus(name), durations, progress)
    path = Path(entry.path if entry else name).expanduser()
    kind = kind or (entry.kind if entry else recognise(path))
    given = {**(entry.options if entry else {}), **(options or {})}
    several = reader(kind).describe(path, chosen(kind, given)) if path.exists() else None
    if several is not None:
        return {"corpus": path.name, "kind": kind, "path": str(path), **several}
    return described(read(path, kind, given, name if entry else ""), durations, progress)


def described(corpus: Corpus, durations: bool = True, progress: Progress | None = None) -> dict[str, Any]:
    """The description of an open corpus; see ``describe``."""
    table = corpus.table
    there = _there(corpus)
    content: dict[str, Any] = {
        "corpus": corpus.name,
        "kind": corpus.kind,
        "path": str(corpus.root),
        "options": dict(corpus.options),
        "clips": len(table),
        "speakers": speakers(table),
        "classes": _classes(corpus),
    }
    for attribute in _ATTRIBUTES:
        if attribute in table and table[attribute].notna().any():
            content.setdefault("attributes", {})[attribute] = _spread(table[attribute])
    if "split" in table:
        content["splits"] = parts(table)
        content |= crossings(table)
    content["media"] = {"found": len(there), "missing": len(table) - len(there)}
    content["features"] = {modality: {"name": own.name, "dim": own.dim} for modality, own in corpus.given.items()}
    if (seconds := _seconds(corpus, there, durations, progress)) is not None and seconds.notna().any():
        content["duration"] = {**_spread(seconds), "unit": "seconds", "total": round(float(seconds.sum()), 3)}
    return {**content, **corpus.facts, "missing": list(corpus.missing)}


def _classes(corpus: Corpus) -> dict[str, dict[str, int]]:
    table = corpus.table
    if "label" not in table:
        return {}
    groups = {str(label): group for label, group in table.groupby("label") if str(label)}
    order = [label for label in corpus.labels if label in groups] + [label for label in groups if label not in corpus.labels]
    return {label: {"clips": len(groups[label]), "speakers": speakers(groups[label])} for label in order}


def _there(corpus: Corpus) -> list[str]:
    """The clips whose file exists."""
    paths = corpus.table["path"]
    folders: dict[Path, set[str]] = {}
    clips = []
    for clip, path in paths.items():
        if not path:
            continue
        folder = (corpus.root / path).parent
        if folder not in folders:
            # One listing per folder: thousands of single checks take seconds on a file server.
            folders[folder] = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
        if Path(path).name in folders[folder]:
            clips.append(str(clip))
    return clips


def _spread(values: pd.Series) -> dict[str, float]:
    return {name: round(float(getattr(values, name)()), 3) for name in ("min", "mean", "max")} | {
        "known": int(values.notna().sum())
    }


def _seconds(corpus: Corpus, there: list[str], ask: bool, progress: Progress | None) -> pd.Series | None:
    """Each clip's duration, from its table or else its file."""
    if "duration" in corpus.table:
        return corpus.table["duration"]
    if not ask or not there:
        return None
    return lengths(pd.Series({clip: corpus.media(clip) for clip in there}), progress)
