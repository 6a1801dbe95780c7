"""What a model says of every clip of its corpus."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import streamlit as st

from app import jobs
from app.services.known import analyzer, corpus, imported, models
from core.features.store import cache_root, content_hash
from core.survey import Survey, key_of_survey, survey_key
from core.survey import survey as ask_every_clip


def survey(model: str) -> Survey | None:
    """What the model says of every clip, or None while nobody has asked it (``ask_all``)."""
    path = survey_path(model)
    return _survey(str(path), path.stat().st_mtime_ns) if path.is_file() else None


def survey_on_disk(model: str) -> Survey | None:
    """As ``survey``, for those who look at many models: none is loaded to know what its survey is called."""
    known = imported(model)
    path = known.entry.survey if known else _surveys() / f"{key_of_survey(content_hash(models()[model]), corpus())}.npz"
    return _survey(str(path), path.stat().st_mtime_ns) if path.is_file() else None


def ask_all(model: str) -> jobs.Job:
    """Ask the model about every clip, or join the asking that is under way."""
    return jobs.ensure(f"survey-{survey_path(model).stem}", partial(_ask_all, model), "corpus")


def _ask_all(model: str, progress: jobs.Progress) -> None:
    def patient(stage: str, share: float) -> None:
        while jobs.busy():
            time.sleep(0.1)
        progress(stage, share)

    ask_every_clip(analyzer(model).checkpoint, corpus(), analyzer(model).store, patient).save(survey_path(model))


def survey_id(model: str) -> str:
    """Names what the model says of every clip: another survey, another id."""
    known = imported(model)
    return f"{known.entry.id} {known.entry.added}" if known else survey_path(model).stem


def survey_path(model: str) -> Path:
    known = imported(model)
    return known.entry.survey if known else _surveys() / f"{survey_key(analyzer(model).checkpoint, corpus())}.npz"


def _surveys() -> Path:
    return cache_root() / "surveys"


@st.cache_resource(max_entries=8, show_spinner=False)
def _survey(path: str, changed: int) -> Survey | None:
    return Survey.load(Path(path))


def predicted(model: str) -> Mapping[str, str]:
    """The system's answer by clip id, once it was asked about all of them."""
    found = survey(model)
    if found is None:
        return {}
    if "predicted" in found.table:
        return dict(zip(found.table.index, found.table["predicted"].astype(str), strict=True))
    said = found.table[[f"{name}_predicted" for name in found.outputs]].to_numpy(float)
    texts = (", ".join(f"{name} {value:+.2f}" for name, value in zip(found.outputs, row, strict=True)) for row in said)
    return dict(zip(found.table.index, texts, strict=True))
