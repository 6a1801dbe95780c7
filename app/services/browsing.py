"""The available corpora, and the session's current one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from affectscope.app.common import session
from affectscope.core import corpora
from affectscope.core.corpora.known import Known, known
from affectscope.core.errors import UserError

DEMO = "demo"
_OPTION = "corpus"


def corpus_names() -> list[str]:
    """The bundled corpus, then added ones (``affectscope corpus add``)."""
    try:
        return [DEMO, *known()]
    except UserError:
        return [DEMO]


def corpus_name() -> str:
    """The session's current corpus: the current clip's, or if that is the user's own, the one before."""
    if get_script_run_ctx() is None:
        raise RuntimeError("a job has no session: give it its corpus")
    names = corpus_names()
    return next((name for name in (session.current().corpus, session.option(_OPTION)) if name in names), DEMO)


def corpus() -> corpora.Corpus:
    """The session's current corpus.

    Raises:
        UserError: when it cannot be read.
    """
    return opened(corpus_name())


def opened(name: str) -> corpora.Corpus:
    """A corpus by its name, cached until its folder changes.

    Raises:
        UserError: when it cannot be read.
    """
    if name == DEMO:
        return _bundled()
    entry = known().get(name)
    if entry is None:
        raise UserError(f"The corpus {name} is not here any more: choose another.")
    try:
        changed = Path(entry.path).stat().st_mtime_ns
    except OSError as error:
        raise UserError(f"The corpus {name} is not at {entry.path} any more: add it again from where it is.") from error
    return _opened(name, entry, changed)


def look_at(name: str) -> None:
    """Select a corpus on all pages, starting with its first clip."""
    # One update, so that one press of Back undoes it.
    session.update(corpus=name, clip="", options=session.with_option(_OPTION, name, DEMO))


def keep_looking(name: str) -> None:
    """Remember the corpus while the user looks at their own clip."""
    if session.option(_OPTION, DEMO) != name:
        session.choose_option(_OPTION, name, DEMO)


@st.cache_resource(show_spinner=False)
def _bundled() -> corpora.Corpus:
    return corpora.bundled()


@st.cache_resource(max_entries=8, show_spinner="Reading the corpus…", hash_funcs={Known: lambda entry: repr(entry)})
def _opened(name: str, entry: Known, changed: int) -> corpora.Corpus:
    return corpora.open_corpus(name)
