"""Deletes an own clip and everything derived from it: features, analyses, pictures, exports."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from affectscope.app.common import jobs
from affectscope.app.own import store
from affectscope.app.services.browsing import corpus_names, opened
from affectscope.app.serving import thumbs
from affectscope.core.cache.store import content_hash, derived, of_clip
from affectscope.core.errors import UserError
from affectscope.core.imports import stored as imports

# Seconds to wait for running jobs on the clip, whose output would otherwise outlive it.
_PATIENCE = 20.0
_WORDS = {"uploads": "file", "features": "set of features", "analyses": "analysis", "thumbs": "picture", "exports": "export"}
_OTHER = "other file"
_FACTS = (".json", ".previous")
_PLURALS = {"set of features": "sets of features", "analysis": "analyses"}


@dataclass(frozen=True)
class Removed:
    """The result of a deletion.

    Attributes:
        counts: kind, as displayed -> number of files.
        shared: the corpus that contains the same clip, whose derived data was kept; "" if none.
    """

    counts: dict[str, int]
    size: int
    shared: str

    def __str__(self) -> str:
        counted = [(word, self.counts[word]) for word in (*_WORDS.values(), _OTHER) if word in self.counts]
        parts = [f"{count} {word if count == 1 else _PLURALS.get(word, word + 's')}" for word, count in counted]
        listed = ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts) or "nothing"
        stayed = f" The corpus {self.shared} has the same clip: its features and analyses stay." if self.shared else ""
        return f"Deleted: {listed}, {max(self.size, 100_000) / 1e6:.1f} MB.{stayed}"


def remove(clip_id: str) -> Removed:
    """Delete a clip: its file and copies, and everything derived from them."""
    media = [path for path in store.files(clip_id) if path.suffix not in _FACTS]
    doomed, shared = _made_from(media)
    doomed += store.files(clip_id)
    sizes = {path: _size(path) for path in dict.fromkeys(doomed)}
    store.remove(clip_id)
    _unlink(sizes)
    counts = Counter(_WORDS.get(path.parent.name, _OTHER) for path in sizes if path.suffix not in _FACTS or _told(path))
    # The user's own files first, then derived ones.
    ordered = {word: counts[word] for word in (*_WORDS.values(), _OTHER) if counts[word]}
    return Removed(ordered, sum(sizes.values()), shared)


def forget(media: Iterable[Path]) -> None:
    """Delete data derived from files of a clip that is kept, such as an unused stretch."""
    _unlink(_made_from([path for path in media if path.is_file()])[0])


def _told(path: Path) -> bool:
    """Whether a file counts in the report: an analysis is two files, and facts and their previous version are internal."""
    return path.parent.name not in ("uploads", "analyses")


def _made_from(media: Iterable[Path]) -> tuple[list[Path], str]:
    """All data derived from these files, after running jobs have ended, and the corpus that shares them."""
    files: list[Path] = []
    shared = ""
    for path in media:
        content = content_hash(path)
        files.append(thumbs.place(path))
        if name := _corpus_with(path, content):
            shared = name
            continue
        _stop(of_clip(content, ""))
        files += derived(content)
    return [path for path in files if path.is_file()], shared


def _stop(mark: str) -> None:
    for job in jobs.about(mark):
        jobs.cancel(job)
        job.wait(_PATIENCE)


def _corpus_with(path: Path, content: str) -> str:
    """The name of a corpus with a clip of this content; only files of the same size are read."""
    size = _size(path)
    for name, clip in _clips():
        if _size(clip) == size and clip != path:
            with suppress(OSError):
                if content_hash(clip) == content:
                    return name
    return ""


def _clips() -> Iterator[tuple[str, Path]]:
    """The files of all corpora and imported tables."""
    for name in corpus_names():
        with suppress(UserError):
            corpus = opened(name)
            yield from ((name, corpus.root / str(path)) for path in corpus.table["path"] if path)
    for entry in imports.entries().values():
        with suppress(UserError):
            yield from ((entry.corpus, Path(path)) for path in imports.corpus_of(entry).table["path"] if path)


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
