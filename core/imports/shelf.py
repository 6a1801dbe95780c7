"""What was imported, on disk: a folder an import, which appears whole or not at all.

facts.json      what was imported from where
clips.json      the table of clips: media, labels, facts
MODEL/          a folder a model, numbered
    facts.json      its name, heads, and what could not be used
    survey.npz      its answers (core/surveyed.py)
    attention.h5    a group a lane: values end to end [S], where each clip's begin [N+1], rates [N]
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from core.corpora import Corpus
from core.errors import UserError
from core.features.store import cache_root, content_hash, key_of
from core.imports.check import Attention, Said, check
from core.imports.clips import Clips, ImportedCorpus, Source, corpus, gather
from core.imports.layout import CLIP, LABEL, PATH, Scale, understand
from core.imports.read import Problem, read
from core.surveyed import DECISION, Survey, judged
from core.text import shown, unlike

# Part of every key: raise it whenever an import is read in another way.
IMPORT_VERSION = 1
MOST_PROBLEMS = 1000
_LONGEST_NAME = 60
_KEPT_SECONDS = 24 * 3600
_NAMES = {"video": "visual", "face": "visual", "vision": "visual", "speech": "audio", "acoustic": "audio"}


@dataclass(frozen=True)
class Options:
    """How a table is to be read.

    Attributes:
        corpus: the name or folder of a corpus whose clips the table's are.
        media: a folder of media, in which clips are found by their names.
        classes: in the order of lists of posteriors.
        scale: what the numbers are.
        decision: the head that speaks for a system; found by its name, else the first, where it is empty.
        name: of the import; the table's own where it is empty.
        replace: take the place of the import of that name.
        beside: the name of a corpus that is the table's where it lists every clip, and the table names no files.
    """

    corpus: str = ""
    media: Path | None = None
    classes: tuple[str, ...] = ()
    scale: Scale = "auto"
    decision: str = ""
    name: str = ""
    replace: bool = False
    beside: str = ""


@dataclass(frozen=True)
class Entry:
    """An imported model.

    Attributes:
        id: of the import and the model's number in it, "hash/number".
        name: what the pages call it, unlike any other.
        corpus: what its clips are called together.
        heads: head -> the modalities that its name says it draws on.
        problems: one sentence each, the first ``MOST_PROBLEMS`` of ``count``.
        attention: (modality, name) of its lanes.
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

    @property
    def folder(self) -> Path:
        return root() / self.id

    @property
    def survey(self) -> Path:
        return self.folder / "survey.npz"


