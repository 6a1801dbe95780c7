"""Imports a table: reading, validating, and storing it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from affectscope.core.cache import sealed
from affectscope.core.cache.disk import owned
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.cache.store import content_hash, key_of
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.imports.check import Attention, ModelPredictions, check
from affectscope.core.imports.clips import Clips, Source, gather
from affectscope.core.imports.columns import LABEL, PATH
from affectscope.core.imports.labels import spelled, truths
from affectscope.core.imports.layout import understand
from affectscope.core.imports.read import Problem, read
from affectscope.core.imports.scales import Scale
from affectscope.core.imports.stored import IMPORT_VERSION, Entry, entries, root
from affectscope.core.inference.table import DECISION, PredictionTable, score_predictions
from affectscope.core.text import shown, unlike

MOST_PROBLEMS = 1000
_LONGEST_NAME = 60
_NAMES = {"video": "visual", "face": "visual", "vision": "visual", "speech": "audio", "acoustic": "audio"}


@dataclass(frozen=True)
class Options:
    """How to read a table.

    Attributes:
        corpus: the name or folder of the corpus that contains the clips.
        media: a folder of media, in which clips are found by name.
        classes: in the order of lists of posteriors.
        scale: what the numbers are.
        decision: the head used as the system's decision; default: found by name, else the first.
        name: of the import; default: the table's.
        replace: replace an import of that name.
        beside: a corpus to use if it lists every clip, and the table names no files.
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
class Summary:
    """The result of an import.

    Attributes:
        rows: of the table; ``clips``: the usable ones; ``media``: those that can be played.
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
        """JSON; problems are listed once rather than per model."""
        facts = asdict(self)
        for model in facts["models"]:
            del model["problems"]
        return json.dumps(facts, indent=1)


def take_in(path: Path, options: Options, taken: Collection[str], called: str = "") -> Summary:
    """Import a table of predictions.

    Args:
        taken: names of existing models and corpora, which imports must not get.
        called: the file's original name, if it differs.

    Raises:
        UserError: when nothing in it is usable, or it cannot be interpreted.
    """
    called = called or path.name
    table = read(path, called)
    name = _plain(options.name or Path(called).stem)
    layout = understand(table, name, options.classes)
    joined = "" if options.corpus or options.media or PATH in table.columns else _listing(options.beside, layout.clips)
    options = replace(options, corpus=options.corpus or joined, beside="")
    source = Source(path.absolute().parent, _corpus(options.corpus), options.media)
    clips = gather(table, layout, source)
    checked = {model: check(table, layout, model, clips.usable, options.scale, options.decision) for model in layout.models}
    usable = {model: predictions for model, predictions in checked.items() if len(predictions.at)}
    problems = sorted(
        [*layout.problems, *clips.problems, *(problem for predictions in checked.values() for problem in predictions.problems)],
        key=lambda problem: problem.row,
    )
    if not usable:
        first = f"; the first problem: {problems[0]}" if problems else "."
        raise UserError(f"No row of {shown(called)} can be used{first}")
    notes = [f"Its clips are those of the corpus {shown(joined)}."] if joined else []
    notes += [*table.notes, *layout.notes, *clips.notes]
    notes += [note for model, predictions in usable.items() for note in _read_as(model, predictions, options.scale)]
    clips.table, respelled = spelled(clips.table, usable, layout.numbered)
    notes += [*respelled, *_doubts(clips, usable)]
    notes += [f"{shown(model)} has no row that can be used, and was left out." for model in checked if model not in usable]
    mark = key_of(IMPORT_VERSION, content_hash(path), called, asdict(options), clips.table.to_csv())[:24]
    _make_room(mark, name, options.replace)
    _keep(mark, name, called, source.corpus, clips, layout.clips, usable, [*layout.problems, *clips.problems], notes, taken)
    models = tuple(entry for entry in entries().values() if entry.id.startswith(f"{mark}/"))
    media = int((clips.table["path"] != "").sum())
    return Summary(
        name, models[0].corpus, len(table.rows) + len(table.problems), len(clips.table), media, models,
        tuple(map(str, problems)), tuple(notes),
    )  # fmt: skip


def _keep(
    mark: str,
    name: str,
    file: str,
    over: Corpus | None,
    clips: Clips,
    ids: list[str],
    models: Mapping[str, ModelPredictions],
    shared: list[Problem],
    notes: list[str],
    taken: Collection[str],
) -> None:
    part = root() / f".part-{owned()}"
    known = {*taken, *entries()}
    corpora = {entry.corpus for entry in entries().values()}
    corpus_name = over.name if over is not None else unlike(name, {*taken, *corpora})
    now = datetime.now(UTC).isoformat()
    try:
        part.mkdir(parents=True)
        sealed.write_kept(part / "clips.json", json.loads(clips.table.to_json(orient="split")))
        sealed.write_kept(part / "facts.json", {"name": name, "file": shown(file), "added": now})
        # Row indices of the layout and of the clips' table differ after a row without a clip.
        rank = np.cumsum(clips.usable) - 1
        for number, (model, predictions) in enumerate(models.items()):
            (part / str(number)).mkdir()
            prediction_table = _prediction_table(clips.table.iloc[rank[predictions.at]], predictions)
            prediction_table.save(part / str(number) / "survey.npz")
            sealed.fill(part / str(number) / "attention.h5", partial(_write_attention, lanes=predictions.attention))
            own = unlike(_plain(model), known)
            known.add(own)
            entry = _entry(
                f"{mark}/{number}",
                own,
                corpus_name,
                shown(file),
                now,
                prediction_table,
                predictions,
                [*(p for p in shared if p.model in ("", shown(model))), *predictions.problems],
            )
            sealed.write_kept(part / str(number) / "facts.json", asdict(replace(entry, notes=tuple(notes))))
        shutil.rmtree(root() / mark, ignore_errors=True)
        part.replace(root() / mark)
    except OSError as error:
        sentence = sentence_of(error) or f"There is no room to keep {shown(file)}: {error.strerror or 'the disk refuses'}."
        raise UserError(sentence) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _entry(
    mark: str,
    name: str,
    corpus_name: str,
    file: str,
    now: str,
    made: PredictionTable,
    predictions: ModelPredictions,
    problems: list[Problem],
) -> Entry:
    known = "error" if predictions.task == "regression" else LABEL
    labelled = made.table[known].notna() if known in made.table else pd.Series(False, made.table.index)
    right = made.table.loc[labelled, "correct"].astype(bool).mean() if "correct" in made.table and labelled.any() else None
    lanes = tuple((lane.modality, lane.name) for lane in predictions.attention)
    sentences = tuple(map(str, sorted(problems, key=lambda problem: problem.row)[:MOST_PROBLEMS]))
    return Entry(
        mark, name, corpus_name, file, now, made.outputs, {head: _modalities(head) for head in made.heads},
        predictions.decision, dict(predictions.scale), len(made.table), int(labelled.sum()),
        None if right is None else float(right), lanes, tuple(made.embeddings), sentences, len(problems), predictions.task,
    )  # fmt: skip


def _prediction_table(facts: pd.DataFrame, predictions: ModelPredictions) -> PredictionTable:
    heads = tuple(shown(head, _LONGEST_NAME) for head in predictions.heads)
    outputs = tuple(shown(name) for name in predictions.classes)
    answers = {DECISION: predictions.answers[DECISION]}
    answers |= {head: predictions.answers[own] for head, own in zip(heads, predictions.heads, strict=True)}
    table = facts.drop(columns="path").assign(attention_entropy=predictions.entropy)
    if predictions.task == "regression":
        table = truths(table, outputs)
    table = pd.concat([table, score_predictions(table, answers, outputs, heads, predictions.task)], axis=1)
    embeddings = {shown(name): np.asarray(vectors, np.float32) for name, vectors in predictions.embeddings.items()}
    kept = {head: np.asarray(values, np.float32) for head, values in answers.items()}
    return PredictionTable("imported", predictions.task, outputs, heads, (), table, kept, embeddings, {})


def _write_attention(path: Path, lanes: list[Attention]) -> None:
    with h5py.File(path, "w") as file:
        for k, lane in enumerate(lanes):
            group = file.create_group(str(k))
            group.attrs["modality"], group.attrs["name"] = _NAMES.get(lane.modality, lane.modality), lane.name
            sizes = [0 if weights is None else len(weights) for weights in lane.weights]
            flat = [weights for weights in lane.weights if weights is not None]
            group["values"] = np.concatenate(flat) if flat else np.zeros(0, np.float32)
            group["starts"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            group["rates"] = lane.rates


def _modalities(head: str) -> tuple[str, ...]:
    """The modalities in a head's name; empty if it names none."""
    plain = _NAMES.get(head, head)
    return (plain,) if plain in ("audio", "visual", "text") else ()


