"""The list of notes: read, open, change, remove, export."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.cards import Action, Card, cards
from affectscope.app.common import say, session
from affectscope.app.common.pick import pick
from affectscope.app.notebook import form, report
from affectscope.core.cache.roots import data_root
from affectscope.core.errors import UserError
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note

_REMOVED = "removed_note"
_ACTIONS = (Action("open", "Open", "Open the case as it was seen"), Action("edit", "Edit"), Action("remove", "Remove"))


def notebook() -> None:
    """The notes and their report."""
    known, broken = notes.find_all()
    if broken:
        say.warning(f"{len(broken)} of the files in {data_root() / 'notes'} cannot be read and were left as they are.")
    if again := sum(note.recovered for note in known):
        which = "note was" if again == 1 else "notes were"
        say.warning(f"{again} {which} damaged on the disk: the version before the last change is shown, and its card says so.")
    _undo()
    tags = notes.tags_of(known)
    shown = known
    if tags:
        tag = pick("Tag", "failures.tag", {"": "All tags"} | {tag: tag for tag in tags}, width=230)
        shown = [note for note in known if not tag or tag in note.tags]
    if shown:
        if report.pictures(shown):
            report.downloads(shown, key="notebook")
        else:
            st.caption("The report can be downloaded when its pictures are ready.")
    title = f"{len(shown)} {'note' if len(shown) == 1 else 'notes'}"
    empty = "Nothing is written down yet: press “Note” on a case, or “Note this case” under a clip."
    cards(title, [_card(note) for note in shown], key="notes", act=_act, empty=empty)


def _card(note: Note) -> Card:
    recovered = ("damaged on the disk: the version before its last change",) if note.recovered else ()
    facts = (
        *recovered,
        f"model {note.model}",
        *(f"{name} {value}" for name, value in note.facts.items()),
        f"changed {note.changed[:10]}",
    )
    try:
        item = services.clip(note.corpus, note.clip)
        picture = services.thumb_url(item.corpus, item.id, item.media)
    except UserError:
        picture = None
    return Card(note.id, note.title or note.clip, picture, facts=facts, tags=note.tags, text=note.text, actions=_ACTIONS)


def _act(note_id: str, action: str) -> None:
    note = notes.find(note_id)
    if note is None:
        return
    if action == "remove":
        notes.remove(note_id)
        st.session_state[_REMOVED] = note_id
    elif action == "edit":
        form.dialog(note.corpus, note.clip, note.model)
    else:
        there = session.from_query(dict(note.link))
        session.update(
            corpus=there.corpus, clip=there.clip, model=there.model, explain=there.explain, options=there.options, view=there.view
        )
        session.go("masking" if note.page == "masking" else "clip")


def _undo() -> None:
    removed = st.session_state.get(_REMOVED)
    if not removed:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text("The note was removed.")
        st.button("Undo", icon=":material/undo:", on_click=_bring_back, args=(removed,))


def _bring_back(note_id: str) -> None:
    st.session_state.pop(_REMOVED, None)
    try:
        notes.restore(note_id)
    except UserError as error:
        say.toast(error)
