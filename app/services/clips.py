"""Clips, and the URLs of their media and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd

from affectscope.app.gate import visitors
from affectscope.app.own import store
from affectscope.app.services.browsing import DEMO, corpus, corpus_names, opened
from affectscope.app.services.known import corpus_of, corpus_of_table, imported
from affectscope.app.serving import lending
from affectscope.core import corpora, media
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, content_hash, key_of, of_clip
from affectscope.core.errors import UserError
from affectscope.core.features.extract import count_faces
from affectscope.core.imports import stored as imports
from affectscope.core.imports.clips import ImportedCorpus
from affectscope.core.media.stretch import clock, named

UPLOADS = "uploads"
_MOST_FACES = 99


@dataclass(frozen=True)
class Clip:
    """A clip, from a corpus, the user's own files, or a table of predictions.

    Attributes:
        file: its media; None if there are none, with the reason in ``missing``.
        track: the audio track, counted from 1; default: the first that has sound.
        face: the analysed face, counted from 1; default: the largest and longest seen.
    """

    corpus: str
    id: str
    title: str
    file: Path | None
    label: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""
    track: int | None = None
    face: int | None = None

    @property
    def called(self) -> str:
        """The name by which arrays may refer to it: its id in the corpus; for an own clip, the file's original name."""
        return Path(self.title).stem if self.corpus == UPLOADS else self.id

    @property
    def media(self) -> Path:
        """The media file.

        Raises:
            UserError: when there is none.
        """
        if self.file is None:
            raise UserError(self.missing)
        return self.file


def clip(corpus_name: str, clip_id: str) -> Clip:
    """Find a clip.

    Raises:
        UserError: when there is none of that name.
    """
    if corpus_name == UPLOADS:
        return _own(clip_id)
    source = _named(corpus_name, clip_id)
    file, missing = None, ""
    try:
        file = source.media(clip_id)
    except UserError as error:
        # An imported table's clip is worth showing without media; clips of our corpora always have them.
        if not isinstance(source, ImportedCorpus) or clip_id not in source.table.index:
            raise
        missing = str(error)
    facts = {k: v for k, v in source.table.loc[clip_id].items() if pd.notna(v) and k != "path"}
    return Clip(source.name, clip_id, clip_id, file, facts.get("label"), facts, missing)


def heard(item: Clip, track: str) -> Clip:
    """The clip with another audio track, as given in the URL; an invalid number is ignored."""
    if item.file is None or not (track.isascii() and track.isdigit()):
        return item
    number = int(track[:6])
    return replace(item, track=number) if 1 <= number <= media.probe(item.file, inf).sound_tracks else item


def seen(item: Clip, face: str) -> Clip:
    """The clip with another face, as given in the URL; an invalid number is ignored.

    The number of faces is known after extraction; before, the analysis reports an invalid choice.
    """
    if item.file is None or not (face.isascii() and face.isdigit()):
        return item
    number, known = int(face[:6]), count_faces(item.file)
    return replace(item, face=number) if 1 < number <= (known or _MOST_FACES) else item


def _own(clip_id: str) -> Clip:
    own = store.find(clip_id)
    if own is None:
        raise UserError("That upload is no longer stored here: choose the file again.")
    if own.file == own.original and not store.intact(own.id, own.original, own.owner):
        raise UserError(f"{own.name} was damaged on the disk: choose its file again.")
    missing = "" if own.file else f"{own.name} lasts {clock(own.seconds)}: choose a stretch of it on the Clip page."
    title = named(own.stretch, own.name) if own.stretch and own.file else own.name
    return Clip(UPLOADS, clip_id, title, own.file, own.label, missing=missing)


def _named(name: str, clip_id: str) -> corpora.Corpus:
    """The corpus of that name, or the imported table; without a name the session's current one."""
    if not name:
        return corpus()
    if name in corpus_names() and (name == DEMO or clip_id in opened(name).table.index):
        return opened(name)
    for entry in imports.entries().values():
        if entry.corpus == name:
            source = corpus_of_table(entry)
            if clip_id in source.table.index:
                return source
    return opened(name if name in corpus_names() else DEMO)


def corpus_here(name: str) -> bool:
    """Whether there is a corpus of that name, an imported table, or uploads."""
    return name == UPLOADS or name in corpus_names() or any(entry.corpus == name for entry in imports.entries().values())