@dataclass(frozen=True)
class Summary:
    """What became of a table.

    Attributes:
        rows: that the table has; ``clips`` of them could be used, ``media`` of which can be played.
        problems: one sentence each, by row, in the table's order.
    """

    name: str
    corpus: str
    rows: int
    clips: int
    media: int
    models: tuple[Entry, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """The models without their problems, which are listed once for all."""
        facts = asdict(self)
        for one in facts["models"]:
            del one["problems"]
        return json.dumps(facts, indent=1)


def root() -> Path:
    return cache_root() / "imports"


def entries() -> dict[str, Entry]:
    """Name -> imported model, the oldest import first."""
    paths = root().glob("[!.]*/[0-9]*/facts.json")
    found = [one for facts in paths if (one := _entry_at(facts)) is not None]
    return {one.name: one for one in sorted(found, key=lambda one: (one.added, one.id))}


def corpus_of(entry: Entry) -> ImportedCorpus:
    """The clips of the table that a model came from.

    Raises:
        UserError: when they are no longer there.
    """
    try:
        facts = json.loads((entry.folder.parent / "clips.json").read_text(encoding="utf-8"))
        table = pd.DataFrame(facts["data"], index=pd.Index(map(str, facts["index"]), name=CLIP), columns=facts["columns"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError("The clips of this model are no longer stored: import its table again.") from error
    return corpus(entry.corpus, table, entry.classes)


def attention_of(entry: Entry, place: int) -> list[tuple[str, str, np.ndarray, float]]:
    """Of the clip in that row of the survey: modality, name, weights [T] (NaN where a frame is not there), rate (or NaN)."""
    try:
        with h5py.File(entry.folder / "attention.h5", "r") as file:
            return [_lane(file[str(k)], place) for k in range(len(file))]
    except (OSError, KeyError, IndexError, ValueError):
        return []


def take_in(path: Path, options: Options, taken: Collection[str], called: str = "") -> Summary:
    """Import a table of predictions.

    Args:
        taken: names of models and corpora that are there; what is imported gets others.
        called: what its owner calls the file, where it lies under another name.

    Raises:
        UserError: when nothing of it can be used, or nobody can tell what it says.
    """
    called = called or path.name
    table = read(path, called)
    name = _plain(options.name or Path(called).stem)
    layout = understand(table, name, options.classes)
    joined = "" if options.corpus or options.media or PATH in table.columns else _listing(options.beside, layout.clips)
    options = replace(options, corpus=options.corpus or joined, beside="")
    source = Source(path.absolute().parent, _corpus(options.corpus), options.media)
    clips = gather(table, layout, source)
    said = {model: check(table, layout, model, clips.usable, options.scale, options.decision) for model in layout.models}
    usable = {model: one for model, one in said.items() if len(one.at)}
    problems = sorted(
        [*layout.problems, *clips.problems, *(problem for one in said.values() for problem in one.problems)],
        key=lambda problem: problem.row,
    )
    if not usable:
        first = f"; the first problem: {problems[0]}" if problems else "."
        raise UserError(f"No row of {shown(called)} can be used{first}")
    notes = [f"Its clips are those of the corpus {shown(joined)}."] if joined else []
    notes += [*layout.notes, *clips.notes, *_doubts(clips, usable)]
    notes += [f"{shown(model)} has no row that can be used, and was left out." for model in said if model not in usable]
    mark = key_of(IMPORT_VERSION, content_hash(path), called, asdict(options), clips.table.to_csv())[:24]
    _make_room(mark, name, options.replace)
    _keep(mark, name, called, source.corpus, clips, layout.clips, usable, [*layout.problems, *clips.problems], taken)
    models = tuple(one for one in entries().values() if one.id.startswith(f"{mark}/"))
    media = int((clips.table["path"] != "").sum())
    return Summary(
        name, models[0].corpus, len(table.rows) + len(table.problems), len(clips.table), media, models,
        tuple(map(str, problems)), tuple(notes),
    )  # fmt: skip


def remove(entry: Entry) -> None:
    """Take a model away; ``restore`` brings it back for a day."""
    sweep()
    shutil.rmtree(_removed(entry), ignore_errors=True)
    if entry.folder.is_dir():
        entry.folder.replace(_removed(entry))
        os.utime(_removed(entry))


def restore(entry: Entry) -> None:
    """Bring back what was removed.

    Raises:
        UserError: when it is no longer kept.
    """
    if entry.folder.exists():
        return
    if not _removed(entry).is_dir():
        raise UserError("The predictions are no longer kept: import their table again.")
    _removed(entry).replace(entry.folder)


def sweep(seconds: float = _KEPT_SECONDS) -> None:
    """Delete what was removed long ago, and what stopped half-way."""
    for folder in (*root().glob(".*"), *root().glob("*/.removed-*")):
        if folder.is_dir() and time.time() - folder.stat().st_mtime > seconds:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in root().glob("[!.]*"):
        if not any(folder.glob("*/facts.json")) and not any(folder.glob(".removed-*/facts.json")):
            shutil.rmtree(folder, ignore_errors=True)


def _keep(
    mark: str,
    name: str,
    file: str,
    over: Corpus | None,
    clips: Clips,
    ids: list[str],
    said: Mapping[str, Said],
    shared: list[Problem],
    taken: Collection[str],
) -> None:
    part = root() / f".part-{uuid.uuid4().hex}"
    known = {*taken, *entries()}
    corpora = {one.corpus for one in entries().values()}
    corpus_name = over.name if over is not None else unlike(name, {*taken, *corpora})
    now = datetime.now(UTC).isoformat()
    try:
        part.mkdir(parents=True)
        (part / "clips.json").write_text(clips.table.to_json(orient="split"), encoding="utf-8")
        (part / "facts.json").write_text(json.dumps({"name": name, "file": shown(file), "added": now}), encoding="utf-8")
        # The layout's rows and the clips' table part ways where a row names no clip.
        rank = np.cumsum(clips.usable) - 1
        for number, (model, one) in enumerate(said.items()):
            (part / str(number)).mkdir()
            survey = _survey(clips.table.iloc[rank[one.at]], one)
            survey.save(part / str(number) / "survey.npz")
            _keep_attention(part / str(number) / "attention.h5", one.attention)
            own = unlike(_plain(model), known)
            known.add(own)
            entry = _entry(
                f"{mark}/{number}",
                own,
                corpus_name,
                shown(file),
                now,
                survey,
                one,
                [*(p for p in shared if p.model in ("", shown(model))), *one.problems],
            )
            (part / str(number) / "facts.json").write_text(json.dumps(asdict(entry)), encoding="utf-8")
        shutil.rmtree(root() / mark, ignore_errors=True)
        part.replace(root() / mark)
    except OSError as error:
        raise UserError(f"There is no room to keep {shown(file)}: {error.strerror or 'the disk refuses'}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _entry(
    mark: str, name: str, corpus_name: str, file: str, now: str, survey: Survey, said: Said, problems: list[Problem]
) -> Entry:
    labelled = survey.table[LABEL].notna() if LABEL in survey.table else pd.Series(False, survey.table.index)
    right = survey.table.loc[labelled, "correct"].astype(bool).mean() if labelled.any() else None
    lanes = tuple((one.modality, one.name) for one in said.attention)
    sentences = tuple(map(str, sorted(problems, key=lambda problem: problem.row)[:MOST_PROBLEMS]))
    return Entry(
        mark, name, corpus_name, file, now, survey.outputs, {head: _modalities(head) for head in survey.heads}, said.decision,
        dict(said.scale), len(survey.table), int(labelled.sum()), None if right is None else float(right), lanes,
        tuple(survey.embeddings), sentences, len(problems),
    )  # fmt: skip


def _survey(facts: pd.DataFrame, said: Said) -> Survey:
    heads = tuple(shown(head, _LONGEST_NAME) for head in said.heads)
    outputs = tuple(shown(name) for name in said.classes)
    answers = {DECISION: said.answers[DECISION]} | {h: said.answers[own] for h, own in zip(heads, said.heads, strict=True)}
    table = facts.drop(columns="path").assign(attention_entropy=said.entropy)
    table = pd.concat([table, judged(table, answers, outputs, heads, "classification")], axis=1)
    embeddings = {shown(name): np.asarray(vectors, np.float32) for name, vectors in said.embeddings.items()}
    kept = {head: np.asarray(values, np.float32) for head, values in answers.items()}
    return Survey("imported", "classification", outputs, heads, (), table, kept, embeddings, {})


def _keep_attention(path: Path, lanes: list[Attention]) -> None:
    with h5py.File(path, "w") as file:
        for k, one in enumerate(lanes):
            group = file.create_group(str(k))
            group.attrs["modality"], group.attrs["name"] = _NAMES.get(one.modality, one.modality), one.name
            sizes = [0 if weights is None else len(weights) for weights in one.weights]
            flat = [weights for weights in one.weights if weights is not None]
            group["values"] = np.concatenate(flat) if flat else np.zeros(0, np.float32)
            group["starts"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            group["rates"] = one.rates


def _lane(group: Any, place: int) -> tuple[str, str, np.ndarray, float]:
    begin, end = group["starts"][place : place + 2]
    return str(group.attrs["modality"]), str(group.attrs["name"]), group["values"][begin:end], float(group["rates"][place])


def _modalities(head: str) -> tuple[str, ...]:
    """What a head's name says that it draws on; nothing where it says nothing."""
    plain = _NAMES.get(head, head)
    return (plain,) if plain in ("audio", "visual", "text") else ()


def _doubts(clips: Clips, said: Mapping[str, Said]) -> list[str]:
    """What a person probably did not mean."""
    labels = {str(one) for one in clips.table[LABEL].dropna().unique()} if LABEL in clips.table else set()
    if not labels:
        return ["The table has no true labels: nobody can say which answers are wrong."]
    return [
        f"No true label is a class of {shown(model)}: write the same names in both."
        for model, one in said.items()
        if not labels & set(one.classes)
    ]


def _corpus(name: str) -> Corpus | None:
    from core.corpora import open_corpus

    return open_corpus(name) if name else None


def _listing(name: str, clips: Collection[str]) -> str:
    """The corpus's name, where it lists all the clips; else nothing."""
    try:
        found = _corpus(name)
    except UserError:
        return ""
    return name if found is not None and set(clips) - {""} <= set(map(str, found.table.index)) else ""


def _make_room(mark: str, name: str, replace: bool) -> None:
    """Take away the same import of before, and where it is asked for, the one of that name."""
    for folder in root().glob("[!.]*"):
        try:
            known = json.loads((folder / "facts.json").read_text(encoding="utf-8")).get("name")
        except (OSError, ValueError, AttributeError):
            continue
        if folder.name == mark or (replace and known == name):
            # Out of sight in one step: an app that runs sees the import whole, or not at all.
            folder.replace(aside := root() / f".part-{uuid.uuid4().hex}")
            shutil.rmtree(aside, ignore_errors=True)


def _removed(entry: Entry) -> Path:
    return entry.folder.parent / f".removed-{entry.folder.name}"


def _plain(text: str) -> str:
    return shown(text.strip(), _LONGEST_NAME) or "predictions"


def _entry_at(facts: Path) -> Entry | None:
    try:
        return _read(facts, facts.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=500)
def _read(facts: Path, changed: int) -> Entry | None:
    try:
        found = json.loads(facts.read_text(encoding="utf-8"))
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
        plain["attention"] = tuple((str(a), str(b)) for a, b in found["attention"])
        plain["heads"] = {str(k): tuple(v) for k, v in found["heads"].items()}
        entry = Entry(**plain)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return entry if entry.folder == facts.parent and entry.survey.is_file() else None


__all__ = ["Entry", "Options", "Summary", "attention_of", "corpus_of", "entries", "remove", "restore", "root", "sweep", "take_in"]
