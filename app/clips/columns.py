"""A corpus's clips as columns for the browser's list: a few bytes per clip, fetched once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.app.serving import lending
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root
from affectscope.core.corpora import Corpus
from affectscope.core.inference.table import PredictionTable

_NAMED = ("label", "speaker", "intensity")
# For more pictures than this, files are checked in the background.
_AT_ONCE = 200


def url(model: str | None) -> tuple[str, str]:
    """The name of the corpus for a model's predictions, and the URL of its clips; both empty without one."""
    if services.clips_of(model).empty:
        return "", ""
    source = services.corpus_of(model) if model else services.corpus()
    prediction_table = services.prediction_table(model) if model else None
    which = (
        source.name,
        len(source.table),
        id(source),
        services.prediction_table_id(model) if model and prediction_table else "",
    )
    file = _written(which, source, prediction_table)
    if not sealed.is_intact(file):
        # Damaged, or deleted as old.
        _written.clear(which, source, prediction_table)
        file = _written(which, source, prediction_table)
    return source.name, lending.lend("lists", file.stem, file)


@st.cache_resource(max_entries=32, show_spinner=False)
def _written(which: tuple[str, int, int, str], _source: Corpus, _prediction_table: PredictionTable | None) -> Path:
    """``which`` identifies the corpus and the model's predictions; its last element is empty without predictions."""
    content = json.dumps(columns(_source.table, _prediction_table), separators=(",", ":")).encode()
    path = cache_root() / "lists" / f"{sha256(content).hexdigest()[:24]}.json"
    sealed.write_cached(path, content)
    _lend(_source, [str(clip) for clip in _source.table.index])
    return path


def columns(table: pd.DataFrame, prediction_table: PredictionTable | None = None) -> dict[str, Any]:
    """A corpus's clips in the list's format.

    Returns:
        ``ids``, [N] names; for each of ``label``, ``speaker``, ``intensity`` and ``predicted`` that exists: names, and [N]
        indices into them, −1 for none. ``confidence`` is [N] in thousandths, −1 for none; ``right`` is [N] of 1, 0, and −1 if
        unknown. ``unseen``: indices of clips without media, which have no picture.
    """
    made: dict[str, Any] = {"ids": [str(clip) for clip in table.index]}
    if "path" in table and (unseen := np.flatnonzero((table["path"] == "").to_numpy()).tolist()):
        made["unseen"] = unseen
    made |= {name: _coded(table[name]) for name in _NAMED if name in table and table[name].notna().any()}
    if prediction_table is None:
        return made
    answers = prediction_table.table.reindex(table.index)
    if "predicted" in answers:
        made["predicted"] = _coded(answers["predicted"])
        if "confidence" in answers:
            made["confidence"] = _numbers(answers["confidence"] * 1000)
        if "correct" in answers and "label" in made:
            known = answers["correct"].where(table["label"].notna()) if "label" in table else answers["correct"]
            made["right"] = _numbers(known.astype("Float64"))
    return made


def _coded(values: pd.Series) -> dict[str, Sequence[Any]]:
    codes, names = pd.factorize(values.map(str, na_action="ignore"), sort=True)
    return {"names": [str(name) for name in names], "codes": codes.tolist()}


def _numbers(values: pd.Series) -> list[int]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan)
    return np.where(np.isfinite(numbers), np.round(np.nan_to_num(numbers)), -1).astype(int).tolist()


def _lend(source: Corpus, ids: Sequence[str]) -> None:
    """Let browsers fetch the clips' pictures."""
    if len(ids) <= _AT_ONCE:
        services.pictures("", ids, source)
        return

    def work(progress: jobs.Progress) -> None:
        services.pictures("", ids, source)

    jobs.ensure(f"thumbs-list-{source.name}-{id(source)}", work, "pictures")
