"""A person's notes on cases: one small JSON file each, in a folder that no cleaning of caches touches.

A case is a clip as one model sees it. A note is written whole or not at all; two people who write on the same case do not
overwrite each other: the second is told. What is removed moves aside and can be brought back. The version before stays beside
each note (``core.cache.sealed``): it is read where the disk has damaged the note, and ``Note.recovered`` says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from affectscope.core.cache import sealed
from affectscope.core.cache.disk import locked
from affectscope.core.cache.roots import data_root
from affectscope.core.cache.store import key_of
from affectscope.core.errors import UserError

LONGEST = 10_000
MOST_TAGS = 20
LONGEST_TAG = 60
_REMOVED = "removed"


@dataclass(frozen=True)
class Note:
    """What somebody wrote about a case.

    Attributes:
        corpus, clip, model: the case; names as the app knows them.
        title: the clip's name for people.
        link: the URL parameters that open the case as it was seen.
        facts: what the model said then: name -> text, in the order to be read.
        page: where it was seen, as the URL names the page; "" is the Clip page.
        created, changed: ISO times, UTC.
        revision: 0 for a note that was never saved; one more with each saving.
        recovered: whether this is the version before, as the last one was damaged on the disk; it is not stored.
    """

    corpus: str
    clip: str
    model: str
    title: str = ""
    text: str = ""
    tags: tuple[str, ...] = ()
    link: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    page: str = ""
    created: str = ""
    changed: str = ""
    revision: int = 0
    recovered: bool = False

    @property
    def id(self) -> str:
        return note_id(self.corpus, self.clip, self.model)


def note_id(corpus: str, clip: str, model: str) -> str:
    return key_of("note", corpus, clip, model)


def find(note: str) -> Note | None:
    """The note of that id, or None where there is none that can be read."""
    return _read(_folder() / f"{note}.json") if _is_id(note) else None


def find_all() -> tuple[list[Note], list[str]]:
    """All notes, the last changed first, and the names of files that cannot be read: they are left where they are."""
    paths = sorted(_folder().glob("[!.]*.json"))
    by_path = {path: _read(path) for path in paths}
    notes = sorted((note for note in by_path.values() if note), key=lambda note: (note.changed, note.id), reverse=True)
    return notes, [path.name for path, note in by_path.items() if note is None]


def save(note: Note) -> Note:
    """Write a note that was read at ``note.revision``, and return it as it now is.

    Raises:
        UserError: when somebody else has changed the case's note since, or when it is too long.
    """
    tags = tuple(dict.fromkeys(tag.strip() for tag in note.tags if tag.strip()))
    if len(note.text) > LONGEST or len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
        raise UserError(f"A note holds {LONGEST} characters and {MOST_TAGS} tags of {LONGEST_TAG} at most: shorten it.")
    with locked(_folder()):
        known = find(note.id)
        if (known.revision if known else 0) != note.revision:
            raise UserError("Somebody has changed this note meanwhile: copy what you wrote, and open the note again.")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        saved = replace(note, tags=tags, created=note.created or now, changed=now, revision=note.revision + 1)
        saved = replace(saved, recovered=False)
        facts = asdict(saved)
        del facts["recovered"]
        sealed.write_kept(_folder() / f"{saved.id}.json", facts)
    return saved


def remove(note: str) -> None:
    """Put a note aside; ``restore`` brings it back."""
    if not _is_id(note):
        return
    aside = _folder() / _REMOVED
    aside.mkdir(parents=True, exist_ok=True)
    with locked(_folder()):
        path = _folder() / f"{note}.json"
        # The version before goes first: it must never be alone where the note was.
        for file in (sealed.previous(path), path):
            if file.is_file():
                os.replace(file, aside / file.name)


def restore(note: str) -> None:
    """Bring a removed note back.

    Raises:
        UserError: when it is not there, or the case has another note by now.
    """
    if not _is_id(note):
        raise UserError("There is no such note to bring back.")
    with locked(_folder()):
        path = _folder() / f"{note}.json"
        aside = path.parent / _REMOVED / path.name
        if path.exists():
            raise UserError("This case has a new note by now: the removed one stays aside.")
        if not aside.is_file():
            raise UserError("There is no such note to bring back.")
        os.replace(aside, path)
        if sealed.previous(aside).is_file():
            os.replace(sealed.previous(aside), sealed.previous(path))


def tags_of(notes: Iterable[Note]) -> list[str]:
    """Every tag in use, in the alphabet's order."""
    return sorted({tag for note in notes for tag in note.tags}, key=str.casefold)


def _folder() -> Path:
    return data_root() / "notes"


def _is_id(note: str) -> bool:
    """An id becomes a file's name: one with a path in it is no id."""
    return note.isascii() and note.isalnum()


def _read(path: Path) -> Note | None:
    content, recovered = sealed.read_kept(path)
    if content is None:
        return None
    try:
        fields: dict[str, Any] = {n: str(content[n]) for n in ("corpus", "clip", "model", "title", "text", "created", "changed")}
        fields |= {name: {str(k): str(v) for k, v in content[name].items()} for name in ("link", "facts")}
        fields["page"] = str(content.get("page", ""))
        note = Note(**fields, tags=tuple(map(str, content["tags"])), revision=int(content["revision"]), recovered=recovered)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    # Somebody may have copied a file by hand: a case has one note, under its own name.
    return note if note.id == path.stem else None