def _read_as(model: str, predictions: ModelPredictions, asked: Scale) -> list[str]:
    """How the numbers were interpreted, where the table does not say and it is not obvious."""
    if asked != "auto":
        return []
    heads = {head: kind for head, kind in predictions.scale.items() if kind != "probabilities"}
    if len(set(heads.values())) == 1 and len(heads) == len(predictions.scale):
        return [f"The numbers of {shown(model)} are read as {next(iter(heads.values()))}."]
    return [f"The numbers of {shown(model)}, head {shown(head)}, are read as {kind}." for head, kind in heads.items()]


def _doubts(clips: Clips, models: Mapping[str, ModelPredictions]) -> list[str]:
    """Warnings about likely mistakes."""
    labels = {str(label) for label in clips.table[LABEL].dropna().unique()} if LABEL in clips.table else set()
    doubts = [sentence for model, predictions in models.items() if (sentence := _untrue(model, predictions, clips))]
    classed = {model: predictions for model, predictions in models.items() if predictions.task == "classification"}
    if classed and not labels:
        return [*doubts, f"The table has no true labels{_looks_true(clips, classed)}: nobody can say which answers are wrong."]
    for model, predictions in classed.items():
        unknown = sorted(labels - set(predictions.classes))
        if len(unknown) == len(labels) and all(label.isdigit() for label in labels):
            doubts.append(
                f"True labels are numbers, and the classes of {shown(model)} have names: name these with --classes, in the "
                "order of the numbers from 0."
            )
        elif len(unknown) == len(labels):
            doubts.append(f"No true label is a class of {shown(model)}: write the same names in both.")
        elif unknown:
            named = ", ".join(shown(label) for label in unknown[:5])
            doubts.append(f"{shown(model)} has no class {named}: on such clips it cannot be right; write the same names in both.")
    return doubts


