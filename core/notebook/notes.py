"""Notes on cases: one small JSON file each, in a folder that is never cleaned up.

A case is a clip as seen by one model. Notes are written atomically. Concurrent edits of one case do not overwrite each other: the
second one is refused. Removed notes can be restored. The previous version is kept beside each note (``core.cache.sealed``) and
used if the note is damaged, which ``Note.recovered`` tells.
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
    """A note on a case.

    Attributes:
        corpus, clip, model: the case, by the app's names.
        title: the clip's display name.
        link: the URL parameters that open the case as it was seen.
        facts: the model's answers at that time: name -> text, in display order.
        page: where it was seen, as in the URL; "" is the Clip page.
        created, changed: ISO times, UTC.
        revision: 0 for an unsaved note; incremented on each save.
        recovered: whether this is the previous version, because the last one was damaged; not stored.
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
    """The note of that id, or None where none can be read."""
    return _read(_folder() / f"{note}.json") if _is_id(note) else None


def find_all() -> tuple[list[Note], list[str]]:
    """All notes, last changed first, and the names of unreadable files, which are kept."""
    paths = sorted(_folder().glob("[!.]*.json"))
    by_path = {path: _read(path) for path in paths}
    notes = sorted((note for note in by_path.values() if note), key=lambda note: (note.changed, note.id), reverse=True)
    return notes, [path.name for path, note in by_path.items() if note is None]


def save(note: Note) -> Note:
    """Save a note that was read at ``note.revision``. Returns its new version.

    Raises:
        UserError: when the note was changed by somebody else since, or is too long.
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
    """Remove a note; ``restore`` can undo it."""
    if not _is_id(note):
        return
    aside = _folder() / _REMOVED
    aside.mkdir(parents=True, exist_ok=True)
    with locked(_folder()):
        path = _folder() / f"{note}.json"
        # Move the previous version first: it must never be the only one left.
        for file in (sealed.previous(path), path):
            if file.is_file():
                os.replace(file, aside / file.name)


def restore(note: str) -> None:
    """Restore a removed note.

    Raises:
        UserError: when it is gone, or the case has another note by now.
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
    """Every tag in use, sorted."""
    return sorted({tag for note in notes for tag in note.tags}, key=str.casefold)


def _folder() -> Path:
    return data_root() / "notes"


def _is_id(note: str) -> bool:
    """Ids are used as file names, so they must not contain a path."""
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
    # A copied file does not count: a case has one note, under its own name.
    return note if note.id == path.stem else None
