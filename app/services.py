"""Cached access to core: the only place with ``st.cache_*``."""

from __future__ import annotations

import gc
import json
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import jobs, shelf, uploads
from app.verdict import Verdict
from core import checkpoints, corpora, devices, export, library
from core.analyzer import Analysis, Analyzer
from core.errors import UserError
from core.features.store import FeatureStore, cache_root, content_hash, write_atomically
from core.lanes import head_title
from core.perturbation import Perturbation
from core.survey import Survey, key_of_survey, survey_key
from core.survey import survey as ask_every_clip
from core.text import shown
from core.threads import fit_thread_pools
from core.timeline import Timeline
from core.training import runs

UPLOADS = "uploads"
# Models whose weights are in memory, as long as somebody holds them.
_LOADED: weakref.WeakValueDictionary[str, Analyzer] = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class Clip:
    """One clip that can be looked at, from a corpus or from a person's own files."""

    corpus: str
    id: str
    title: str
    media: Path
    label: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A finished analysis: what the page says of it, and where the browser finds the rest."""

    key: str
    predictions: Mapping[str, Mapping[str, float]]
    evidence: Mapping[str, bool]
    explained: Mapping[str, str]
    timeline: Path


@st.cache_resource(show_spinner=False)
def corpus() -> corpora.Corpus:
    return corpora.bundled()


def analyzer(name: str) -> Analyzer:
    """The model of that name, on the device that was chosen for it.

    Raises:
        UserError: when there is none, or it cannot be read or placed.
    """
    return _analyzer(name, *_place(name))


@st.cache_resource(max_entries=4, show_spinner=False)
def _analyzer(name: str, path: str, device: str) -> Analyzer:
    features = corpus().features
    store = FeatureStore(shipped=(features,) if features else ())
    checkpoint = checkpoints.load(Path(path))
    if device != devices.CPU:
        devices.place(checkpoint.model, device)
    made = Analyzer(checkpoint, store)
    _LOADED[name] = made
    return made


def models() -> dict[str, Path]:
    """Name -> checkpoint: the shipped ones, then those that were trained here, then those that people dropped in."""
    known = checkpoints.shipped()
    for more in (runs.finished(), {name: entry.path for name, entry in library.entries().items()}):
        known |= {name: path for name, path in more.items() if name not in known}
    return known


def _place(name: str) -> tuple[str, str]:
    path = models().get(name)
    if path is None:
        raise UserError(f"There is no model {shown(name)} here any more: choose another.")
    return str(path), library.device(name)


def loaded(name: str) -> bool:
    """Whether the model's weights are in memory."""
    return name in _LOADED


def unload(name: str) -> None:
    """Let go of the model's weights; whoever asks next reads them again."""
    _analyzer.clear(name, *_place(name))
    gc.collect()
    devices.release()


def warm_up() -> None:
    """Load what the first page needs, answer the clip that it opens with, then ask about all others for the table."""
    fit_thread_pools()
    with suppress(UserError):
        source = corpus()
        for name in list(models())[:1]:
            analyse(clip(source.name, str(source.table.index[0])), name, None).wait(60)
            if survey(name) is None:
                ask_all(name).wait(600)
    # Streamlit collects garbage in full after every run of a script. Walking all that torch and its friends have loaded takes
    # half a second in which nothing else can run; frozen, it is left out.
    gc.collect()
    gc.freeze()


def survey(model: str) -> Survey | None:
    """What the model says of every clip, or None while nobody has asked it (``ask_all``)."""
    path = _survey_path(model)
    return _survey(str(path), path.stat().st_mtime_ns) if path.is_file() else None


def survey_on_disk(model: str) -> Survey | None:
    """As ``survey``, for those who look at many models: none is loaded to know what its survey is called."""
    path = cache_root() / "surveys" / f"{key_of_survey(content_hash(models()[model]), corpus())}.npz"
    return _survey(str(path), path.stat().st_mtime_ns) if path.is_file() else None


def ask_all(model: str) -> jobs.Job:
    """Ask the model about every clip, or join the asking that is under way."""
    return jobs.ensure(f"survey-{_survey_path(model).stem}", partial(_ask_all, model), "corpus")


def _ask_all(model: str, progress: jobs.Progress) -> None:
    def patient(stage: str, share: float) -> None:
        while jobs.busy():
            time.sleep(0.1)
        progress(stage, share)

    ask_every_clip(analyzer(model).checkpoint, corpus(), analyzer(model).store, patient).save(_survey_path(model))


def _survey_path(model: str) -> Path:
    return cache_root() / "surveys" / f"{survey_key(analyzer(model).checkpoint, corpus())}.npz"


@st.cache_resource(max_entries=8, show_spinner=False)
def _survey(path: str, changed: int) -> Survey | None:
    return Survey.load(Path(path))


def card(model: str) -> Mapping[str, Any]:
    return analyzer(model).checkpoint.card


def labels(model: str) -> tuple[str, ...]:
    return analyzer(model).checkpoint.spec.labels


def heads(model: str) -> Mapping[str, tuple[str, ...]]:
    """The model's heads, the main one first, each with the modalities that it draws on."""
    spec = analyzer(model).checkpoint.spec
    return {head: spec.modalities[head] for head in spec.heads}


def clip(corpus_name: str, clip_id: str) -> Clip:
    """Find a clip.

    Raises:
        UserError: when there is none of that name.
    """
    if corpus_name == UPLOADS:
        found = uploads.find(clip_id)
        if found is None:
            raise UserError("That upload is no longer stored here: choose the file again.")
        return Clip(UPLOADS, clip_id, found[1], found[0])
    source = corpus()
    media = source.media(clip_id)
    facts = {k: v for k, v in source.table.loc[clip_id].items() if pd.notna(v) and k != "path"}
    return Clip(source.name, clip_id, clip_id, media, facts.get("label"), facts)


