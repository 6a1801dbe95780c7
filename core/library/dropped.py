"""Uploaded checkpoints: stored once each, under generated names, until removed."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from affectscope.core.cache import sealed
from affectscope.core.cache.disk import abandoned, locked, owned
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.cache.stamps import stamp
from affectscope.core.cache.store import cache_root, content_hash, key_of
from affectscope.core.checkpoints.choices import NO_CHOICES, Choices
from affectscope.core.checkpoints.untrusted import Report, load_untrusted
from affectscope.core.errors import UserError
from affectscope.core.text import shown, unlike

_ID = re.compile(r"[0-9a-f]{24}")
_LONGEST_NAME = 60
# Removed models and unfinished uploads are kept for this long.
_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Entry:
    """An uploaded checkpoint.

    Attributes:
        id: hash of the upload.
        name: unique display name.
        file: original name.
        layout: the public layout of its file; empty for our own.
        bytes: size of the upload.
    """

    id: str
    name: str
    file: str
    layout: str
    bytes: int
    added: str

    @property
    def path(self) -> Path:
        return root() / self.id / "model.safetensors"


def root() -> Path:
    return cache_root() / "models"


def entries() -> dict[str, Entry]:
    """Name -> entry, oldest first."""
    kept = [entry for facts in root().glob("*/facts.json") if (entry := _read(facts)) is not None]
    return {entry.name: entry for entry in sorted(kept, key=lambda entry: (entry.added, entry.id))}


def remarks() -> list[str]:
    """Warnings about damaged models, a sentence each."""
    folders = [folder for folder in root().glob("*/") if _ID.fullmatch(folder.name)]
    lost = sum(_read(folder / "facts.json") is None for folder in folders)
    return [f"{lost} of the models that were dropped in are damaged on the disk: drop their files in again."] if lost else []


def incoming() -> Path:
    """A new folder for uploads in progress, on the disk where they will stay."""
    folder = root() / f".incoming-{owned()}"
    folder.mkdir(parents=True)
    return folder


def take_in(
    source: Path,
    called: str,
    taken: Collection[str],
    layout: str = "",
    check: Callable[[], object] = lambda: None,
    choices: Choices | None = NO_CHOICES,
) -> tuple[Entry | None, Report]:
    """Import a checkpoint; returns why it was refused, or its open questions. An existing one is not read again.

    Args:
        source: a file, or a folder of one layout's files.
        called: its original name.
        taken: the names of other models.
        layout: see ``load_untrusted``.
        check: called a few times per second; an exception from it cancels the import.
        choices: what a public layout's file does not say; None returns the questions first.

    Raises:
        UserError: when the source does not exist, or the disk is full.
    """
    try:
        digest = _digest(source, choices)
    except OSError as error:
        raise UserError(f"{shown(called)} cannot be read: {error.strerror or 'the disk refuses'}.") from error
    known = _read(root() / digest / "facts.json")
    if known is not None:
        return known, Report(layout=known.layout)
    part = root() / f".part-{owned()}"
    try:
        part.mkdir(parents=True)
        report = load_untrusted(source, part / "model.safetensors", layout, check, choices=choices)
        if report.error or report.asked:
            return None, report
        size = sum(file.stat().st_size for file in _files(source))
        name = unlike(_plain(Path(called).stem), {*taken, *entries()})
        entry = Entry(digest, name, shown(Path(called).name), report.layout, size, datetime.now(UTC).isoformat())
        sealed.write_kept(part / "facts.json", asdict(entry))
        stamp(part / "model.safetensors")
        shutil.rmtree(root() / digest, ignore_errors=True)
        part.replace(root() / digest)
        return entry, report
    except OSError as error:
        sentence = sentence_of(error) or f"There is no room to keep {shown(called)}: {error.strerror or 'the disk refuses'}."
        raise UserError(sentence) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove(entry: Entry) -> None:
    """Remove a model; ``restore`` can undo it for a day."""
    sweep()
    shutil.rmtree(_removed(entry.id), ignore_errors=True)
    folder = root() / entry.id
    if folder.is_dir():
        folder.replace(_removed(entry.id))
        os.utime(_removed(entry.id))


def restore(entry: Entry) -> None:
    """Restore a removed model.

    Raises:
        UserError: when it is no longer kept.
    """
    if (root() / entry.id).exists():
        return
    if not _removed(entry.id).is_dir():
        raise UserError("The model is no longer stored: drop its file in again.")
    _removed(entry.id).replace(root() / entry.id)


def sweep(seconds: float = _KEPT_SECONDS) -> None:
    """Delete what was removed long ago, and incomplete imports."""
    for folder in root().glob(".*"):
        half = folder.name.startswith((".incoming-", ".part-")) and abandoned(folder)
        if folder.is_dir() and (half or time.time() - folder.stat().st_mtime > seconds):
            shutil.rmtree(folder, ignore_errors=True)


def together(names: Collection[str]) -> bool:
    """Whether files with these names are the parts of one model."""
    from affectscope.core.checkpoints.foreign import is_part, shard

    return len(names) > 1 and all(is_part(name) for name in names) and len({shard(name)[0] for name in names}) == 1


def together_name(names: Collection[str]) -> str:
    """The name of a model in parts."""
    from affectscope.core.checkpoints.foreign import shard

    first = sorted(names)[0]
    if stem := shard(first)[0]:
        return f"{Path(stem).stem}, {len(names)} files"
    return f"{'AuxFormer' if any(name.startswith('final_head.') for name in names) else 'VAVL'}, {len(names)} files"


def part_name(name: str) -> str:
    """A part's stored name, from a fixed set, so that no uploaded name becomes a path."""
    from affectscope.core.checkpoints.foreign import shard

    stem, number, count = shard(name)
    return f"model-{number:05}-of-{count:05}.bin" if stem else f"{name.split('.')[0]}.pt"


