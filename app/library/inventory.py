"""The library's content: models, including arriving ones, corpora, and facts about them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.app.library.drops import Arrival
from affectscope.core import devices
from affectscope.core.cache import sealed
from affectscope.core.cache.store import content_hash, key_of
from affectscope.core.checkpoints import plugged
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.choices import Choices
from affectscope.core.checkpoints.untrusted import Report
from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.corpora.known import Known, known, remember
from affectscope.core.corpora.readers import read, recognise
from affectscope.core.errors import UserError
from affectscope.core.features.taken import fitting, lacking, needs
from affectscope.core.files.kinds import TABLES
from affectscope.core.imports import stored as imports
from affectscope.core.imports.card import imported_card
from affectscope.core.imports.sandboxed import take_in_sandboxed
from affectscope.core.inference.table import PredictionTable
from affectscope.core.library import cards
from affectscope.core.library import dropped as library
from affectscope.core.library.cards import Card
from affectscope.core.text import shown

_MOST_OUTCOMES = 200
_QUEUE = "library"
Removable = library.Entry | imports.Entry


@dataclass(frozen=True)
class Arriving:
    """An arriving checkpoint.

    Attributes:
        source: the file, or the folder of one layout's files.
        called: its original name.
        ours: whether it was uploaded, so that we may delete it.
        corpus: the current corpus, to which a table of predictions may belong.
        choices: what a public layout's file does not say; None to be asked.
    """

    source: Path
    called: str
    device: str
    ours: bool
    layout: str = ""
    corpus: str = ""
    choices: Choices | None = None

    @property
    def id(self) -> str:
        return f"untrusted-{key_of(str(self.source), self.layout, asdict(self.choices) if self.choices else None)}"


# Job -> result: the entry's name, and the report.
_OUTCOMES: dict[str, tuple[str, Report]] = {}


def sorted_out(arrivals: Sequence[Arrival], device: str, corpus: str) -> list[Arriving]:
    """One model per file, or one for all files if they are its parts."""
    names = [arrival.name for arrival in arrivals]
    if not library.together(names):
        return [Arriving(arrival.path, arrival.name, device, True, corpus=corpus) for arrival in arrivals]
    folder = library.incoming()
    for arrival in arrivals:
        arrival.path.replace(folder / library.part_name(arrival.name))
        shutil.rmtree(arrival.path.parent, ignore_errors=True)
    return [Arriving(folder, library.together_name(names), device, True)]


def begin(arriving: Arriving) -> jobs.Job:
    """Start reading it, as a job."""
    return jobs.ensure(arriving.id, partial(_admit, arriving), "library")


def outcome(arriving: Arriving) -> tuple[str, Report] | None:
    """The model's name (empty if refused) and the report, once finished."""
    return _OUTCOMES.get(arriving.id)


def dismiss(arriving: Arriving) -> None:
    """Forget it, and delete the upload."""
    if job := jobs.find(arriving.id):
        jobs.cancel(job)
    jobs.forget(arriving.id)
    _OUTCOMES.pop(arriving.id, None)
    if arriving.ours:
        shutil.rmtree(arriving.source if arriving.source.is_dir() else arriving.source.parent, ignore_errors=True)


def _admit(arriving: Arriving, progress: jobs.Progress) -> None:
    library.sweep()
    if arriving.source.suffix.lower() in TABLES:
        _import(arriving, progress)
        return
    if same := _shipped(arriving.source):
        _OUTCOMES[arriving.id] = (same, Report())
        return
    entry, report = library.take_in(
        arriving.source,
        arriving.called,
        services.models(),
        arriving.layout,
        lambda: progress("Reading", 0.5),
        arriving.choices,
    )
    if entry:
        library.choose_device(entry.name, arriving.device)
    for old in list(_OUTCOMES)[:-_MOST_OUTCOMES]:
        _OUTCOMES.pop(old, None)
    called = "" if arriving.source.name == arriving.called else arriving.called
    named = replace(report, error=report.error.replace(arriving.source.name, called) if called else report.error)
    _OUTCOMES[arriving.id] = (entry.name if entry else "", named)


def _import(arriving: Arriving, progress: jobs.Progress) -> None:
    """Import a table of predictions, like `affectscope import-predictions`."""
    imports.sweep()
    imported = take_in_sandboxed(arriving.source, arriving.called, lambda: progress("Reading", 0.5), arriving.corpus)
    _OUTCOMES[arriving.id] = (imported.models[0] if imported.models else "", Report(imported.error))


def _shipped(source: Path) -> str:
    """The shipped model of which a file is a copy."""
    ours = checkpoints.shipped().items() if source.is_file() else ()
    return next((name for name, path in ours if path.is_file() and content_hash(path) == content_hash(source)), "")


def card(name: str) -> Card:
    """A model's card.

    Raises:
        UserError: when there is no such model, or its file cannot be read.
    """
    path = services.models().get(name)
    if path is None or not path.is_file():
        raise UserError("That model's file is gone: choose another.")
    if known := services.imported(name):
        return imported_card(known)
    plugin = services.is_plugin(name)
    own = _plugin_card(name, services.digest(name)) if plugin else _card(str(path), path.stat().st_mtime_ns)
    # Settings may have changed since the card was read.
    taken = services.taken(name)
    return replace(own, incompatible=lacking(own.spec, taken), features=taken)