def media_url(item: Clip) -> str:
    """Where the browser finds the clip; an upload in the form that browsers play."""
    path = item.media if item.corpus != UPLOADS else uploads.playable(item.id) or item.media
    return shelf.lend("clips", f"{item.corpus}.{item.id}", path)


def thumb_url(corpus_name: str, clip_id: str, path: Path) -> str:
    shelf.lend("clips", f"{corpus_name}.{clip_id}", path)
    return f"/thumbs/{corpus_name}.{clip_id}"


def bundled_thumb_url(clip_id: str) -> str | None:
    """One missing file must not hide the table that the others are chosen from."""
    try:
        return thumb_url(corpus().name, clip_id, corpus().media(clip_id))
    except UserError:
        return None


def timeline_url(result: Result) -> str:
    return shelf.lend("timelines", result.key, result.timeline)


def result(item: Clip, model: str, explain: str | None, change: Perturbation | None = None) -> Result | None:
    """The finished analysis, of the clip as it is or with frames taken away, or None while there is none."""
    if item.corpus == UPLOADS and uploads.playable(item.id) is None:
        return None
    return _read(_key(item, model, explain, change))


def analyse(item: Clip, model: str, explain: str | None, change: Perturbation | None = None) -> jobs.Job:
    """Start the analysis, or join the one under way."""
    return jobs.ensure(f"analysis-{_key(item, model, explain, change)}", partial(_analyse, item, model, explain, change))


def predicted(item_id: str, model: str) -> str | None:
    """The system's answer for a bundled clip, once the warm-up has asked for all of them."""
    found = survey(model)
    if found is None or item_id not in found.table.index:
        return None
    row = found.table.loc[item_id]
    if "predicted" in row:
        return str(row["predicted"])
    return ", ".join(f"{name} {row[f'{name}_predicted']:+.2f}" for name in found.outputs)


def timeline(found: Result) -> Timeline:
    return Timeline.from_bytes(found.timeline.read_bytes())


def verdicts(found: Result, model: str) -> list[Verdict]:
    """What the system and each of its heads say."""
    attributes = analyzer(model).checkpoint.spec.task == "regression"

    def one(head: str, evidence: bool, note: str) -> Verdict:
        said = found.predictions.get(head) or next(iter(found.predictions.values()))
        if attributes:
            values = ", ".join(f"{name} {value:+.2f}" for name, value in said.items())
            return Verdict(head_title(head), values, None, evidence, note)
        label, probability = max(said.items(), key=lambda pair: pair[1])
        return Verdict(head_title(head), label, probability, evidence, note)

    answers = [one("decision", any(found.evidence.values()), "The system's own answer over its heads.")]
    for head, modalities in heads(model).items():
        note = f"What the {head} head says; it draws on {' and '.join(modalities)}."
        answers.append(one(head, found.evidence.get(head, True), note))
    return answers


def bundled_clips() -> pd.DataFrame:
    """The bundled corpus's table; empty where the corpus is not there."""
    try:
        return corpus().table
    except UserError:
        return pd.DataFrame()


def main_heatmap(found: Result) -> str:
    """The heatmap that the player shows first."""
    return next(iter(found.explained), "")


def frame_png(item: Clip, found: Result, time: float, heatmap: str, opacity: float) -> bytes:
    return export.frame_png(item.media, timeline(found), time, heatmap, opacity)


def lanes_csv(found: Result) -> bytes:
    return export.lanes_csv(timeline(found)).encode()


def overlay_path(found: Result, heatmap: str, opacity: float) -> Path:
    return cache_root() / "exports" / f"{found.key}-{heatmap}-{round(100 * opacity)}.mp4"


def write_overlay(item: Clip, found: Result, out: Path, heatmap: str, opacity: float, progress: jobs.Progress) -> None:
    """Burn the heatmap into the video; runs as a job."""
    lanes = timeline(found)

    def report(share: float) -> None:
        progress("Writing the video", share)

    write_atomically(out, lambda part: export.overlay(item.media, lanes, part, heatmap=heatmap, opacity=opacity, progress=report))


def _analyse(item: Clip, model: str, explain: str | None, change: Perturbation | None, progress: jobs.Progress) -> None:
    if item.corpus == UPLOADS and uploads.playable(item.id) is None:
        uploads.make_playable(item.id, item.media, lambda share: progress("Preparing the clip for the browser", share))
    truth = None if item.corpus == UPLOADS else corpus().truth(item.id)
    analysis = analyzer(model).analyze(item.media, truth=truth, explain=explain, perturbation=change, progress=progress)
    _keep(analysis, _key(item, model, explain, change))


def _key(item: Clip, model: str, explain: str | None, change: Perturbation | None = None) -> str:
    return analyzer(model).key(item.media, explain, truth=item.corpus != UPLOADS, perturbation=change)


def _keep(analysis: Analysis, key: str) -> None:
    folder = cache_root() / "analyses"
    facts = {
        "predictions": {head: dict(classes) for head, classes in analysis.predictions.items()},
        "evidence": dict(analysis.evidence),
        "explained": dict(analysis.explained),
    }
    write_atomically(folder / f"{key}.aft", lambda part: part.write_bytes(analysis.timeline.to_bytes()))
    write_atomically(folder / f"{key}.json", lambda part: part.write_text(json.dumps(facts), encoding="utf-8"))


def _read(key: str) -> Result | None:
    path = cache_root() / "analyses" / f"{key}.json"
    timeline_path = path.with_suffix(".aft")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        found = Result(key, facts["predictions"], facts["evidence"], facts["explained"], timeline_path)
    except (OSError, ValueError, KeyError):
        return None
    return found if timeline_path.is_file() else None