def clip_here(corpus_name: str, clip_id: str) -> bool:
    """Whether there is a clip of that name. True for uploads and unreadable corpora, for which ``clip`` reports the error."""
    try:
        return corpus_name == UPLOADS or clip_id in _named(corpus_name, clip_id).table.index
    except UserError:
        return True


def clips_of(model: str | None) -> pd.DataFrame:
    """The table of the clips that a model covers; empty if it cannot be read."""
    try:
        return (corpus_of(model) if model else corpus()).table
    except UserError:
        return pd.DataFrame()


def covers(model: str, item: Clip) -> bool:
    """Whether the model covers the clip: an imported one only its table's."""
    known = imported(model)
    if known is None:
        return item.file is not None
    if item.id not in known.prediction_table.table.index:
        return False
    own = corpus_of_table(known.entry)
    return item.corpus == own.name or (item.file is not None and str(own.table.at[item.id, "path"]) == str(item.file))


def truth_known(item: Clip) -> bool:
    """Whether the clip's corpus knows when and where its emotion shows."""
    return item.corpus in corpus_names() and opened(item.corpus).kind == "demo"


def media_url(item: Clip) -> str:
    """URL of the clip, in a form that browsers play."""
    name = _own_name(item.media) if item.corpus == UPLOADS else item.id
    # Another track is another file.
    name = f"{name}.sound{item.track}" if item.track else name
    return lending.lend("clips", f"{item.corpus}.{name}", media_file(item), owner_of(item.corpus))


def owner_of(corpus_name: str) -> str:
    """The visitor who alone may fetch a clip's files: the current one if the clip is somebody's own. "" for everybody."""
    return visitors.current() if corpus_name == UPLOADS else ""


def media_file(item: Clip) -> Path:
    """The clip in a form that browsers play, if it exists."""
    return playable(item) or item.media


def _own_name(path: Path) -> str:
    """URL name; each stretch of a long file has its own, so that browsers do not show a cached one."""
    return path.stem


def playable(item: Clip) -> Path | None:
    """A file of the clip that browsers can play; None if it has yet to be made."""
    if item.corpus == UPLOADS:
        return store.playable(item.id, item.track)
    if item.corpus == DEMO or media.probe(item.media, track=item.track).browser_playable:
        return item.media
    copy = browser_copy(item)
    return copy if sealed.is_intact(copy) else None


def prepare(item: Clip, progress: Callable[[str, float], None]) -> None:
    """Make such a file if there is none yet."""
    if playable(item) is None:
        make_playable(item, lambda share: progress("Preparing the clip for the browser", share))


def make_playable(item: Clip, progress: Callable[[float], None]) -> None:
    if item.corpus == UPLOADS:
        store.make_playable(item.id, item.media, progress, item.track)
    else:
        sealed.fill(browser_copy(item), lambda part: media.browser_copy(item.media, part, progress, track=item.track), video=True)


def browser_copy(item: Clip) -> Path:
    content, read = content_hash(item.media), (*media.reading(item.media), *media.hearing(item.media, item.track))
    return cache_root() / "browser" / f"{of_clip(content, key_of(*read)) if read else content}.mp4"


def thumb_url(corpus_name: str, clip_id: str, path: Path) -> str:
    """URL of the clip's picture; the clip itself is not exposed."""
    name = _own_name(path) if corpus_name == UPLOADS else clip_id
    return lending.lend("pictures", f"{corpus_name}.{name}", path, owner_of(corpus_name))


def pictures(model: str, clips: Iterable[str], of: corpora.Corpus | None = None) -> list[str | None]:
    """Pictures of some of a model's clips; None for those whose file is missing.

    Args:
        of: their corpus; default: the session's, or the model's own.
    """
    source = of or corpus_of(model)

    def picture(clip_id: str) -> str | None:
        try:
            path = source.located(clip_id) if isinstance(source, ImportedCorpus) else source.media(clip_id)
            return thumb_url(source.name, clip_id, path)
        except UserError:
            return None

    return [picture(clip_id) for clip_id in clips]


def picture_url(model: str, clip_id: str) -> str | None:
    return pictures(model, [clip_id])[0]
