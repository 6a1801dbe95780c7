"""Cached access to core: the only place with ``st.cache_*``."""

from __future__ import annotations

import gc
import json
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import jobs, shelf, uploads
from app.verdict import Verdict
from core import checkpoints, corpora, devices, export, library, media
from core.analyzer import Analysis, Analyzer
from core.errors import UserError
from core.features.store import FeatureStore, cache_root, content_hash, write_atomically
from core.imports import shelf as imports
from core.imports.clips import ImportedCorpus
from core.imports.model import UNASKED, Imported
from core.lanes import head_title
from core.models.base import ModelSpec
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
    """One clip that can be looked at, from a corpus, a person's own files, or a table of predictions.

    Attributes:
        file: its media; None where there are none, and ``missing`` says why in one sentence.
    """

    corpus: str
    id: str
    title: str
    file: Path | None
    label: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""

    @property
    def media(self) -> Path:
        """Raises:
        UserError: when there are none.
        """
        if self.file is None:
            raise UserError(self.missing)
        return self.file


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


def corpus_of(model: str) -> corpora.Corpus:
    """The clips that a model's answers are about: the bundled ones, or those of the table that it was imported from."""
    one = imported(model)
    return _imported_corpus(one.entry) if one else corpus()


def imported(model: str) -> Imported | None:
    """The model as an import, or None for one whose weights are here."""
    entry = imports.entries().get(model)
    return _imported(entry, entry.added) if entry and models().get(model) == entry.survey else None


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={imports.Entry: lambda entry: entry.id})
def _imported(entry: imports.Entry, added: str) -> Imported:
    return Imported(entry)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={imports.Entry: lambda entry: (entry.id, entry.added)})
def _imported_corpus(entry: imports.Entry) -> ImportedCorpus:
    return imports.corpus_of(entry)


def unasked(model: str) -> str:
    """One sentence where a model has no weights here and can be asked nothing new; empty where it can."""
    return UNASKED if imported(model) else ""


def askable() -> list[str]:
    """The models whose weights are here."""
    return [name for name in models() if not unasked(name)]


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
    """Name -> file: the shipped checkpoints, then those that were trained here, those that people dropped in, and last the
    answers of models that were imported."""
    known = checkpoints.shipped()
    dropped = {name: entry.path for name, entry in library.entries().items()}
    for more in (runs.finished(), dropped, {name: entry.survey for name, entry in imports.entries().items()}):
        known |= {name: path for name, path in more.items() if name not in known}
    return known


def _place(name: str) -> tuple[str, str]:
    path = models().get(name)
    if path is None:
        raise UserError(f"There is no model {shown(name)} here any more: choose another.")
    if sentence := unasked(name):
        raise UserError(sentence)
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
    known = imported(model)
    path = known.entry.survey if known else _surveys() / f"{key_of_survey(content_hash(models()[model]), corpus())}.npz"
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


def survey_id(model: str) -> str:
    """Names what the model says of every clip: another survey, another id."""
    known = imported(model)
    return f"{known.entry.id} {known.entry.added}" if known else _survey_path(model).stem


def _survey_path(model: str) -> Path:
    known = imported(model)
    return known.entry.survey if known else _surveys() / f"{survey_key(analyzer(model).checkpoint, corpus())}.npz"


def _surveys() -> Path:
    return cache_root() / "surveys"


@st.cache_resource(max_entries=8, show_spinner=False)
def _survey(path: str, changed: int) -> Survey | None:
    return Survey.load(Path(path))


def card(model: str) -> Mapping[str, Any]:
    return {} if imported(model) else analyzer(model).checkpoint.card


def spec(model: str) -> ModelSpec:
    """What the model declares."""
    known = imported(model)
    return known.spec if known else analyzer(model).checkpoint.spec


def labels(model: str) -> tuple[str, ...]:
    return spec(model).labels


def heads(model: str) -> Mapping[str, tuple[str, ...]]:
    """The model's heads, the main one first, each with the modalities that it draws on."""
    declared = spec(model)
    return {head: declared.modalities[head] for head in declared.heads}


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
    source = _named(corpus_name, clip_id)
    file, missing = None, ""
    try:
        file = source.media(clip_id)
    except UserError as error:
        # What a table says of a clip is worth a look without its media; a corpus of ours has them all.
        if not isinstance(source, ImportedCorpus) or clip_id not in source.table.index:
            raise
        missing = str(error)
    facts = {k: v for k, v in source.table.loc[clip_id].items() if pd.notna(v) and k != "path"}
    return Clip(source.name, clip_id, clip_id, file, facts.get("label"), facts, missing)


def _named(corpus_name: str, clip_id: str) -> corpora.Corpus:
    """The corpus of that name: an imported one where it has the clip, else the bundled one."""
    own = imports.entries().values() if corpus_name != _bundled_name() else ()
    for entry in own:
        if entry.corpus == corpus_name:
            source = _imported_corpus(entry)
            if clip_id in source.table.index:
                return source
    return corpus()