def _looks_true(clips: Clips, models: Mapping[str, ModelPredictions]) -> str:
    """A column of classes that the user may have meant as the true labels."""
    classes = {_folded(name) for predictions in models.values() for name in predictions.classes}
    for name in clips.table:
        cells = clips.table[name].dropna()
        if name != PATH and len(cells) and cells.map(lambda cell: _folded(str(cell)) in classes).mean() > 0.5:
            return f" (if {shown(str(name))} holds them, call it label)"
    return ""


def _folded(text: str) -> str:
    return text.strip().casefold()


def _untrue(model: str, predictions: ModelPredictions, clips: Clips) -> str:
    """A warning where a model of attributes has no true values, or some on another scale."""
    if predictions.task != "regression":
        return ""
    table = truths(clips.table, predictions.classes)
    known = [name for name in predictions.classes if name in table]
    if not known:
        return f"The table has no true values for {shown(model)}: name them in columns such as {shown(predictions.classes[0])}."
    answers = predictions.answers[DECISION]
    for name in known:
        own, true = answers[:, predictions.classes.index(name)], pd.to_numeric(table[name], errors="coerce").dropna()
        least, most = true.min(), true.max()
        slack = 0.1 * (most - least) + 1e-6
        if len(true) and len(own) and ((own >= least - slack) & (own <= most + slack)).mean() < 0.5:
            return (
                f"{shown(name)} of {shown(model)} lies between {np.nanmin(own):.3g} and {np.nanmax(own):.3g}, "
                f"what is true between {least:.3g} and {most:.3g}: write both on one scale, or errors mean nothing."
            )
    return ""


def _corpus(name: str) -> Corpus | None:
    from affectscope.core.corpora import open_corpus

    return open_corpus(name) if name else None


def _listing(name: str, clips: Collection[str]) -> str:
    """The corpus's name if it lists all the clips; else empty."""
    try:
        corpus = _corpus(name)
    except UserError:
        return ""
    return name if corpus is not None and set(clips) - {""} <= set(map(str, corpus.table.index)) else ""


def _make_room(mark: str, name: str, replace: bool) -> None:
    """Remove an identical earlier import, and with ``replace`` the one of that name."""
    for folder in root().glob("[!.]*"):
        known = (sealed.read_kept(folder / "facts.json")[0] or {}).get("name")
        if folder.name == mark or (replace and known == name):
            # One atomic rename, so that a running app sees the import complete or not at all.
            folder.replace(aside := root() / f".part-{owned()}")
            shutil.rmtree(aside, ignore_errors=True)


def _plain(text: str) -> str:
    return shown(text.strip(), _LONGEST_NAME) or "predictions"
