"""The report of notes: pictures made from analyses, and three files to download."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

import streamlit as st

from app import jobs, services
from app.progress import finished
from core import export
from core import report as files
from core.errors import UserError
from core.features.store import cache_root, key_of, of_clip, write_atomically
from core.notes import Note
from core.report import Entry

TITLE = "Notes on cases"


def downloads(notes: Sequence[Note], key: str) -> None:
    """Three buttons; the files are made when one is pressed, with the pictures that are at hand."""
    root = app_root()
    stamp = f"{datetime.now():%Y-%m-%d}"
    kinds = (
        ("Report (HTML)", _html, f"affectscope-notes-{stamp}.html", "text/html"),
        ("Markdown (zip)", _markdown, f"affectscope-notes-{stamp}.zip", "application/zip"),
        ("Table (CSV)", _csv, f"affectscope-notes-{stamp}.csv", "text/csv"),
    )
    with st.container(horizontal=True):
        for label, make, name, mime in kinds:
            st.download_button(
                label, partial(make, tuple(notes), root), name, mime, key=f"{key}-{label}", on_click="ignore",
                icon=":material/download:",
            )  # fmt: skip


def pictures(notes: Sequence[Note]) -> bool:
    """Make the pictures that are missing; True when there is nothing left to wait for."""
    missing = [note for note in notes if _possible(note) and _answered(note) is None]
    if not missing:
        return True
    wanted = f"pictures-{key_of([(note.id, note.revision) for note in missing])}"
    # What failed once is left out of the report; it is not tried at every click.
    job = jobs.find(wanted) or jobs.ensure(wanted, partial(_make, missing), "export")
    return job.done or finished(job)


def app_root() -> str:
    """The address of the app, without the page."""
    url = urlsplit(st.context.url or "")
    if not url.netloc:
        return ""
    page = str(st.session_state.get("page") or "")
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/').removesuffix(f'/{page}' if page else '').rstrip('/')}"


def entries(notes: Sequence[Note], root: str) -> list[Entry]:
    return [Entry(note, files.case_url(root, note), *_picture(note)) for note in notes]


def _html(notes: Sequence[Note], root: str) -> bytes:
    return files.html(entries(notes, root), TITLE, _lead(notes)).encode()


def _markdown(notes: Sequence[Note], root: str) -> bytes:
    return files.markdown_zip(entries(notes, root), TITLE, _lead(notes))


def _csv(notes: Sequence[Note], root: str) -> bytes:
    return files.table_csv([Entry(note, files.case_url(root, note)) for note in notes]).encode()


def _lead(notes: Sequence[Note]) -> str:
    models = ", ".join(sorted({note.model for note in notes}))
    count = f"{len(notes)} {'case' if len(notes) == 1 else 'cases'}"
    return f"{count}; models: {models}. Written by AffectScope, {datetime.now():%Y-%m-%d}."


def _picture(note: Note) -> tuple[bytes | None, str]:
    """The frame at which the explanation is strongest, and what to say of it."""
    if not _possible(note):
        return None, "No picture: the clip or the model is no longer here."
    found = _answered(note)
    if found is None:
        return None, "No picture: the clip was not analysed."
    wanted = note.link.get("map", "")
    heatmap = wanted if wanted in found.explained else services.main_heatmap(found)
    lanes = services.timeline(found)
    time = files.strongest(lanes, heatmap)
    path = cache_root() / "notes" / f"{of_clip(found.key, key_of('picture', found.key, heatmap))}.png"
    if not path.is_file():
        try:
            picture = export.frame_png(services.clip(note.corpus, note.clip).media, lanes, time, heatmap)
        except UserError as error:
            return None, f"No picture: {error}"
        write_atomically(path, lambda part: part.write_bytes(picture))
    why = f", where the explanation of {found.explained[heatmap]} is strongest" if heatmap in found.explained else ""
    untouched = "; nothing is masked here" if note.page == "masking" else ""
    return path.read_bytes(), f"{note.title} at {time:.2f} s{why}{untouched}"


def _possible(note: Note) -> bool:
    try:
        return services.clip(note.corpus, note.clip).file is not None and note.model in services.models()
    except UserError:
        return False


def _answered(note: Note) -> services.Result | None:
    return services.result(services.clip(note.corpus, note.clip), note.model, _explain(note))


def _explain(note: Note) -> str | None:
    wanted = note.link.get("explain", "")
    return wanted if wanted in services.labels(note.model) else None


def _make(notes: Sequence[Note], progress: jobs.Progress) -> None:
    for done, note in enumerate(notes):
        progress(f"Picture {done + 1} of {len(notes)}", done / len(notes))
        services.analyse(services.clip(note.corpus, note.clip), note.model, _explain(note)).wait(120)
