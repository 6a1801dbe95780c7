"""Trust over a corpus: a table of methods, their curves, and all numbers as a file."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import jobs, press, say
from affectscope.app.common.pick import pick
from affectscope.app.common.progress import finished
from affectscope.app.common.save import save
from affectscope.app.failures.figures import CONFIG
from affectscope.app.trust.figures import curves_figure
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.corpora import Corpus
from affectscope.core.evaluation.labelled import labelled_for
from affectscope.core.explain.methods import METHODS
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.trust.corpus import TEXTS, carriers, over_corpus, summary
from affectscope.core.trust.tables import cells, title_of
from affectscope.core.trust.trust import TRUST_VERSION, Request

_CLIPS = {"8": "8 clips", "24": "24 clips", "0": "all clips"}
_METHODS = {"usual": "the usual methods", "fast": "all fast methods", "all": "all methods"}
_SEED = 0


def view(model: str) -> None:
    """Measure a model's explanations over the session's corpus, on request."""
    if services.imported(model):
        say.info("These answers came from elsewhere: there is no model here whose explanations could be measured.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        clips = int(pick("Clips", "trust.clips", _CLIPS, width=160))
        which = pick("Methods", "trust.methods", _METHODS, width=220)
    source = services.corpus_of(model)
    path = _path(model, source, clips, which)
    for sentence in labelled_for(source, services.spec(model))[1]:
        say.caption(sentence)
    table = _read(path)
    if table is None:
        _offer(model, source, clips, which, path)
        return
    _show(model, source, table)


def _offer(model: str, source: Corpus, clips: int, which: str, path: Path) -> None:
    job = jobs.find(_id(path))
    if job is None:
        say.caption("Each clip takes about 15 seconds on two cores, and each further method about five; slow ones take minutes.")
        if press.button("Measure", key=f"trust-measure-{path.stem}", type="primary"):
            job = jobs.ensure(_id(path), partial(_measure, model, source, clips, which, path), "corpus")
            st.rerun()
        return
    if finished(job, 0):
        st.rerun()


def _show(model: str, source: Corpus, table: pd.DataFrame) -> None:
    means = summary(table)
    say.table(pd.DataFrame([cells(row) for row in means.to_dict("records")]), hide_index=True)
    right, known = carriers(table)
    if known:
        say.caption(f"The modality that alone carries the emotion has the largest Shapley value in {right} of {known} clips.")
    names = {str(number): title_of(row) for number, row in enumerate(means.to_dict("records"))}
    chosen = means.iloc[int(pick("Curves of", "trust.curves", names, width=320))]
    rows = table[(table["explanation"] == chosen["explanation"]) & (table["modality"] == chosen["modality"])]
    st.plotly_chart(curves_figure(rows, services.spec(model).task), config=CONFIG, key="trust-curves")
    save(
        "CSV",
        lambda: csv_of(table).encode(),
        f"trust.{model}.{source.name}.csv".replace("/", "-"),
        "text/csv",
        key="trust-corpus-csv",
    )


def _measure(model: str, source: Corpus, clips: int, which: str, path: Path, progress: jobs.Progress) -> None:
    asker = services.analyzer(model)
    labelled, _ = labelled_for(source, asker.checkpoint.spec)
    names = None if which == "usual" else tuple(name for name in METHODS if which == "all" or not METHODS[name].slow)
    table, _ = over_corpus(asker, labelled, Request(methods=names, sounds=names, seed=_SEED), clips, jobs.standing_back(progress))
    sealed.write_cached(path, table.to_csv(index=False).encode())


def _path(model: str, source: Corpus, clips: int, which: str) -> Path:
    made = key_of(TRUST_VERSION, services.digest(model), source.name, len(source.table), clips, which, sorted(METHODS), _SEED)
    return cache_root() / "trust" / f"{made}.corpus.csv"


def _id(path: Path) -> str:
    return f"trust-corpus-{path.name}"


def _read(path: Path) -> pd.DataFrame | None:
    content = sealed.read(path)
    if content is None:
        return None
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    numbers = table.columns.difference(TEXTS)
    table[numbers] = table[numbers].apply(pd.to_numeric)
    return table