def find_path(text: str) -> Path:
    """A file or folder on this machine that the user names; its content decides what it is.

    Raises:
        UserError: when there is none, or a folder is empty.
    """
    from affectscope.core.files.kinds import TABLES, kind_of

    path = Path(os.path.expanduser(text.strip()))
    if "\0" in text or not path.is_absolute():
        raise UserError("Give the whole path of a file or folder on the machine that runs the app, from / on.")
    called = shown(str(path), 200)
    try:
        if path.is_dir() and not any(file.is_file() for file in path.iterdir()):
            raise UserError(f"{called} holds no file: name a checkpoint, or the folder of a layout's state_dicts.")
        if path.is_symlink() and not path.exists():
            raise UserError(f"{called} is a link that leads to no file: name the checkpoint itself.")
        if not path.exists():
            raise UserError(f"There is no {called} on the machine that runs the app: check the path.")
        if not (path.is_dir() or path.is_file()) or not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            raise UserError(f"{called} cannot be read by the app: check what it is, and its permissions.")
        if path.is_file() and path.suffix.lower() not in TABLES:
            kind_of(path)
    except OSError as error:
        raise UserError(f"{called} cannot be read by the app: {error.strerror or 'the disk refuses'}.") from error
    return path


def device(name: str) -> str:
    """The user's device for a model; the CPU by default."""
    return _devices().get(name, "cpu")


def choose_device(name: str, chosen: str) -> None:
    """Store the device for a model."""
    with locked(root()):
        known = {k: v for k, v in _devices().items() if k != name} | ({name: chosen} if chosen != "cpu" else {})
        sealed.write_kept(root() / "devices.json", known)


def _devices() -> dict[str, str]:
    content, _ = sealed.read_kept(root() / "devices.json")
    return {str(k): str(v) for k, v in (content or {}).items()}


def _removed(entry_id: str) -> Path:
    return root() / f".removed-{entry_id}"


def _files(source: Path) -> list[Path]:
    return sorted(file for file in source.iterdir() if file.is_file()) if source.is_dir() else [source]


def _digest(source: Path, choices: Choices | None) -> str:
    content = content_hash(source)[:24] if not source.is_dir() else ""
    if content and not (choices and choices != NO_CHOICES):
        return content
    named = ((file.name, content_hash(file)) for file in _files(source))
    return key_of(*named, *([asdict(choices)] if choices and choices != NO_CHOICES else []))[:24]


def _plain(text: str) -> str:
    return shown(text.strip(), _LONGEST_NAME) or "model"


def _read(facts: Path) -> Entry | None:
    try:
        entry = Entry(**sealed.read_kept(facts)[0] or {})
    except TypeError:
        return None
    return entry if _ID.fullmatch(entry.id) and facts.parent.name == entry.id and entry.path.is_file() else None
