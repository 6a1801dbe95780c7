"""The Library page's tables and sheets of models and corpora."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from affectscope.app.common.choose import CAUTION
from affectscope.app.library import Section, Sheet, checking, inventory
from affectscope.core.checkpoints.untrusted import Report
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.familiarity.domain import Measured
from affectscope.core.familiarity.words import UNKNOWN
from affectscope.core.library import dropped as library
from affectscope.core.library.cards import Card
from affectscope.core.metrics.metrics import METRICS, tabled
from affectscope.core.plugins.loading import Trouble
from affectscope.core.text import percent, shown
from affectscope.core.timeline.lanes import head_title

_NO_LABEL = "without a label"
_HELD = " held out"
_MOST_PROBLEMS = 100
_REMARKS = 8
_LONGEST = 600


def comparison(names: Iterable[str], loaded: Mapping[str, bool]) -> pd.DataFrame:
    """One row per model; columns without values are left out."""
    table = pd.DataFrame([_row(name, loaded.get(name, False)) for name in names])
    return table.loc[:, [c for c in table if table[c].notna().any() and (table[c].astype(str) != "").any()]]


def formats() -> dict[str, str]:
    """Formats of the number columns in ``comparison``."""
    scores = {metric.title: f"%{metric.format}" for metric in METRICS.values() if metric.compared}
    held = {title + _HELD: form for title, form in scores.items()}
    return {"Parameters": "localized", "Size (MB)": "%.1f", **scores, **held}


def _row(name: str, loaded: bool) -> dict[str, object]:
    try:
        card = inventory.card(name)
    except UserError as error:
        return {"Model": name, "System": str(error)}
    training, measured = card.training, inventory.measured(name) or {}
    decision, held = measured.get("decision", {}), card.metrics.get("decision", {})
    return {
        "Model": name,
        "System": card.spec.system,
        "Parameters": card.parameters or None,
        "Predictions": _answers(card),
        **{metric.title: decision.get(key) for key, metric in METRICS.items() if metric.compared},
        **{metric.title + _HELD: held.get(key) for key, metric in METRICS.items() if metric.compared},
        "Inputs": ", ".join(f"{m} {dim}" for m, dim in card.spec.inputs.items()),
        "Trained on": training.get("Corpus", ""),
        "Imported from": card.imported.get("Table", ""),
        "Plugin": Path(card.plugin["File"]).name if card.plugin else "",
        "Strategy": training.get("Strategy", ""),
        "Seed": training.get("Seed", ""),
        "Epochs": training.get("Epochs", ""),
        "Size (MB)": card.bytes / 1e6,
        "Device": "" if card.imported else library.device(name),
        "In memory": loaded,
    }


def _answers(card: Card) -> str:
    kind = "class" if card.spec.task == "classification" else "attribute"
    count = len(card.spec.labels)
    return f"{count} {kind}" if count == 1 else f"{count} {kind}{'es' if kind == 'class' else 's'}"


def model_sheet(name: str) -> Sheet:
    """The card of one model."""
    try:
        card = inventory.card(name)
    except UserError as error:
        return Sheet(name, [str(error)], tone="wrong")
    sections = [
        Section("System", _system(card)),
        Section("Classes" if card.spec.task == "classification" else "Attributes", chips=card.spec.labels),
    ]
    if card.imported:
        sections.append(Section("Import", list(card.imported.items())))
    else:
        sections.append(Section("Inputs", [(m, _input(card, m)) for m in card.spec.inputs]))
    if card.plugin:
        sections.append(Section("Plugin", list(card.plugin.items())))
    if card.config:
        sections.append(Section("Sizes", list(card.config.items())))
    rest = "What else its file holds"
    if card.imported or card.plugin:
        rest = "How its table was read" if card.imported else "How it was wrapped"
    told = {"Assumed": card.assumed, "Answered by the person who loaded it": card.answered, rest: card.remarks}
    sections += [Section(title, sentences=lines) for title, lines in told.items() if lines]
    if card.training:
        sections.append(Section("Training", list(card.training.items())))
    if card.metrics:
        sections.append(metrics_section("On the clips that training held out", card.metrics))
    sections += [domain_section(corpus) for corpus in card.domain]
    if card.training and not card.knows:
        sections.append(Section("What it knows", sentences=[UNKNOWN]))
    measured = inventory.measured(name)
    if measured:
        title = "On the table's own clips" if card.imported else "On the selected corpus"
        left_out = f", without {count} of labels that it does not know" if (count := inventory.strange(name)) else ""
        sections.append(metrics_section(title + left_out, measured))
    sections += checking.sections(name)
    if card.problems:
        kind = "problem of its table" if card.count == 1 else "problems of its table"
        sections.append(Section(kind, keys=card.problems[:_MOST_PROBLEMS], count=card.count))
    return Sheet(name, [card.incompatible] if card.incompatible else [], CAUTION if card.synthetic else "", sections)


def _system(card: Card) -> list[tuple[str, str]]:
    heads = ", ".join(f"{head} ({' and '.join(card.spec.modalities[head])})" for head in card.spec.heads)
    if card.imported:
        return [("System", card.spec.system), *([("Heads", ", ".join(card.spec.heads))] if card.spec.heads else [])]
    rows = [("System", card.spec.system), ("Parameters", f"{card.parameters:,}"), ("File", f"{card.bytes / 1e6:.1f} MB")]
    rows += [("Read as", f"public layout {card.layout}")] if card.layout else []
    return [*rows, ("Heads", heads), ("Predictions", "frame by frame" if card.spec.reference else "once a clip")]


def _input(card: Card, modality: str) -> str:
    features = card.features.get(modality, "")
    return f"{card.spec.inputs[modality]} a frame{f', {features}' if features else ''}"


def metrics_section(title: str, by_head: Mapping[str, Mapping[str, float]]) -> Section:
    """A table with a row per head, and a column for each metric that any of them has."""
    columns = tabled(by_head.values())
    rows = [
        [head_title(head), *(metric.written(values.get(name)) for name, metric in columns.items())]
        for head, values in sorted(by_head.items(), key=lambda pair: pair[0] != "decision")
    ]
    note = "; ".join(metric.note for metric in columns.values() if metric.note)
    return Section(title, columns=["", *(metric.title for metric in columns.values())], table=rows, note=note)


def domain_section(measured: Measured) -> Section:
    """A domain card's entry for one corpus: a row per head."""
    rows = [
        [head_title(head), str(own.clips), own.accuracy.text, own.uar.text, "no better than chance" if own.at_chance else ""]
        for head, own in sorted(measured.heads.items(), key=lambda pair: pair[0] != "decision")
    ]
    who = "rendered" if measured.synthetic else "recordings of people"
    gone = f"; left out, for it has no such class: {', '.join(f'{k or _NO_LABEL} {n}' for k, n in measured.left_out.items())}"
    note = f"{who}; in brackets the {percent(0.95)} interval{gone if measured.left_out else ''}"
    columns = ["", "Clips", METRICS["accuracy"].title, METRICS["uar"].title, ""]
    return Section(f"Measured on {measured.name}", columns=columns, table=rows, note=note)


