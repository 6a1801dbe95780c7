"""A person's own files: checked, stored under a name of ours, and found again by that name."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from app import tidy
from core import media
from core.errors import UserError
from core.features.store import cache_root, write_atomically

TYPES = ("mp4", "mov", "webm", "avi", "mkv")
LIMIT_MB = 200
_CHUNK = 1 << 20


def save(name: str, data: BinaryIO) -> str:
    """Keep an uploaded file and return its id, a hash of its content.

    Raises:
        UserError: when the file is of another kind, too large, or nothing that can be played.
    """
    name = Path(name).name
    kind = Path(name).suffix.lower().removeprefix(".")
    if kind not in TYPES:
        raise UserError(f"{name} is none of {', '.join(TYPES)}: choose a video file.")
    folder = _folder()
    handle, part = tempfile.mkstemp(dir=folder, prefix=".incoming-", suffix=f".{kind}")
    incoming = Path(part)
    try:
        with os.fdopen(handle, "wb") as out:
            clip_id = _copy(name, data, out)
        _probe(incoming, name)
        incoming.replace(folder / f"{clip_id}.{kind}")
    finally:
        incoming.unlink(missing_ok=True)
    _write(folder / f"{clip_id}.json", {"file": f"{clip_id}.{kind}", "name": name})
    return clip_id


def find(clip_id: str) -> tuple[Path, str] | None:
    """The stored file and the name that its owner gave it."""
    facts = _read(clip_id, ".json")
    path = _folder() / facts["file"] if facts else None
    if not facts or not path or not path.is_file():
        return None
    tidy.renew(_folder() / f"{clip_id}.json")
    return path, facts["name"]


def playable(clip_id: str) -> Path | None:
    """What browsers can play of the upload, once ``make_playable`` has run."""
    facts = _read(clip_id, ".playable.json")
    path = _folder() / facts["file"] if facts else None
    return path if path and path.is_file() else None


def make_playable(clip_id: str, path: Path, progress: Callable[[float], None]) -> None:
    """Re-encode what browsers cannot play; name what they can."""
    copy = path.with_name(f"{clip_id}.browser.mp4")
    if media.probe(path).browser_playable:
        copy = path
    else:
        write_atomically(copy, lambda part: media.browser_copy(path, part, progress))
    _write(path.with_name(f"{clip_id}.playable.json"), {"file": copy.name})


def _copy(name: str, data: BinaryIO, out: BinaryIO) -> str:
    digest, size = hashlib.sha256(), 0
    data.seek(0)
    while chunk := data.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        if size > LIMIT_MB << 20:
            raise UserError(f"{name} is larger than {LIMIT_MB} MB: cut it, or analyse it from the command line.")
        out.write(chunk)
    return digest.hexdigest()[:24]


def _probe(path: Path, name: str) -> None:
    try:
        media.probe(path)
    except UserError as error:
        # The sentence names our file; its owner knows another name.
        raise UserError(str(error).replace(str(path), name).replace(path.name, name)) from error


def _folder() -> Path:
    folder = cache_root() / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _read(clip_id: str, suffix: str) -> dict[str, str] | None:
    if not (clip_id.isascii() and clip_id.isalnum()):
        return None
    try:
        facts = json.loads((_folder() / f"{clip_id}{suffix}").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _write(path: Path, facts: dict[str, str]) -> None:
    write_atomically(path, lambda part: part.write_text(json.dumps(facts), encoding="utf-8"))
