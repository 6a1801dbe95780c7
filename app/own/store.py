"""A person's own clips on disk, under ids of ours: uploads and recordings.

    uploads/<id>.json           the facts: name, label, stretch, when it came; the version before in <id>.json.previous
            <id>.<kind>         the file as it came
            <id>.cut-<...>.mp4  of a long file the stretch that is analysed
            <id>.browser.mp4    a copy for browsers where they cannot play the file itself; <id>.playable.json names it
            <id>.<how>.…        the same two of another sound track, or of a file that is not read simply as its frames say

The id is a hash of the file's content and owner, so a file that comes twice is one clip. All that belongs to a clip begins with
its id.
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
    """One clip of a person's own.

    Attributes:
        label: the class, or any other word, that its owner holds to be true; None where nothing was said.
        file: what is analysed: the file as it came, or the stretch that was cut from it; None while none was chosen.
        original: the file as it came.
        seconds: its length; 0 where it was not noted.
        stretch: (start, end) in seconds of the original; None where all of it is analysed, or nothing was chosen yet.
        track: of the stretch, the sound track that was chosen; None for the first with sound.
        said: of the stretch, one sentence each about what could not be read of it.
        added: when it came, seconds since the epoch.
        owner: the browser that sent it, as ``app.gate.visitors`` names it; "" for this machine's own.
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
    """Whether whoever asks may know of the clip: where others than this machine's own come, only the browser that sent it."""
    return clip.owner == visitors.current()


def listed() -> list[OwnClip]:
    """All own clips that are stored here, the newest first."""
    clips = [_clip(path.name.removesuffix(".json")) for path in _folder().glob("*.json") if path.name.count(".") == 1]
    return sorted((clip for clip in clips if clip and visible(clip)), key=lambda clip: (-clip.added, clip.id))


def find(clip_id: str) -> OwnClip | None:
    """The clip of that id, which counts as opened by this; None where there is none."""
    clip = _clip(clip_id)
    if clip is None or not visible(clip):
        return None
    _renew(_facts_path(clip_id))
    return clip


def incoming() -> Path:
    """A new file to write to; ``keep`` takes it over, or it is deleted by whoever asked for it."""
    part = _folder() / f".incoming-{owned()}"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch(0o600)
    return part


def keep(arrived: Path, name: str, owner: str = "") -> str:
    """Take over a file and return its clip's id.

    Raises:
        UserError: when it is nothing that can be played; the file is deleted then.
    """
    name = shown(Path(name.strip()).name or "clip", _LONGEST_NAME)
    try:
        info = _probe(arrived, name)
        clip_id = _id_of(arrived, owner)
        stored = f"{clip_id}{_kind(name, info)}"
        with locked(_folder()):
            before = _read(clip_id) or {}
            # One that was damaged on the disk is replaced by what has arrived, whose content is its name.
            if not before or not intact(clip_id, _folder() / str(before.get("file")), owner):
                arrived.replace(_folder() / stored)
                before = {**before, "file": stored}
            facts = {**before, "name": name, "seconds": info.duration, "added": time.time(), "owner": owner}
            sealed.write_kept(_facts_path(clip_id), facts)
    finally:
        arrived.unlink(missing_ok=True)
    return clip_id


def save(name: str, data: BinaryIO, owner: str = "") -> str:
    """``keep`` of an open file's content."""
    part = incoming()
    with part.open("wb") as out:
        data.seek(0)
        shutil.copyfileobj(data, out)
    return keep(part, name, owner)


def intact(clip_id: str, path: Path, owner: str = "") -> bool:
    """Whether a clip's file, as it came, is what came: its id is of its content and its owner."""
    try:
        return _id_of(path, owner) == clip_id
    except OSError:
        return False


def _id_of(path: Path, owner: str) -> str:
    return key_of(content_hash(path), owner)[:24] if owner else content_hash(path)[:24]


def remarks() -> list[str]:
    """What a person should know of clips that the disk has damaged, a sentence each."""
    kept = {path.name.removesuffix(".json"): sealed.read_kept(path) for path in sorted(_folder().glob("*.json"))}
    facts = {name: entry for name, entry in kept.items() if "." not in name}
    lost = sum(known is None for known, _ in facts.values())
    old = [str((known or {}).get("name") or name) for name, (known, before) in facts.items() if before]
    told = [f"What was noted of {shown(name)} was damaged on the disk: its name and label are as before the last change."
            for name in old]  # fmt: skip
    return told + ([f"What was noted of {lost} of your clips is damaged on the disk: choose their files again."] if lost else [])


def rename(clip_id: str, name: str) -> None:
    """Call a clip something else; an empty name changes nothing."""
    if clean := shown(name.strip(), _LONGEST_NAME):
        _change(clip_id, name=clean)


def relabel(clip_id: str, label: str | None) -> None:
    """Say what is true of a clip; nothing, or blanks, for nothing."""
    _change(clip_id, label=shown((label or "").strip(), _LONGEST_NAME) or None)


def playable(clip_id: str, track: int | None = None) -> Path | None:
    """What browsers can play of what is analysed, once ``make_playable`` has run.

    Args:
        track: the sound track that is heard, counted from 1; the first with sound if left out.
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
    return path if path and sealed.good(path) else None


def make_playable(clip_id: str, path: Path, progress: Callable[[float], None], track: int | None = None) -> None:
    """Re-encode what browsers cannot play; name what they can."""
    name = _playable_name(path, track)
    copy = path.with_name(f"{clip_id}{name.replace('.playable.json', '.browser.mp4')}")
    if media.probe(path, track=track).browser_playable:
        copy = path
    else:
        sealed.fill(copy, lambda part: media.browser_copy(path, part, progress, track=track), video=True)
    sealed.keep_json(path.with_name(f"{clip_id}{name}"), {"file": copy.name})


def _playable_name(path: Path, track: int | None) -> str:
    """What the note of the playable file is called: another for another track, and for a file that was read otherwise before."""
    read = (*media.reading(path), *media.hearing(path, track))
    return f".{key_of(*read)[:8]}.playable.json" if read else ".playable.json"


def files(clip_id: str) -> list[Path]:
    """All files that belong to a clip."""
    return sorted(_folder().glob(f"{clip_id}.*")) if _fine(clip_id) else []


def remove(clip_id: str) -> None:
    """Delete a clip's files; what was derived from them is deleted by ``app.own.removal``."""
    with locked(_folder()):
        # Whatever asks meanwhile finds no clip before it finds no file.
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
    return replace(clip, file=cut if cut and sealed.good(cut) else None)


def cut_path(clip_id: str, stretch: tuple[float, float], track: int | None = None) -> Path:
    """Where a stretch of a clip, with one sound track, lies once it is cut: another one is another file."""
    start, end = (round(1000 * moment) for moment in stretch)
    heard = f"-track-{track}" if track else ""
    return _folder() / f"{clip_id}.cut-{start}-{end}{heard}.mp4"


def keep_stretch(clip_id: str, stretch: tuple[float, float], track: int | None = None, notes: Sequence[str] = ()) -> None:
    """Have a stretch that was cut be the one that is analysed; the one before is deleted."""
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
        # The sentence names our file; its owner knows another name.
        raise UserError(str(error).replace(str(path), name).replace(path.name, name)) from error


def _kind(name: str, info: media.MediaInfo) -> str:
    """How the stored file's name ends: browsers are told by it what they get."""
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
    """Say that a clip is in use."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY:
            os.utime(path)
