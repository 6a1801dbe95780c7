"""The report of notes: three files to download."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

import streamlit as st

from affectscope.app.common import jobs
from affectscope.app.common.progress import finished
from affectscope.app.common.save import save
from affectscope.app.notebook import cases
from affectscope.core import __version__
from affectscope.core.cache.store import key_of
from affectscope.core.notebook import report as files
from affectscope.core.notebook.notes import Note
from affectscope.core.notebook.report import Entry

TITLE = "Notes on cases"
_CLIPS = "Clips show people: put them in only if all who will read the report may see them."


def downloads(notes: Sequence[Note], key: str) -> None:
    """Three buttons; a file is made when its button is pressed, with the pictures that exist."""
    root = app_root()
    stamp = f"{datetime.now():%Y-%m-%d}"
    clips = st.toggle("Put the clips themselves into the report", key=f"{key}-clips", help=_CLIPS)
    if clips:
        st.caption(_CLIPS)
    kinds = (
        ("Report (HTML)", partial(_html, clips=clips), f"affectscope-notes-{stamp}.html", "text/html"),
        ("Markdown (zip)", _markdown, f"affectscope-notes-{stamp}.zip", "application/zip"),
        ("Table (CSV)", _csv, f"affectscope-notes-{stamp}.csv", "text/csv"),
    )
    with st.container(horizontal=True):
        for label, make, name, mime in kinds:
            save(label, partial(make, tuple(notes), root), name, mime, key=f"{key}-{label}")


def pictures(notes: Sequence[Note]) -> bool:
    """Make missing pictures; True when none are left to wait for."""
    missing = [note for note in notes if cases.possible(note) and cases.lacking(note)]
    if not missing:
        return True
    wanted = f"pictures-{key_of([(note.id, note.revision) for note in missing])}"
    # A failed picture is left out of the report, and not retried on every click.
    job = jobs.find(wanted) or jobs.ensure(wanted, partial(_make, missing), "export")
    return job.done or finished(job)


def app_root() -> str:
    """The app's URL, without the page."""
    url = urlsplit(st.context.url or "")
    if not url.netloc:
        return ""
    page = str(st.session_state.get("page") or "")
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/').removesuffix(f'/{page}' if page else '').rstrip('/')}"


def entries(notes: Sequence[Note], root: str, clips: bool = False) -> list[Entry]:
    return [cases.entry(note, root, clips) for note in notes]


def _html(notes: Sequence[Note], root: str, clips: bool = False) -> bytes:
    return files.html(entries(notes, root, clips), TITLE, _lead(notes), _is_local(root)).encode()


def _markdown(notes: Sequence[Note], root: str) -> bytes:
    return files.markdown_zip(entries(notes, root), TITLE, _lead(notes))


def _csv(notes: Sequence[Note], root: str) -> bytes:
    return files.table_csv([Entry(note, files.case_url(root, note)) for note in notes]).encode()


def _lead(notes: Sequence[Note]) -> str:
    models = ", ".join(sorted({note.model for note in notes}))
    count = f"{len(notes)} {'case' if len(notes) == 1 else 'cases'}"
    return f"{count}; models: {models}. Written by AffectScope {__version__}, {datetime.now():%Y-%m-%d}."


def _is_local(root: str) -> bool:
    """Whether a URL refers to this machine itself."""
    host = urlsplit(root).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _make(notes: Sequence[Note], progress: jobs.Progress) -> None:
    for done, note in enumerate(notes):
        progress(f"Picture {done + 1} of {len(notes)}", done / len(notes))
        cases.analyse(note, 120)
