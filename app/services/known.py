"""The available models: shipped, trained here, uploaded, or imported as tables of predictions."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from affectscope.app.services.browsing import DEMO, corpus, opened
from affectscope.core import corpora, devices
from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints import plugged
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.taken import check_told, marks, sets_of
from affectscope.core.imports import stored as imports
from affectscope.core.imports.clips import ImportedCorpus
from affectscope.core.imports.model import UNASKED, Imported
from affectscope.core.library import dropped as library
from affectscope.core.models.base import ModelSpec
from affectscope.core.text import shown
from affectscope.core.training import runs

# Models in memory, as long as they are referenced.
_LOADED: weakref.WeakValueDictionary[str, Analyzer] = weakref.WeakValueDictionary()


def imported(model: str) -> Imported | None:
    """The model as an import, or None if it has weights."""
    entry = imports.entries().get(model)
    return _imported(entry, entry.added) if entry and models().get(model) == entry.prediction_table else None


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={imports.Entry: lambda entry: entry.id})
def _imported(entry: imports.Entry, added: str) -> Imported:
    return Imported(entry)


def unasked(model: str) -> str:
    """One sentence if a model has no weights and cannot be run; empty if it can."""
    return UNASKED if imported(model) else ""


def corpus_of(model: str) -> corpora.Corpus:
    """The clips that a model covers: those of the session's corpus, or of its imported table."""
    table_model = imported(model)
    return corpus_of_table(table_model.entry) if table_model else corpus()


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={imports.Entry: lambda entry: (entry.id, entry.added)})
def corpus_of_table(entry: imports.Entry) -> ImportedCorpus:
    return imports.corpus_of(entry)


def models() -> dict[str, Path]:
    """Name -> file, in this order: plugins' models, shipped checkpoints, those trained here, uploads, and imports."""
    known = {name: Path(network.file) for name, network in plugged.known().items()} | checkpoints.shipped()
    dropped = {name: entry.path for name, entry in library.entries().items()}
    for more in (runs.finished(), dropped, {name: entry.prediction_table for name, entry in imports.entries().items()}):
        known |= {name: path for name, path in more.items() if name not in known}
    return known


def askable() -> list[str]:
    """The models that have weights."""
    return [name for name in models() if not unasked(name)]


def analyzer(name: str) -> Analyzer:
    """The model of that name, on its chosen device.

    Raises:
        UserError: when there is none, or it cannot be loaded or placed.
    """
    return _analyzer(name, *_place(name))


@st.cache_resource(max_entries=4, show_spinner=False)
def _analyzer(name: str, path: str, device: str) -> Analyzer:
    features = opened(DEMO).features
    store = FeatureStore(shipped=(features,) if features else ())
    checkpoint = plugged.load(plugged.known()[name]) if is_plugin(name) else checkpoints.load(Path(path))
    if device != devices.CPU:
        devices.place(checkpoint.model, device)
    made = Analyzer(checkpoint, store)
    _LOADED[name] = made
    return made


def _place(name: str) -> tuple[str, str]:
    path = models().get(name)
    if path is None:
        raise UserError(f"There is no model {shown(name)} here any more: choose another.")
    if sentence := unasked(name):
        raise UserError(sentence)
    return str(path), library.device(name)


def is_plugin(name: str) -> bool:
    """Whether a model is a plugin's."""
    return name in plugged.known()


def digest(name: str) -> str:
    """Identifies a model in cache keys, without loading its weights.

    Raises:
        UserError: when its weights are missing.
    """
    return plugged.digest(plugged.known()[name]) if is_plugin(name) else checkpoints.digest(models()[name])


def loaded(name: str) -> bool:
    """Whether the model's weights are in memory."""
    return name in _LOADED


def unload(name: str) -> None:
    """Release the model's weights; the next use loads them again."""
    _analyzer.clear(name, *_place(name))
    gc.collect()
    devices.release()


def card(model: str) -> Mapping[str, Any]:
    return {} if imported(model) else analyzer(model).checkpoint.card


def spec(model: str) -> ModelSpec:
    """The model's spec."""
    known = imported(model)
    return known.spec if known else analyzer(model).checkpoint.spec


def declared(model: str) -> ModelSpec | None:
    """As ``spec``, from the file's header, without reading weights; None where that is impossible."""
    if known := imported(model):
        return known.spec
    if is_plugin(model):
        return _of_plugin(model, digest(model))
    path = models().get(model)
    return _header(str(path), path.stat().st_mtime_ns)[0] if path is not None and path.is_file() else None


@st.cache_resource(max_entries=256, show_spinner=False)
def _of_plugin(name: str, digest: str) -> ModelSpec | None:
    try:
        return plugged.facts(plugged.known()[name]).spec
    except UserError:
        return None


@st.cache_resource(max_entries=256, show_spinner=False)
def _header(path: str, changed: int) -> tuple[ModelSpec | None, Mapping[str, Any]]:
    try:
        model, card = checkpoints.peek(Path(path))
    except UserError:
        return None, {}
    return model.spec, card


def taken(model: str) -> dict[str, str]:
    """Modality -> the model's feature set, by the user's choice, its card or its paper; no weights are read."""
    asked = declared(model)
    if asked is None or imported(model):
        return {}
    path = models()[model]
    card = {} if is_plugin(model) else _header(str(path), path.stat().st_mtime_ns)[1]
    return sets_of(asked, card, digest(model))


def take(model: str, modality: str, features: str) -> None:
    """Set a modality's feature set for a model, on all pages and in the terminal.

    Raises:
        UserError: when it does not fit, or the settings cannot be written.
    """
    asked = declared(model)
    if asked is not None:
        check_told(asked, {modality: features})
        settings.tell_model(digest(model), {**settings.of_model(digest(model)), modality: features})


def taken_marks(model: str) -> list[Any]:
    """Parts of cache keys of a model's answers: see ``core.features.taken.marks``."""
    asked = declared(model)
    try:
        return marks(asked, taken(model)) if asked is not None else []
    except UserError:
        # The model's card shows what is missing; until then there is nothing to cache.
        return []


def labels(model: str) -> tuple[str, ...]:
    return spec(model).labels


def heads(model: str) -> Mapping[str, tuple[str, ...]]:
    """The model's heads, the main one first, with the modalities that each uses."""
    declared = spec(model)
    return {head: declared.modalities[head] for head in declared.heads}
