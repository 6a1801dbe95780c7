"""The user's own clips on disk, under generated ids: uploads and recordings.

    uploads/<id>.json           the facts: name, label, stretch, time; the previous version in <id>.json.previous
            <id>.<kind>         the uploaded file
            <id>.cut-<...>.mp4  the analysed stretch of a long file
            <id>.browser.mp4    a copy for browsers that cannot play the file itself; <id>.playable.json names it
            <id>.<how>.…        the same two for another audio track, or for a file with irregular timing

The id is a hash of the file's content and owner, so a file that is uploaded twice is one clip. All files of a clip begin with its
id.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from affectscope.app.gate import visitors
from affectscope.core import media
from affectscope.core.cache import sealed
from affectscope.core.cache.disk import locked, owned
from affectscope.core.cache.store import cache_root, content_hash, key_of
from affectscope.core.errors import UserError
from affectscope.core.text import shown

_LONGEST_NAME = 120
_DAY = 24 * 3600.0


@dataclass(frozen=True)
class OwnClip:
    """One of the user's own clips.

    Attributes:
        label: the user's label, a class or any other word; None if none.
        file: what is analysed: the upload, or the stretch cut from it; None until one was chosen.
        original: the uploaded file.
        seconds: its duration; 0 if unknown.
        stretch: (start, end) in seconds of the original; None where all of it is analysed, or nothing was chosen yet.
        track: for a stretch, the chosen audio track; None for the first that has sound.
        said: for a stretch, one sentence for each part that could not be read.
        added: time of upload, seconds since the epoch.
        owner: the uploading browser, as in ``app.gate.visitors``; "" for this machine's own.
    """

    id: str
    name: str
    label: str | None
    file: Path | None
    original: Path
    seconds: float
    stretch: tuple[float, float] | None
    added: float
    owner: str
    track: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def long(self) -> bool:
        """Whether only a stretch of it can be analysed."""
        return self.seconds > media.MAX_SECONDS + media.SLACK


def visible(clip: OwnClip) -> bool:
    """Whether the current visitor may see the clip: if other machines can connect, only the browser that uploaded it."""
    return clip.owner == visitors.current()


def listed() -> list[OwnClip]:
    """All own clips stored here, newest first."""
    clips = [_clip(path.name.removesuffix(".json")) for path in _folder().glob("*.json") if path.name.count(".") == 1]
    return sorted((clip for clip in clips if clip and visible(clip)), key=lambda clip: (-clip.added, clip.id))


def find(clip_id: str) -> OwnClip | None:
    """The clip with that id, which counts as opened by this call; None where there is none."""
    clip = _clip(clip_id)
    if clip is None or not visible(clip):
        return None
    _renew(_facts_path(clip_id))
    return clip


def incoming() -> Path:
    """A new file to write to; ``keep`` takes it over, otherwise the caller has to delete it."""
    part = _folder() / f".incoming-{owned()}"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch(0o600)
    return part


def keep(arrived: Path, name: str, owner: str = "") -> str:
    """Take over a file and return its clip's id.

    Raises:
        UserError: when it cannot be played; the file is deleted then.
    """
    name = shown(Path(name.strip()).name or "clip", _LONGEST_NAME)
    try:
        info = _probe(arrived, name)
        clip_id = _id_of(arrived, owner)
        stored = f"{clip_id}{_kind(name, info)}"
        with locked(_folder()):
            before = _read(clip_id) or {}
            # Replace a damaged copy by the upload, which has the same content hash.
            if not before or not intact(clip_id, _folder() / str(before.get("file")), owner):
                arrived.replace(_folder() / stored)
                before = {**before, "file": stored}
            facts = {**before, "name": name, "seconds": info.duration, "added": time.time(), "owner": owner}
            sealed.write_kept(_facts_path(clip_id), facts)
    finally:
        arrived.unlink(missing_ok=True)
    return clip_id


def save(name: str, data: BinaryIO, owner: str = "") -> str:
    """``keep`` for an open file's content."""
    part = incoming()
    with part.open("wb") as out:
        data.seek(0)
        shutil.copyfileobj(data, out)
    return keep(part, name, owner)


def intact(clip_id: str, path: Path, owner: str = "") -> bool:
    """Whether a clip's file matches its id, which is a hash of content and owner."""
    try:
        return _id_of(path, owner) == clip_id
    except OSError:
        return False


def _id_of(path: Path, owner: str) -> str:
    return key_of(content_hash(path), owner)[:24] if owner else content_hash(path)[:24]


def remarks() -> list[str]:
    """Warnings about damaged clips, a sentence each."""
    kept = {path.name.removesuffix(".json"): sealed.read_kept(path) for path in sorted(_folder().glob("*.json"))}
    facts = {name: entry for name, entry in kept.items() if "." not in name}
    lost = sum(known is None for known, _ in facts.values())
    old = [str((known or {}).get("name") or name) for name, (known, before) in facts.items() if before]
    told = [f"What was noted of {shown(name)} was damaged on the disk: its name and label are as before the last change."
            for name in old]  # fmt: skip
    return told + ([f"What was noted of {lost} of your clips is damaged on the disk: choose their files again."] if lost else [])


def rename(clip_id: str, name: str) -> None:
    """Rename a clip; an empty name changes nothing."""
    if clean := shown(name.strip(), _LONGEST_NAME):
        _change(clip_id, name=clean)


