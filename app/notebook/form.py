"""The form for a note: a popover beside a clip, or a dialog over a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import press, say, session
from affectscope.app.notebook import report
from affectscope.app.verdict import Verdict
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.errors import UserError
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note
from affectscope.core.text import percent
from affectscope.core.timeline.lanes import head_title

SUGGESTED = ("ambiguous", "mislabelled", "misled by picture", "misled by sound", "face lost", "look again")
_NOTING = "noting"
_SAVED = "note_saved"


def popover(clip: services.Clip, model: str, answers: Mapping[str, str], page: str = "") -> None:
    """A small form beside a clip, and the report below it.

    Args:
        answers: the model's current predictions, name -> text; stored in the note.
        page: the page that the note's link opens, as in the URL.
    """
    link = _link(clip.corpus, clip.id, model)
    case = Note(clip.corpus, clip.id, model, clip.title, page=page, link=link, facts=_facts(clip, answers))
    known = notes.find(case.id)
    icon = ":material/edit_note:" if known is None else ":material/task_alt:"
    menu = st.popover("Note this case", icon=icon, on_change="rerun", key=f"note-{case.id}")
    if not menu.open:
        st.session_state.pop(_base(case.id), None)
        st.session_state.pop(_SAVED, None)
        return
    with menu:
        if _write(case):
            # A toast, because a popover may be cut off by the window.
            st.toast("The note was saved.", icon=":material/check:")
            st.session_state[_SAVED] = case.id
        # Keep the message for more than one run: the next one would remove it unread.
        if st.session_state.get(_SAVED) == case.id:
            st.success("Saved.", icon=":material/check:")
        if notes.find_all()[0]:
            report.downloads(notes.find_all()[0], key="popover")


def dialog(corpus: str, clip: str, model: str) -> None:
    """Request the dialog, which opens at the script's end (``dialogs``)."""
    st.session_state[_NOTING] = corpus, clip, model
    st.session_state.pop(_base(notes.note_id(corpus, clip, model)), None)


def dialogs() -> None:
    """Show the requested dialog."""
    if wanted := st.session_state.get(_NOTING):
        _dialog(*wanted)


def answers_of(verdicts: list[Verdict]) -> dict[str, str]:
    """The heads' predictions, for a note."""
    return {verdict.title: _answer(verdict) if verdict.evidence else "no evidence" for verdict in verdicts}


def _answer(verdict: Verdict) -> str:
    return verdict.label if verdict.probability is None else f"{verdict.label} {percent(verdict.probability)}"


@st.dialog("Note this case", on_dismiss=lambda: st.session_state.pop(_NOTING, None))
def _dialog(corpus: str, clip_id: str, model: str) -> None:
    known = notes.find(notes.note_id(corpus, clip_id, model))
    try:
        case = known or _from_table(services.clip(corpus, clip_id), model)
    except UserError as error:
        say.error(error)
        return
    if _write(case):
        st.session_state.pop(_NOTING, None)
        st.rerun()


def _from_table(clip: services.Clip, model: str) -> Note:
    answers: dict[str, str] = {}
    prediction_table = services.prediction_table(model)
    if prediction_table is not None and clip.id in prediction_table.table.index:
        row = prediction_table.table.loc[clip.id]
        for head in ("", *(f"_{h}" for h in prediction_table.heads)):
            if f"predicted{head}" in row:
                name = head_title(head.removeprefix("_") or "decision")
                answers[name] = f"{row[f'predicted{head}']} {percent(row[f'confidence{head}'])}"
        for name in prediction_table.outputs:
            if f"{name}_predicted" in row:
                answers[f"Decision, {name}"] = f"{row[f'{name}_predicted']:+.2f}"
    link = _link(clip.corpus, clip.id, model)
    return Note(clip.corpus, clip.id, model, clip.title, link=link, facts=_facts(clip, answers))


def _write(case: Note) -> bool:
    """The form; True in the run in which the note was saved. Input belongs to the note for which the form was opened."""
    base: Note = st.session_state.setdefault(_base(case.id), notes.find(case.id) or case)
    if base.recovered:
        st.warning("This note was damaged on the disk: this is the version before its last change.")
    with st.form(f"form-{case.id}-{base.revision}", border=False):
        text = st.text_area(
            "What is there to see?", base.text, max_chars=notes.LONGEST, height=140,
            placeholder="What misled the model? What happens when it is masked?",
        )  # fmt: skip
        known = sorted({*SUGGESTED, *notes.tags_of(notes.find_all()[0]), *base.tags}, key=str.casefold)
        tags = st.multiselect("Tags", known, list(base.tags), accept_new_options=True, placeholder="Choose, or type a new one")
        if not press.form_submit_button("Save note", key=f"save-{case.id}-{base.revision}", type="primary", width="stretch"):
            return False
    try:
        # A note saved where the case is shown adopts the current view; one edited in a list keeps its own.
        seen = case if case.revision == 0 else base
        written = replace(base, text=text, tags=tuple(map(str, tags)), page=seen.page, link=seen.link, facts=seen.facts)
        saved = notes.save(written)
    except (UserError, OSError) as error:
        say.error(sentence_of(error) or "The note could not be written: check the disk that holds the notes.")
        return False
    st.session_state[_base(case.id)] = saved
    return True


def _facts(clip: services.Clip, answers: Mapping[str, str]) -> dict[str, str]:
    """The true label, the model's predictions, and the corpus's facts."""
    known = {name.capitalize(): str(clip.facts[name]) for name in ("speaker", "intensity", "carrier") if name in clip.facts}
    truth = {"True label": str(clip.label)} if clip.label is not None and not pd.isna(clip.label) else {}
    return {**truth, **answers, **known}


def _link(corpus: str, clip: str, model: str) -> dict[str, str]:
    """The complete selection, without defaults that may change."""
    now = session.current()
    elsewhere = (now.corpus, now.clip) != (corpus, clip) and bool(now.clip)
    view = {**now.view, "time": 0.0} if elsewhere else now.view
    options = session.elsewhere(now.options) if elsewhere else now.options
    here = session.Selection(corpus, clip, model, "" if elsewhere else now.explain, options, view)
    return session.to_query(here)


def _base(note: str) -> str:
    return f"note-base-{note}"