def covers(model: str, item: Clip) -> bool:
    """Whether the model can say something of the clip: an imported one only of its table's own."""
    known = imported(model)
    if known is None:
        return item.file is not None
    if item.id not in known.survey.table.index:
        return False
    own = _imported_corpus(known.entry)
    return item.corpus == own.name or (item.file is not None and str(own.table.at[item.id, "path"]) == str(item.file))


def media_url(item: Clip) -> str:
    """Where the browser finds the clip, in the form that browsers play."""
    return shelf.lend("clips", f"{item.corpus}.{item.id}", _playable(item) or item.media)


def _playable(item: Clip) -> Path | None:
    """What browsers can play of the clip; None where that has yet to be made."""
    if item.corpus == UPLOADS:
        return uploads.playable(item.id)
    if _bundled(item) or media.probe(item.media).browser_playable:
        return item.media
    copy = _browser_copy(item)
    return copy if copy.is_file() else None


def _make_playable(item: Clip, progress: Callable[[float], None]) -> None:
    if item.corpus == UPLOADS:
        uploads.make_playable(item.id, item.media, progress)
    else:
        write_atomically(_browser_copy(item), lambda part: media.browser_copy(item.media, part, progress))


def _browser_copy(item: Clip) -> Path:
    return cache_root() / "browser" / f"{content_hash(item.media)}.mp4"


def thumb_url(corpus_name: str, clip_id: str, path: Path) -> str:
    """Where the browser finds a picture of the clip; the file itself is not lent with it."""
    return shelf.lend("pictures", f"{corpus_name}.{clip_id}", path).replace("/pictures/", "/thumbs/", 1)


def pictures(model: str, clips: Iterable[str]) -> list[str | None]:
    """Pictures of some of the clips that a model's answers are about. One missing file must not hide the others."""
    source = corpus_of(model)

    def one(clip_id: str) -> str | None:
        try:
            path = source.located(clip_id) if isinstance(source, ImportedCorpus) else source.media(clip_id)
            return thumb_url(source.name, clip_id, path)
        except UserError:
            return None

    return [one(clip_id) for clip_id in clips]


def picture_url(model: str, clip_id: str) -> str | None:
    return pictures(model, [clip_id])[0]


def timeline_url(result: Result) -> str:
    return shelf.lend("timelines", result.key, result.timeline)


def result(item: Clip, model: str, explain: str | None, change: Perturbation | None = None) -> Result | None:
    """The finished analysis, of the clip as it is or with frames taken away, or None while there is none."""
    if _playable(item) is None:
        return None
    return _read(_key(item, model, explain, change))


def analyse(item: Clip, model: str, explain: str | None, change: Perturbation | None = None) -> jobs.Job:
    """Start the analysis, or join the one under way."""
    return jobs.ensure(f"analysis-{_key(item, model, explain, change)}", partial(_analyse, item, model, explain, change))


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


def timeline(found: Result) -> Timeline:
    return Timeline.from_bytes(found.timeline.read_bytes())


def verdicts(found: Result, model: str) -> list[Verdict]:
    """What the system and each of its heads say."""
    attributes = spec(model).task == "regression"

    def one(head: str, evidence: bool, note: str) -> Verdict:
        said = found.predictions.get(head) or next(iter(found.predictions.values()))
        if attributes:
            values = ", ".join(f"{name} {value:+.2f}" for name, value in said.items())
            return Verdict(head_title(head), values, None, evidence, note)
        label, probability = max(said.items(), key=lambda pair: pair[1])
        return Verdict(head_title(head), label, probability, evidence, note)

    answers = [one("decision", any(found.evidence.values()), "The system's own answer over its heads.")]
    for head, modalities in heads(model).items():
        note = f"What the {head} head says" + (f"; it draws on {' and '.join(modalities)}." if modalities else ".")
        answers.append(one(head, found.evidence.get(head, True), note))
    return answers


def clips_of(model: str | None) -> pd.DataFrame:
    """The table of the clips that a model's answers are about; empty where it is not there."""
    try:
        return (corpus_of(model) if model else corpus()).table
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
    if _playable(item) is None:
        _make_playable(item, lambda share: progress("Preparing the clip for the browser", share))
    if known := imported(model):
        analysis = known.analyze(item.id, item.media, progress)
    else:
        truth = corpus().truth(item.id) if _bundled(item) else None
        analysis = analyzer(model).analyze(item.media, truth=truth, explain=explain, perturbation=change, progress=progress)
    _keep(analysis, _key(item, model, explain, change))


def _key(item: Clip, model: str, explain: str | None, change: Perturbation | None = None) -> str:
    if known := imported(model):
        return known.key(item.id, item.media)
    return analyzer(model).key(item.media, explain, truth=_bundled(item), perturbation=change)


def _bundled(item: Clip) -> bool:
    return item.corpus != UPLOADS and item.corpus == _bundled_name()


def _bundled_name() -> str:
    try:
        return corpus().name
    except UserError:
        return ""


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