def choices(name: str, modality: str) -> dict[str, str]:
    """The feature sets that fit a modality -> description. The current one is first; an empty name if it does not fit."""
    own = card(name)
    fits, taken = fitting(modality, own.spec.inputs[modality]), own.features.get(modality, "")
    lost = [name for name in fits if any(need.set == name for need in needs(own.spec, {**own.features, modality: name}))]
    first = {taken: taken} if taken in fits else {"": "none that is known"}
    return first | {fit: f"{fit} (not available)" if fit in lost else fit for fit in fits}


@st.cache_resource(max_entries=200, show_spinner=False)
def _plugin_card(name: str, digest: str) -> Card:
    return cards.plugin_card(plugged.known()[name])


@st.cache_resource(max_entries=200, show_spinner=False)
def _card(path: str, changed: int) -> Card:
    return cards.read_card(Path(path))


def incompatible_features(name: str) -> str:
    """One sentence if the model cannot be run on clips; empty if it can."""
    try:
        return card(name).incompatible
    except UserError as error:
        return str(error)


def news(name: str) -> str:
    """What the user can do with a new model."""
    if known := services.imported(name):
        lost = f" {known.entry.count:,} problems of its table are listed in its card." if known.entry.count else ""
        return f"{known.entry.clips:,} clips are on the Failures and Embeddings pages.{lost}"
    return incompatible_features(name) or "It is ready on every page."


def measured(name: str) -> dict[str, dict[str, float]] | None:
    """Metrics by head on the current corpus, or None if the model was not run on it."""
    scored = _scored(name)
    return scored[0] if scored else None


def unmeasured(names: Sequence[str]) -> list[str]:
    """Those of ``names`` that can be run on the current corpus, and were not."""
    return [name for name in names if not services.unasked(name) and not incompatible_features(name) and _scored(name) is None]


def measure_all(names: Sequence[str]) -> jobs.Job:
    """Run each on the current corpus, one after the other; failed ones are tried again."""
    jobs.forget(services.queue_id(_QUEUE, services.corpus()))
    return services.ask_each(_QUEUE, names, services.corpus())


def measuring() -> jobs.Job | None:
    """The last job of ``measure_all``, in any window."""
    return jobs.find(services.queue_id(_QUEUE, services.corpus()))


def strange(name: str) -> int:
    """The number of clips whose label the model does not know, which its metrics leave out."""
    scored = _scored(name)
    return scored[1] if scored else 0


def _scored(name: str) -> tuple[dict[str, dict[str, float]], int] | None:
    if incompatible_features(name) and not services.unasked(name):
        return None
    try:
        path = services.path_on_disk(name)
        return _scored_once(str(path), sealed.mark(path))
    except UserError:
        return None


# Cached, because the table of all models needs it in every run, and each means unpacking a file.
@st.cache_data(max_entries=256, show_spinner=False)
def _scored_once(path: str, changed: Hashable) -> tuple[dict[str, dict[str, float]], int] | None:
    prediction_table = PredictionTable.load(Path(path))
    return (cards.measured(prediction_table), cards.strange(prediction_table)) if prediction_table else None


def removable(name: str) -> Removable | None:
    """The entry of an uploaded or imported model; None for shipped ones."""
    if known := services.imported(name):
        return known.entry
    entry = library.entries().get(name)
    return entry if entry and services.models().get(name) == entry.path else None


def remove(entry: Removable) -> tuple[dict[str, int], dict[str, int]]:
    """Remove a model and free its memory. Returns memory in use before and after, by device; empty if it used none."""
    if isinstance(entry, imports.Entry):
        imports.remove(entry)
        return {}, {}
    before = devices.memory() if services.loaded(entry.name) else {}
    services.unload(entry.name)
    library.remove(entry)
    return before, devices.memory()


def restore(entry: Removable) -> None:
    """Restore a removed model.

    Raises:
        UserError: when it is no longer kept.
    """
    if isinstance(entry, imports.Entry):
        imports.restore(entry)
    else:
        library.restore(entry)


def move(name: str, device: str) -> None:
    """Move a model to another device."""
    services.unload(name)
    library.choose_device(name, device)


@st.cache_resource(max_entries=8, show_spinner=False)
def corpus(folder: str, columns: tuple[tuple[str, str], ...] = ()) -> Corpus:
    """The corpus in a folder; with columns (field, heading) assigned, by its table.

    Raises:
        UserError: when it cannot be read.
    """
    return read(Path(folder).expanduser(), "folder", dict(columns)) if columns else open_corpus(folder)


def name_for(folder: str) -> str:
    """The name for the corpus in a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).expanduser().resolve().name).strip("._-")


def add_corpus(folder: str, columns: Mapping[str, str]) -> str:
    """Add a corpus under its folder's name, with the assigned columns. Returns the name.

    Raises:
        UserError: when the name is invalid or taken.
    """
    path, name = Path(folder).expanduser().resolve(), name_for(folder)
    taken = known().get(name)
    if taken and taken.path != str(path):
        raise UserError(f"Another corpus is called {name}: add this one with `affectscope corpus add NAME {shown(folder)}`.")
    remember(name, Known(str(path), "folder" if columns else recognise(path), dict(columns)))
    return name


def classes(of: Corpus, model: str | None) -> pd.DataFrame:
    """A corpus's counts by label; with durations if a model was run on its clips."""
    prediction_table = services.prediction_table_on_disk(model) if model and of is services.corpus() else None
    known = prediction_table is not None and "duration" in prediction_table.table
    return cards.classes(of, prediction_table.table["duration"].to_dict() if prediction_table and known else None)