def refusal(called: str, report: Report) -> Sheet:
    """Why a file was refused, and what does not fit."""
    kinds = ("tensors are missing", "tensors are not known", "tensors have another shape")
    listed = (report.missing, report.unexpected, report.misshapen)
    sections = [
        Section(kind, keys=keys, count=count) for kind, keys, count in zip(kinds, listed, report.counts, strict=True) if keys
    ]
    return Sheet(called, [line for line in (report.error, report.guess) if line], "", sections, "wrong")


def left_out(troubles: Iterable[Trouble]) -> list[Sheet]:
    """The plugins that could not be imported, and why."""
    return [Sheet("A plugin was left out", [shown(trouble.sentence, _LONGEST)], tone="wrong") for trouble in troubles]


def corpus_sheet(corpus: Corpus, classes: pd.DataFrame) -> Sheet:
    """A corpus and its counts."""
    speakers = corpus.table["speaker"].replace("", None)
    rows = [("Read as", corpus.kind), ("Clips", f"{len(corpus.table):,}"), ("Speakers", str(speakers.nunique()))]
    if "sex" in corpus.table:
        counts = corpus.table.drop_duplicates("speaker")["sex"].value_counts()
        rows.append(("Sex of speakers", ", ".join(f"{name} {count}" for name, count in counts.items())))
    seconds = classes["seconds"].notna().any()
    if seconds:
        rows.append(("Together", f"{(classes['seconds'] * classes['clips']).sum() / 60:.1f} minutes"))
    rows.append(("Folder", str(corpus.root)))
    columns = ["Class", "Clips", "Speakers", *(["Mean seconds"] if seconds else [])]
    table = [
        [str(row.Index) or "no label", str(row.clips), str(row.speakers), *([f"{row.seconds:.1f}"] if seconds else [])]
        for row in classes.itertuples()
    ]
    caution = "Rendered faces and synthesised speech: no person was recorded for it" if corpus.synthetic else ""
    missing = [shown(line, 300) for line in corpus.missing[:_REMARKS]]
    if (more := len(corpus.missing) - _REMARKS) > 0:
        missing.append(f"`affectscope corpus describe` has {more} more remarks.")
    return Sheet(corpus.name, missing, caution, [Section("Size", rows), Section("By class", columns=columns, table=table)])
