"""Before a run: its duration on this machine, and warnings about a small corpus."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from affectscope.app.common import jobs, say
from affectscope.app.common.progress import finished
from affectscope.core.corpora import Corpus, is_named, open_corpus
from affectscope.core.errors import UserError
from affectscope.core.training import forecast, splits
from affectscope.core.training.runs import Order


@st.fragment
def show(order: Order) -> None:
    """Warn if the corpus is small, and show the run's estimated duration.

    Nothing is shown for a corpus that cannot be read or split, which is reported on start.
    """
    split_parts = _split_of(order)
    if split_parts is None:
        return
    corpus, split = split_parts
    if remarks := forecast.remarks(corpus, split):
        say.warning(" ".join(["This corpus is small for a run.", *remarks]), icon=":material/data_alert:")
    if not order.epochs:
        st.caption("Expected: as long as reading the clips takes; the fit itself takes seconds.")
        return
    if expected(order) is None and not finished(_ask(order)):
        return
    say.caption(words(order, forecast.counts(split)))


def expected(order: Order) -> float | None:
    """Duration of a run that does not stop early; None if unknown."""
    split_parts, pace = _split_of(order), forecast.pace(order, splits.split_speakers)
    return None if split_parts is None or pace is None else pace.seconds(order.epochs, forecast.counts(split_parts[1]))


def words(order: Order, clips: dict[str, int]) -> str:
    """The duration in a sentence, and what the estimate is based on."""
    pace = forecast.pace(order, splits.split_speakers)
    if pace is None:
        return "The first epoch will show how long it takes."
    epochs, learnt = count(order.epochs, "epoch"), count(clips["train"], "clip")
    more = " The additional clips come on top." if order.also else ""
    return (
        f"Expected: about {duration(pace.seconds(order.epochs, clips))} for {epochs} on {learnt}, less if it stops early. "
        f"An estimate, based on {pace.basis}: {pace.clip:.2g} s per clip and epoch. It takes longer while the machine "
        f"does other work.{more}"
    )


def duration(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def count(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


def _split_of(order: Order) -> tuple[Corpus, pd.Series] | None:
    try:
        if not is_named(order.corpus) and not order.corpus.strip():
            return None
        corpus = open_corpus(order.corpus)
        return corpus, splits.split_speakers(corpus.table, order.seed, order.split)
    except (UserError, OSError, ValueError):
        return None


def _ask(order: Order) -> jobs.Job:
    return jobs.ensure(f"pace-{forecast.measured_path(order).stem}", partial(_measure, order), "corpus")


def _measure(order: Order, progress: jobs.Progress) -> None:
    forecast.measure(order, progress)