def relabel(clip_id: str, label: str | None) -> None:
    """Set a clip's label; None or blanks remove it."""
    _change(clip_id, label=shown((label or "").strip(), _LONGEST_NAME) or None)


def playable(clip_id: str, track: int | None = None) -> Path | None:
    """A version of the analysed file that browsers can play, once ``make_playable`` has run.

    Args:
        track: the audio track, counted from 1; default: the first that has sound.
    """
    clip = _clip(clip_id)
    if clip is None or clip.file is None:
        return None
    if clip.file != clip.original:
        return clip.file
    facts = sealed.read_json(_folder() / f"{clip_id}{_playable_name(clip.file, track)}")
    path = _folder() / facts["file"] if facts else None
    if path == clip.original:
        return path
    return path if path and sealed.is_intact(path) else None


def make_playable(clip_id: str, path: Path, progress: Callable[[float], None], track: int | None = None) -> None:
    """Transcode the file if browsers cannot play it, and record the result."""
    name = _playable_name(path, track)
    copy = path.with_name(f"{clip_id}{name.replace('.playable.json', '.browser.mp4')}")
    if media.probe(path, track=track).browser_playable:
        copy = path
    else:
        sealed.fill(copy, lambda part: media.browser_copy(path, part, progress, track=track), video=True)
    sealed.write_cached_json(path.with_name(f"{clip_id}{name}"), {"file": copy.name})


def _playable_name(path: Path, track: int | None) -> str:
    """Name of the record of the playable file; it depends on the track, and on how the file is read."""
    read = (*media.reading(path), *media.hearing(path, track))
    return f".{key_of(*read)[:8]}.playable.json" if read else ".playable.json"


def files(clip_id: str) -> list[Path]:
    """All files of a clip."""
    return sorted(_folder().glob(f"{clip_id}.*")) if _fine(clip_id) else []


def remove(clip_id: str) -> None:
    """Delete a clip's files; ``app.own.removal`` deletes derived data."""
    with locked(_folder()):
        # Facts first, so that concurrent readers find no clip rather than no file.
        for path in [_facts_path(clip_id), *files(clip_id)]:
            path.unlink(missing_ok=True)


def _clip(clip_id: str) -> OwnClip | None:
    facts = _read(clip_id)
    if not facts or not isinstance(facts.get("file"), str):
        return None
    original = _folder() / Path(facts["file"]).name
    try:
        added = float(facts.get("added") or original.stat().st_mtime)
        seconds = float(facts.get("seconds") or 0)
        stretch = (float(facts["stretch"][0]), float(facts["stretch"][1])) if facts.get("stretch") else None
        track = int(facts["track"]) if facts.get("track") else None
        notes = tuple(map(str, facts.get("said") or ()))
    except (OSError, ValueError, TypeError, IndexError, KeyError):
        return None
    name, label, owner = str(facts.get("name") or clip_id), facts.get("label"), str(facts.get("owner") or "")
    clip = OwnClip(clip_id, name, label and str(label), original, original, seconds, stretch, added, owner, track, notes)
    if not clip.long and not stretch:
        return clip
    cut = cut_path(clip_id, stretch, track) if stretch else None
    return replace(clip, file=cut if cut and sealed.is_intact(cut) else None)


def cut_path(clip_id: str, stretch: tuple[float, float], track: int | None = None) -> Path:
    """Path of a cut stretch of a clip with one audio track."""
    start, end = (round(1000 * moment) for moment in stretch)
    heard = f"-track-{track}" if track else ""
    return _folder() / f"{clip_id}.cut-{start}-{end}{heard}.mp4"


def keep_stretch(clip_id: str, stretch: tuple[float, float], track: int | None = None, notes: Sequence[str] = ()) -> None:
    """Make a cut stretch the one that is analysed, and delete the one before."""
    _change(clip_id, stretch=list(stretch), track=track, said=list(notes))
    for path in files(clip_id):
        if path.name.startswith(f"{clip_id}.cut-") and path != cut_path(clip_id, stretch, track):
            path.unlink(missing_ok=True)


def _change(clip_id: str, **facts: Any) -> None:
    with locked(_folder()):
        known = _read(clip_id)
        if known is None:
            raise UserError("That clip is no longer stored here: choose the file again.")
        sealed.write_kept(_facts_path(clip_id), {**known, **facts})


def _probe(path: Path, name: str) -> media.MediaInfo:
    try:
        return media.probe(path, longest=float("inf"))
    except UserError as error:
        # Replace the stored file's name, which the user does not know.
        raise UserError(str(error).replace(str(path), name).replace(path.name, name)) from error


def _kind(name: str, info: media.MediaInfo) -> str:
    """The stored file's extension, which determines the media type sent to browsers."""
    kind = Path(name).suffix.lower()
    if info.browser_playable:
        return ".mp4"
    return kind if kind[1:].isascii() and kind[1:].isalnum() and len(kind) <= 6 and kind != ".json" else ".media"


def _folder() -> Path:
    return cache_root() / "uploads"


def _facts_path(clip_id: str) -> Path:
    return _folder() / f"{clip_id}.json"


def _fine(clip_id: str) -> bool:
    return clip_id.isascii() and clip_id.isalnum()


def _read(clip_id: str) -> dict[str, Any] | None:
    return sealed.read_kept(_facts_path(clip_id))[0] if _fine(clip_id) else None


def _renew(path: Path) -> None:
    """Mark a clip as in use."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY:
            os.utime(path)
