"""A model's predictions for every clip of a corpus."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from affectscope.app.common import jobs
from affectscope.app.services.browsing import corpus
from affectscope.app.services.known import analyzer, digest, imported, taken_marks
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.inference.corpus import PredictionTable, inference_key_of
from affectscope.core.inference.corpus import infer as ask_every_clip

_LOOK_EVERY = 0.3
_MOST_REFUSED = 3


def prediction_table(model: str, of: Corpus | None = None) -> PredictionTable | None:
    """The predictions for a corpus (default: the session's), or None until the model was run on it (``ask_all``)."""
    return _loaded(prediction_table_path(model, of))


def prediction_table_on_disk(model: str, of: Corpus | None = None) -> PredictionTable | None:
    """As ``prediction_table``, without loading the model."""
    return _loaded(path_on_disk(model, of))


def path_on_disk(model: str, of: Corpus | None = None) -> Path:
    """Path of a model's prediction table, which may not exist; its weights are not read."""
    known = imported(model)
    return (
        known.entry.prediction_table
        if known
        else _prediction_tables() / f"{_key(digest(model), of or corpus(), taken_marks(model))}.npz"
    )


def ask_all(model: str, of: Corpus | None = None) -> jobs.Job:
    """Run the model on every clip of a corpus (default: the session's), or join the running job."""
    source = of or corpus()
    path = prediction_table_path(model, source)
    return jobs.ensure(f"ask-{path.stem}", partial(_ask_all, model, source, path), "corpus")


def _ask_all(model: str, source: Corpus, path: Path, progress: jobs.Progress) -> None:
    told = jobs.standing_back(progress)
    ask_every_clip(analyzer(model).checkpoint, source, analyzer(model).store, told).keep(path)


def queue_id(called: str, of: Corpus) -> str:
    """Id of the job that runs several models (``ask_each``)."""
    return f"ask-{called}-{key_of(of.name, len(of.table))}"


def ask_each(called: str, names: Sequence[str], of: Corpus) -> jobs.Job:
    """Run models on every clip of a corpus, one after the other, or join the running job of that name.

    Only one of them is in the queue of ``ask_all`` at a time, so that requests for other models need not wait for all. Fails with
    a sentence if some could not be run; the others' predictions are kept.
    """
    return jobs.ensure(queue_id(called, of), partial(_ask_each, tuple(names), of), "queue")


def _ask_each(names: Sequence[str], of: Corpus, progress: jobs.Progress) -> None:
    refused = []
    for done, name in enumerate(names):
        try:
            if prediction_table_on_disk(name, of) is None:
                _follow(name, of, partial(_told, progress, name, done, len(names)))
        except UserError as error:
            refused.append(f"{name}: {error}")
    if refused:
        raise UserError(f"{len(refused)} of {len(names)} models could not be asked. {' '.join(refused[:_MOST_REFUSED])}")


def _told(progress: jobs.Progress, name: str, done: int, count: int, stage: str, share: float) -> None:
    progress(f"{name}, model {done + 1} of {count}: {stage[:1].lower()}{stage[1:]}", (done + share) / count)


def _follow(name: str, of: Corpus, progress: jobs.Progress) -> None:
    """Run a model and wait. If cancelled, it also cancels the run that it started, unless somebody else waits for it."""
    before = jobs.find(f"ask-{prediction_table_path(name, of).stem}")
    job = ask_all(name, of)
    try:
        while not job.wait(_LOOK_EVERY):
            progress(job.stage, job.fraction)
    except jobs.Cancelled:
        if job is not before:
            jobs.cancel(job)
            jobs.forget(job.id)
        raise
    if job.error:
        jobs.forget(job.id)
        raise UserError(job.error)


def prediction_table_id(model: str) -> str:
    """Identifies a version of a prediction table."""
    known = imported(model)
    return f"{known.entry.id} {known.entry.added}" if known else prediction_table_path(model).stem


def prediction_table_path(model: str, of: Corpus | None = None) -> Path:
    known = imported(model)
    return (
        known.entry.prediction_table
        if known
        else _prediction_tables() / f"{_key(analyzer(model).checkpoint.digest, of or corpus(), taken_marks(model))}.npz"
    )


# Cached, because formatting a table of thousands of clips is the slowest part of a page.
@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Corpus: lambda of: (of.name, id(of), len(of.table))})
def _key(digest: str, of: Corpus, taken: Sequence[Any]) -> str:
    return inference_key_of(digest, of, taken)


def _prediction_tables() -> Path:
    return cache_root() / "surveys"


def _loaded(path: Path) -> PredictionTable | None:
    changed = sealed.mark(path)
    return _prediction_table(str(path), changed) if changed else None


@st.cache_resource(max_entries=8, show_spinner=False)
def _prediction_table(path: str, changed: Hashable) -> PredictionTable | None:
    return PredictionTable.load(Path(path))


def predicted(model: str) -> Mapping[str, str]:
    """The system's prediction by clip id, once it was run on all of them."""
    answers = prediction_table(model)
    if answers is None:
        return {}
    if "predicted" in answers.table:
        return dict(zip(answers.table.index, answers.table["predicted"].astype(str), strict=True))
    values = answers.table[[f"{name}_predicted" for name in answers.outputs]].to_numpy(float)
    texts = (", ".join(f"{name} {value:+.2f}" for name, value in zip(answers.outputs, row, strict=True)) for row in values)
    return dict(zip(answers.table.index, texts, strict=True))
